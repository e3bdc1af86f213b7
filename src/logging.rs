//! Logs: for people on a terminal, JSON lines otherwise; each line with the request's id.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, Layer, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    config::{LogConfig, LogFormat},
    telemetry::BoxedLayer,
};

/// Sets up logging for the whole process, on standard error, and beside it the exporter of traces, if there is one.
pub fn init(config: &LogConfig, traces: Option<BoxedLayer>) {
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let json = match config.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if json {
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).with_filter(filter).boxed()
    } else {
        lines.with_target(false).with_filter(filter).boxed()
    };
    // The exporter finds its spans in the registry itself, so it stands innermost.
    tracing_subscriber::registry().with(traces).with(lines).init();
}
