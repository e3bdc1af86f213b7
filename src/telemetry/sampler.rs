//! Which traces are kept: a share of all, and every failure.
//!
//! The decision falls where a trace begins; what a trusted caller decided holds. Of a call that is not chosen its own span
//! is recorded all the same, and sent if the call fails: without what was done on the way, which was not recorded, and
//! without the spans of others. To keep whole traces of failures, export everything and let the collector choose.

use std::time::Duration;

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanContext, SpanKind, Status, TraceContextExt, TraceId},
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample, Span, SpanData, SpanProcessor},
};

/// Chooses a share of the traces that begin here, and records the first span of the others.
#[derive(Clone, Debug)]
pub struct ShareAndFailures(Sampler);

impl ShareAndFailures {
    /// `ratio` is from 0 to 1.
    pub fn new(ratio: f64) -> Self {
        Self(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))))
    }
}

impl ShouldSample for ShareAndFailures {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let mut result = self.0.should_sample(parent, trace, name, kind, attributes, links);
        let below_ours = parent.is_some_and(|parent| {
            let span = parent.span();
            span.span_context().is_valid() && !span.span_context().is_remote()
        });
        if result.decision == SamplingDecision::Drop && !below_ours {
            result.decision = SamplingDecision::RecordOnly;
        }
        result
    }
}

/// Passes on what was chosen, and what failed.
#[derive(Debug)]
pub struct KeepFailures<P>(pub P);

impl<P: SpanProcessor> SpanProcessor for KeepFailures<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, mut span: SpanData) {
        let known = &span.span_context;
        if !known.is_sampled() {
            if !matches!(span.status, Status::Error { .. }) {
                return;
            }
            span.span_context = SpanContext::new(
                known.trace_id(),
                known.span_id(),
                known.trace_flags().with_sampled(true),
                known.is_remote(),
                known.trace_state().clone(),
            );
        }
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}
