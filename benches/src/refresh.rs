//! Refreshes a second, each durable before its reply, against the bare update that one costs.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use backline::pb::{self, session_service_client::SessionServiceClient};
use futures::future::try_join_all;
use tonic::transport::Channel;

use crate::{
    figures::{ms, per_second},
    server::Server,
};

/// Sessions that refresh at once, one refresh after the other each.
const SESSIONS: usize = 16;

pub async fn measure(binary: &Path, seconds: u64, database: Option<&str>) -> anyhow::Result<()> {
    let span = Duration::from_secs(seconds);
    let data = tempfile::tempdir()?;
    let url = database.map(|url| format!("database.url={url}"));
    let mut settings = vec!["sessions.max_sessions=100", "mode=test"];
    settings.extend(url.as_deref());
    let server = Server::start_with(binary, data.path(), &settings).await?;
    server.account(data.path()).await?;

    let mut tokens = Vec::new();
    for _ in 0..SESSIONS {
        tokens.push(server.sign_in().await?.refresh_token);
    }
    let begun = Instant::now();
    let each = tokens.into_iter().map(|token| keep_refreshing(server.channel.clone(), token, span));
    let mut took: Vec<Duration> = try_join_all(each).await?.into_iter().flatten().collect();
    let rate = per_second(took.len(), begun.elapsed());
    println!("refreshes a second, {SESSIONS} sessions at once: {rate:.0}");
    println!("p50 {} ms, p99 {} ms", ms(&mut took, 0.5), ms(&mut took, 0.99));
    server.stop().await
}

/// Trades one session's token again and again, and tells how long each trade took.
async fn keep_refreshing(channel: Channel, mut token: String, span: Duration) -> anyhow::Result<Vec<Duration>> {
    let (mut client, mut took, begun) = (SessionServiceClient::new(channel), Vec::new(), Instant::now());
    while begun.elapsed() < span {
        let asked = Instant::now();
        let reply = client.refresh_session(pb::RefreshSessionRequest { refresh_token: token });
        token = reply.await?.into_inner().tokens.context("no tokens")?.refresh_token;
        took.push(asked.elapsed());
    }
    Ok(took)
}
