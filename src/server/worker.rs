//! A process that runs jobs and serves nobody: it has an admin port too, so that it can be watched and probed.

use std::net::SocketAddr;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{admin, bind, health::Health, tls::Tls};
use crate::{app::App, backup, sessions, telemetry, work};

/// A worker whose admin port listens and that runs no jobs yet.
pub struct WorkerProcess {
    app: App,
    admin: TcpListener,
    tls: Option<Tls>,
    page: PrometheusHandle,
}

impl WorkerProcess {
    /// Takes the admin port: `work.admin_listen`.
    ///
    /// # Errors
    /// One sentence: the port is busy or forbidden.
    pub async fn bind(app: App) -> anyhow::Result<Self> {
        let page = telemetry::install();
        let admin = bind(app.config.work.admin_listen, "work.admin_listen").await?;
        let tls = Tls::open(&app.config.tls)?;
        Ok(Self { app, admin, tls, page })
    }

    /// Where it can be asked how it is: the real port, if port 0 was asked for.
    ///
    /// # Errors
    /// Never in practice: the port is bound.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Runs jobs until `stop`. It is alive for as long as they may take to finish, and not ready any more.
    ///
    /// # Errors
    /// When what was signed out before cannot be read from the database at the start.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { app, admin, tls, page } = self;
        let watched = CancellationToken::new();
        let health = Health::start(app.clone(), watched.clone()).await;
        let admin = tokio::spawn(admin::serve(admin, tls.clone(), &app, health.clone(), page.clone(), watched.clone()));
        tokio::spawn(telemetry::keep(page.clone(), stop.clone()));
        tokio::spawn((*app.keys).clone().follow(stop.clone()));
        if let Some(tls) = tls {
            tokio::spawn(tls.follow(stop.clone()));
        }
        tokio::spawn(backup::follow(app.clone(), stop.clone()));
        sessions::follow_changes(&app, stop.clone()).await?;
        let leaving = tokio::spawn({
            let (health, stop) = (health.clone(), stop.clone());
            async move {
                stop.cancelled().await;
                health.stop_serving().await;
            }
        });
        work::worker(&app).work(stop).await;
        leaving.abort();
        watched.cancel();
        if tokio::time::timeout(app.config.server.grace, admin).await.is_err() {
            warn!("the admin port did not stop in time");
        }
        app.cache.close().await;
        app.db.close().await;
        Ok(())
    }
}
