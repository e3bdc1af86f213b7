//! `backline health`: asks the server on this machine whether it is ready, for whoever has no other way to ask.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, bail};
use reqwest::{Client, redirect::Policy};

use crate::config::Config;

/// Below the time that container engines give a check.
const PATIENCE: Duration = Duration::from_secs(3);

/// Prints what `/readyz` of `server.admin_listen` says.
///
/// # Errors
/// When nobody answers there, or the server is not ready.
pub async fn run(config: &Config) -> anyhow::Result<()> {
    let address = reachable(config.server.admin_listen);
    let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(PATIENCE).build()?;
    let silent =
        || format!("no server answers on {address}; it is not running, or server.admin_listen is another there");
    let answer = client.get(format!("http://{address}/readyz")).send().await.with_context(silent)?;
    let is_ready = answer.status().is_success();
    let said = answer.text().await.with_context(silent)?;
    if !is_ready {
        bail!("the server is not ready: {}", said.trim());
    }
    println!("{}", said.trim());
    Ok(())
}

/// Where to call whoever listens there: all addresses include the loopback one.
fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, v6.port()).into(),
        other => other,
    }
}
