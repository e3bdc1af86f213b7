//! The admin port: for whoever watches over the server, not for its users.

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::health::Health;
use crate::db::Db;

#[derive(Clone)]
struct Watch {
    health: Health,
    db: Db,
    metrics: PrometheusHandle,
}

/// Serves `/livez`, `/readyz` and `/metrics` until `stop`.
pub async fn serve(listener: TcpListener, health: Health, db: Db, metrics: PrometheusHandle, stop: CancellationToken) {
    let router = Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(figures))
        .with_state(Watch { health, db, metrics });
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        warn!(%error, "the admin port stopped");
    }
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
