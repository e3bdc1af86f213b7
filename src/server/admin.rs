//! The admin port: for whoever watches over the server, not for its users.

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{admin_tls::TlsListener, health::Health, tls::Tls};
use crate::{app::App, db::Db};

#[derive(Clone)]
struct Watch {
    health: Health,
    db: Db,
    metrics: PrometheusHandle,
}

/// Serves `/livez`, `/readyz` and `/metrics` until `stop`.
pub fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    app: &App,
    health: Health,
    metrics: PrometheusHandle,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send + use<> {
    let patience = app.config.server.handshake_timeout;
    let router = router(Watch { health, db: app.db.clone(), metrics });
    async move {
        let stopped = stop.cancelled_owned();
        let served = match tls.filter(Tls::guards_admin) {
            None => axum::serve(listener, router).with_graceful_shutdown(stopped).await,
            Some(tls) => match TlsListener::new(listener, tls, patience) {
                Ok(listener) => axum::serve(listener, router).with_graceful_shutdown(stopped).await,
                Err(error) => Err(error),
            },
        };
        if let Err(error) = served {
            warn!(%error, "the admin port stopped");
        }
    }
}

fn router(watch: Watch) -> Router {
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(figures))
        .with_state(watch)
}

async fn figures(State(watch): State<Watch>) -> String {
    watch.db.measure();
    watch.metrics.render()
}

async fn ready(State(watch): State<Watch>) -> (StatusCode, Json<Value>) {
    let parts = watch.health.dependencies();
    let all = parts.iter().all(|(_, answers)| *answers);
    let (code, state) = match (watch.health.is_ready(), all) {
        (true, true) => (StatusCode::OK, "ready"),
        (true, false) => (StatusCode::OK, "degraded"),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    let parts: serde_json::Map<String, Value> =
        parts.iter().map(|(part, answers)| ((*part).to_owned(), json!(if *answers { "up" } else { "down" }))).collect();
    (code, Json(json!({ "state": state, "dependencies": parts })))
}
