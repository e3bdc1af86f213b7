//! A login storm at four times what the machine can hash, and what it does to others.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use backline::pb::{self, session_service_client::SessionServiceClient};
use futures::future::try_join_all;
use tokio::{task::JoinSet, time::MissedTickBehavior};
use tonic::{Code, transport::Channel};

use crate::{
    figures::{ms, per_second},
    login,
    server::{EMAIL, PASSWORD, Server},
};

/// Offered logins, as a multiple of what the server manages alone.
const STORM: f64 = 4.0;
/// So many that no call waits in the client for a stream of its connection.
const CONNECTIONS: usize = 16;
/// Between two refreshes of the bystander.
const BYSTANDER: Duration = Duration::from_millis(20);

pub async fn measure(binary: &Path, seconds: u64) -> anyhow::Result<()> {
    let span = Duration::from_secs(seconds);
    let data = tempfile::tempdir()?;
    let settings = ["sessions.max_sessions=100", "mode=test"];
    let server = Arc::new(Server::start_with(binary, data.path(), &settings).await?);
    server.account(data.path()).await?;
    let capacity = login::rate(span, || async { server.login().await.is_ok() }).await;
    // A session of its own account would be pushed out by the storm's.
    let token = server.second_account(data.path()).await?.refresh_token;

    // And on the storm's connection it would wait behind it.
    let apart = server.connect().await?;
    let (mut unloaded, token) = refresh_for(apart.clone(), token, span).await?;
    let before = server.memory_kib("VmRSS")?;
    let bystander = tokio::spawn(refresh_for(apart, token, span));
    let mut storm = offer(&server, capacity * STORM, span).await?;
    let (mut loaded, _) = bystander.await??;
    let highest = server.memory_kib("VmHWM")?;

    println!("capacity: {capacity:.1} logins a second; offered: {:.1}", capacity * STORM);
    println!(
        "accepted: {:.1} a second, p50 {} ms, p99 {} ms",
        per_second(storm.accepted.len(), span),
        ms(&mut storm.accepted, 0.5),
        ms(&mut storm.accepted, 0.99)
    );
    println!("refused:  {} calls, p99 {} ms", storm.refused.len(), ms(&mut storm.refused, 0.99));
    println!("failed otherwise: {}", storm.failed);
    println!("refresh p99: {} ms unloaded, {} ms in the storm", ms(&mut unloaded, 0.99), ms(&mut loaded, 0.99));
    println!("memory: {before} KiB before, {highest} KiB at its highest");
    Arc::into_inner(server).context("a call is still running")?.stop().await
}

#[derive(Default)]
struct Storm {
    accepted: Vec<Duration>,
    refused: Vec<Duration>,
    failed: usize,
}

/// Offers logins at a fixed rate whether or not earlier ones were answered, and waits for all answers.
async fn offer(server: &Arc<Server>, rate: f64, span: Duration) -> anyhow::Result<Storm> {
    let mut tick = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let channels = try_join_all((0..CONNECTIONS).map(|_| server.connect())).await?;
    let mut next = channels.iter().cycle();
    let (mut calls, begun) = (JoinSet::new(), Instant::now());
    while begun.elapsed() < span {
        tick.tick().await;
        let channel = next.next().context("no connection")?.clone();
        calls.spawn(async move {
            let request = pb::LoginRequest { email: EMAIL.into(), password: PASSWORD.into(), ..Default::default() };
            let asked = Instant::now();
            let answer = SessionServiceClient::new(channel).login(request).await;
            (answer.map(drop).map_err(|status| status.code()), asked.elapsed())
        });
    }
    let mut storm = Storm::default();
    while let Some(call) = calls.join_next().await {
        match call? {
            (Ok(()), took) => storm.accepted.push(took),
            (Err(Code::ResourceExhausted), took) => storm.refused.push(took),
            (Err(_), _) => storm.failed += 1,
        }
    }
    Ok(storm)
}

/// Refreshes one session at a steady pace. Returns how long each took, and the newest token.
async fn refresh_for(channel: Channel, mut token: String, span: Duration) -> anyhow::Result<(Vec<Duration>, String)> {
    let (mut client, mut took, begun) = (SessionServiceClient::new(channel), Vec::new(), Instant::now());
    let mut tick = tokio::time::interval(BYSTANDER);
    while begun.elapsed() < span {
        tick.tick().await;
        let asked = Instant::now();
        let reply = client.refresh_session(pb::RefreshSessionRequest { refresh_token: token });
        token = reply.await?.into_inner().tokens.context("no tokens")?.refresh_token;
        took.push(asked.elapsed());
    }
    Ok((took, token))
}
