//! What a collector is told, over OTLP: the traces of calls and jobs, and the metrics that the admin port shows.
//!
//! - [`Call`], [`job`], [`Step`]: the spans, made in one place
//! - [`Scope`]: on whose behalf a task works; what it carries [`Onward`] to others
//! - [`install`]: the metrics; [`names`]: all of them
//! - `sampler`: which traces are kept; `push`: metrics on their way
//!
//! Nothing waits for the collector: spans queue up to 2,048 and are then dropped, a collector that is away changes nothing,
//! and stopping takes two seconds at most. Without `telemetry.otlp_endpoint` none of this is set up, and spans are never
//! made. Every subscriber has its own exporter, so that servers of one process need not share one.

mod ids;
pub mod names;
mod page;
mod push;
mod recorder;
mod sampler;
mod scope;
mod spans;

use std::time::Duration;

use anyhow::Context;
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider},
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tonic::{
    metadata::MetadataMap,
    transport::{Channel, ClientTlsConfig, Endpoint},
};
use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{Layer, Registry, filter::filter_fn};

pub use self::{
    recorder::{install, keep},
    scope::{Onward, Scope, current},
    spans::{Call, Step, TARGET, enqueued, job, job_failed},
};
use crate::{
    config::TelemetryConfig,
    kernel::{Clock, Dice},
};

/// How long stopping may wait for the collector.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Spans that may wait for the collector; more are dropped.
const QUEUE: usize = 2048;

/// A layer for the innermost place of a subscriber.
pub type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// An exporter at work.
pub struct Telemetry {
    traces: SdkTracerProvider,
    stop: CancellationToken,
    metrics: tokio::task::JoinHandle<()>,
}

impl Telemetry {
    /// Sets the exporter up, if the settings name a collector. Connects to nothing yet. Must be called where tokio runs.
    ///
    /// # Errors
    /// One sentence: what in the settings is malformed.
    pub fn open(config: &TelemetryConfig, clock: Clock, dice: Dice) -> anyhow::Result<Option<Self>> {
        let Some(url) = &config.otlp_endpoint else { return Ok(None) };
        let channel = channel(url, config)?;
        let metadata = config.headers().context("telemetry.otlp_headers are malformed")?;
        let who = [
            ("service.name", config.service_name.clone()),
            ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
            ("service.instance.id", config.instance()),
        ];
        let traces = traces(config, &channel, &metadata, &who, dice)?;
        let stop = CancellationToken::new();
        let push = push::Push {
            page: recorder::install(),
            channel,
            metadata,
            resource: who.to_vec(),
            clock,
            every: config.export_interval,
            timeout: config.export_timeout,
        };
        Ok(Some(Self { traces, metrics: tokio::spawn(push.run(stop.clone())), stop }))
    }

    /// What a subscriber needs to export spans: ours alone, and no log lines.
    pub fn layer(&self) -> BoxedLayer {
        let ours = filter_fn(|meta| meta.is_span() && meta.target() == TARGET && *meta.level() <= Level::DEBUG);
        tracing_opentelemetry::layer()
            .with_tracer(self.traces.tracer("backline"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(ours.with_max_level_hint(LevelFilter::DEBUG))
            .boxed()
    }

    /// Sends what is left, for two seconds at most.
    pub async fn stop(mut self) {
        let last = self.shut();
        let all = async { tokio::join!(last, &mut self.metrics) };
        if tokio::time::timeout(LAST_WORDS, all).await.is_err() {
            tracing::warn!("the collector did not take the last traces and metrics in time");
        }
    }

    /// Begins to stop. Done on a thread of its own: it blocks, and a runtime that ends would wait for one of its own.
    fn shut(&self) -> oneshot::Receiver<()> {
        self.stop.cancel();
        let (done, last) = oneshot::channel();
        let traces = self.traces.clone();
        std::thread::spawn(move || {
            drop(traces.shutdown_with_timeout(LAST_WORDS));
            // Nobody may be waiting any more.
            let _heard = done.send(());
        });
        last
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        drop(self.shut());
    }
}

/// One connection for both, made when it is first needed and again whenever it is lost.
fn channel(url: &url::Url, config: &TelemetryConfig) -> anyhow::Result<Channel> {
    let mut endpoint = Endpoint::from_shared(url.to_string()).context("telemetry.otlp_endpoint is malformed")?;
    if url.scheme() == "https" {
        let tls = ClientTlsConfig::new().with_enabled_roots();
        endpoint = endpoint.tls_config(tls).context("telemetry.otlp_endpoint: TLS cannot be set up")?;
    }
    Ok(endpoint.connect_timeout(config.export_timeout).timeout(config.export_timeout).connect_lazy())
}

fn traces(
    config: &TelemetryConfig,
    channel: &Channel,
    metadata: &MetadataMap,
    who: &[(&'static str, String)],
    dice: Dice,
) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_channel(channel.clone())
        .with_metadata(metadata.clone())
        .with_timeout(config.export_timeout)
        .build()
        .context("the exporter of traces cannot be set up")?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE)
        .with_max_export_batch_size(QUEUE / 4)
        .with_scheduled_delay(config.export_interval.min(Duration::from_secs(5)))
        .build();
    let attributes = who.iter().map(|(key, value)| KeyValue::new(*key, value.clone()));
    Ok(SdkTracerProvider::builder()
        .with_sampler(sampler::ShareAndFailures::new(config.sample_ratio))
        .with_id_generator(ids::Ids(dice))
        .with_resource(Resource::builder_empty().with_attributes(attributes).build())
        .with_span_processor(sampler::KeepFailures(
            BatchSpanProcessor::builder(exporter).with_batch_config(batches).build(),
        ))
        .build())
}
