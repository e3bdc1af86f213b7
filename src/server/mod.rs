//! The server: one port for gRPC, gRPC-Web and HTTP, another for whoever watches over it.
//!
//! - `services`: all services behind the gate, with health and reflection
//! - `http`: what is not gRPC, and what every HTTP answer carries
//! - `app_links`: which mobile apps belong to this server
//! - `accept`: our own accept loop, with the limits that tonic's leaves out
//! - `health`: tells the truth about what we depend on
//! - `admin`, `admin_tls`: `/livez`, `/readyz`, `/metrics`, perhaps behind client certificates
//! - `tls`: certificates, and following their files
//! - `worker`: what is left of all this in a process that only runs jobs
//! - this file: start, drain, stop

mod accept;
mod admin;
mod admin_tls;
mod app_links;
mod first_bytes;
mod guard;
mod health;
mod http;
mod info;
mod proxies;
mod pulse;
mod services;
mod tls;
mod worker;

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use self::tls::Tls;
pub use self::worker::WorkerProcess;
use crate::{app::App, audit, backup, fleet, sessions, telemetry, work};

/// A server that listens and is not serving yet.
pub struct Server {
    app: App,
    listener: TcpListener,
    admin: TcpListener,
    tls: Option<Tls>,
    recorder: PrometheusHandle,
}

impl Server {
    /// Takes both ports.
    ///
    /// # Errors
    /// One sentence: which port is busy or forbidden, which certificate cannot be used, what other instances have otherwise.
    pub async fn bind(app: App) -> anyhow::Result<Self> {
        let recorder = telemetry::install();
        fleet::join(&app.config, &app.db, &app.keys, &app.clock).await?;
        let tls = Tls::open(&app.config.tls)?;
        audit::adopt(&app).await?;
        let config = &app.config.server;
        let listener = bind(config.listen, "server.listen").await?;
        let admin = bind(config.admin_listen, "server.admin_listen").await?;
        Ok(Self { app, listener, admin, tls, recorder })
    }

    /// Where it listens: the real port, if port 0 was asked for.
    ///
    /// # Errors
    /// Never in practice: the port is bound.
    pub fn addresses(&self) -> std::io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.listener.local_addr()?, self.admin.local_addr()?))
    }

    /// Serves until `drain`, then stops in order: a time of `notice` in which health says `NOT_SERVING`, then connections
    /// get GOAWAY, calls finish within the grace, and the worker and the database are let go.
    ///
    /// # Errors
    /// When what was signed out before cannot be read from the database at the start.
    pub async fn run(self, drain: CancellationToken, notice: impl Fn() -> Duration) -> anyhow::Result<()> {
        let Self { app, listener, admin, tls, recorder } = self;
        let tasks = TaskTracker::new();
        let background = CancellationToken::new();

        let following = sessions::follow_changes(&app, background.clone())
            .await
            .context("the sessions that ended lately cannot be read from the database")?;
        let keys = tokio::spawn((*app.keys).clone().follow(background.clone()));
        tokio::spawn(telemetry::keep(recorder.clone(), background.clone()));
        let backups = tokio::spawn(backup::follow(app.clone(), background.clone()));
        let certificates = tls.clone().map(|tls| tokio::spawn(tls.follow(background.clone())));
        let health = health::Health::start(app.clone(), background.clone()).await;
        let admin = tokio::spawn(admin::serve(admin, tls.clone(), &app, health.clone(), recorder, background.clone()));
        let worker = app.config.work.in_server.then(|| tokio::spawn(work::worker(&app).work(background.clone())));

        let router = services::router(&app, &health, &tasks)?;
        let closing = CancellationToken::new();
        let accepting = tokio::spawn(accept::serve(listener, tls, app.clone(), router, closing.clone()));

        drain.cancelled().await;
        health.stop_serving().await;
        let notice = notice();
        info!(notice_s = notice.as_secs(), "draining: no new calls soon");
        tokio::time::sleep(notice).await;
        closing.cancel();
        if accepting.await.is_err() {
            warn!("the accept loop did not end by itself");
        }
        tasks.close();
        if tokio::time::timeout(app.config.server.grace, tasks.wait()).await.is_err() {
            warn!(calls = tasks.len(), "some calls did not finish in time");
        }
        background.cancel();
        let going = [Some(admin), Some(following), Some(keys), Some(backups), certificates, worker];
        for task in going.into_iter().flatten() {
            if tokio::time::timeout(app.config.server.grace, task).await.is_err() {
                warn!("a background task did not stop in time");
            }
        }
        app.cache.close().await;
        app.db.close().await;
        info!("stopped");
        Ok(())
    }
}

async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow::anyhow!("{address} is in use; stop what listens there, or set {key} to another address")
        }
        _ => anyhow::anyhow!("{address} cannot be listened on ({error}); set {key} to another address"),
    })
}
