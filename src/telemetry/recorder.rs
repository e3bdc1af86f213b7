//! Metrics, collected for Prometheus to fetch and for OTLP to send.

use std::{sync::OnceLock, time::Duration};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

use super::names;

/// Upper bounds of the buckets for durations, in seconds: those of the convention, and two below for what never leaves
/// the machine.
const BUCKETS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// How often samples are gathered into their buckets, whether anybody reads them or not.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Keeps the collection small until `stop`: samples pile up until they are gathered.
pub async fn keep(page: PrometheusHandle, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(UPKEEP_EVERY) => page.run_upkeep(),
        }
    }
}

/// The process's one collection of metrics; servers of one process share it.
///
/// Exemplars are left out: this exporter knows none.
pub fn install() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new()
                .set_buckets(&BUCKETS)
                .map(PrometheusBuilder::build_recorder)
                .expect("the buckets are not empty");
            let handle = recorder.handle();
            if metrics::set_global_recorder(recorder).is_err() {
                tracing::warn!("another collection of metrics was there first");
            }
            names::describe();
            handle
        })
        .clone()
}
