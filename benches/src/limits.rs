//! What one check of a limit costs, alone and through Redis, and how long a change takes from one server to a watch on another.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use backline::{
    cache::{Cache, Limit, Pool, Shared},
    config::RedisConfig,
    kernel::{Dice, Digest, Timestamp},
    pb::{self, session_service_client::SessionServiceClient},
};
use futures::future::join_all;
use tonic::{Request, transport::Channel};

use crate::{
    figures::{ms, per_second, quantile},
    server::Server,
};

const CHECKS: u32 = 5_000;
/// Checks under way at once, in the second figure of each.
const AT_ONCE: usize = 64;
const LIMIT: Limit = Limit { most: u32::MAX, window: Duration::from_mins(1) };

/// A Redis of one's own, in memory.
struct Redis(Child, String);

impl Redis {
    fn start() -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port])
            .stdout(Stdio::null())
            .spawn()
            .context("redis-server cannot be started; install it, or give --redis")?;
        Ok(Self(child, format!("redis://127.0.0.1:{port}")))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub async fn measure(binary: &Path, rounds: usize, redis: Option<String>) -> anyhow::Result<()> {
    let own = if redis.is_none() { Some(Redis::start()?) } else { None };
    let url = redis.or_else(|| own.as_ref().map(|own| own.1.clone())).context("no Redis")?;
    let config = RedisConfig { url: Some(url.as_str().into()), ..RedisConfig::default() };
    let shared = Cache::connect(&config, [7; 32], &Dice::System).await?;
    let begun = Instant::now();
    while shared.shared() != Shared::Up {
        if begun.elapsed() > Duration::from_secs(10) {
            bail!("Redis does not answer");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!(
        "| one check of a limit | one at a time, p50 µs | p99 µs | {AT_ONCE} at once, a second |\n|---|---|---|---|"
    );
    checks("in one process", &Cache::in_process()).await?;
    checks("through Redis", &shared).await?;
    drop(shared);
    fan_out(binary, rounds, &url).await
}

async fn checks(name: &str, cache: &Cache) -> anyhow::Result<()> {
    let now = Timestamp::from_micros(1_772_323_200_000_000);
    let take = async |number: u32| {
        let key = Digest::sha256(&(number % 100).to_be_bytes());
        cache.take(Pool::Accounts, &key, LIMIT, now).await.map(drop)
    };
    let mut took = Vec::new();
    for number in 0..CHECKS {
        let begun = Instant::now();
        take(number).await.ok().context("nobody reaches this limit")?;
        took.push(begun.elapsed());
    }
    let begun = Instant::now();
    let each = (0..AT_ONCE).map(|_| async {
        for number in 0..CHECKS / 10 {
            take(number).await.ok();
        }
    });
    join_all(each).await;
    let rate = per_second(AT_ONCE * usize::try_from(CHECKS / 10)?, begun.elapsed());
    let mut us = |share| quantile(&mut took, share).map_or(0.0, |span| span.as_secs_f64() * 1e6);
    println!("| {name} | {:.1} | {:.1} | {rate:.0} |", us(0.5), us(0.99));
    Ok(())
}

/// Signs out on one server, and waits for a watch on another to say so.
async fn fan_out(binary: &Path, rounds: usize, url: &str) -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let setting = format!("redis.url={url}");
    // Tokens of one are to be good for the other.
    let url = "web.public_url=http://bench.test";
    let settings = [setting.as_str(), url, "mode=test", "limits.watches_per_minute=1000000"];
    let first = Server::start_with(binary, data.path(), &settings).await?;
    first.account(data.path()).await?;
    let second = Server::start_with(binary, data.path(), &settings).await?;
    let (mut told, mut replied) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let token = first.login().await?;
        let mut stream = SessionServiceClient::new(second.channel.clone())
            .watch_session(signed(&token, pb::WatchSessionRequest::default())?)
            .await?
            .into_inner();
        stream.message().await?.context("no snapshot")?;
        let begun = Instant::now();
        let (reply, event) =
            tokio::join!(timed(begun, sign_out(first.channel.clone(), &token)), timed(begun, stream.message()));
        reply.0?;
        event.0?.context("the stream ended without a word")?;
        replied.push(reply.1);
        told.push(event.1);
    }
    println!("\nfrom a sign-out on one server, {rounds} times:");
    println!("the reply there:          p50 {} ms, p99 {} ms", ms(&mut replied, 0.5), ms(&mut replied, 0.99));
    println!("a watch on another server: p50 {} ms, p99 {} ms", ms(&mut told, 0.5), ms(&mut told, 0.99));
    first.stop().await?;
    second.stop().await
}

async fn timed<T>(begun: Instant, work: impl Future<Output = T>) -> (T, Duration) {
    let outcome = work.await;
    (outcome, begun.elapsed())
}

async fn sign_out(channel: Channel, token: &str) -> anyhow::Result<()> {
    SessionServiceClient::new(channel).logout(signed(token, pb::LogoutRequest::default())?).await?;
    Ok(())
}

fn signed<T>(token: &str, message: T) -> anyhow::Result<Request<T>> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
    Ok(request)
}
