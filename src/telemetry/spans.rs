//! The spans that are exported: made here and nowhere else, so that what they tell can be read in one place.
//!
//! They have a target and a level of their own. Without an exporter nobody is interested in them, which `tracing` notes at
//! each place once: then they cost a comparison. None is ever entered, so that they do not stand in log lines either.
//!
//! No field holds a token, an address, a letter or any other text that a person wrote.

use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use tracing::{Span, debug_span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{
    ids,
    scope::{self, Onward, Scope},
};
use crate::kernel::{Facts, RemoteSpan, Trace};

/// Of all our spans, and of nothing else.
pub const TARGET: &str = "backline::telemetry";

/// The span of a call, from its arrival to its last byte.
#[derive(Clone, Debug)]
pub struct Call(Scope);

impl Call {
    /// `method` is its full name, `address` the name that clients know this server by.
    pub fn begin(method: &'static str, address: &str, facts: &Facts) -> Self {
        let ours = facts.request_id_is_ours.then_some(facts.request_id.as_str());
        let span = debug_span!(
            target: TARGET, parent: None, "rpc",
            otel.name = method,
            otel.kind = "server",
            otel.status_code = Empty,
            rpc.system.name = "grpc",
            rpc.method = method,
            rpc.response.status_code = Empty,
            error.type = Empty,
            server.address = address,
            backline.request_id = ours,
        );
        start(&span, &facts.trace, None);
        Self(Scope::new(facts.request_id.clone(), facts.request_id_is_ours, facts.trace, span))
    }

    pub fn scope(&self) -> Scope {
        self.0.clone()
    }

    /// Ends it now, even if its handler goes on by itself. `failed` says that the fault is the server's.
    pub fn end(&self, status: &'static str, failed: bool) {
        let span = self.0.span();
        if span.is_disabled() {
            return;
        }
        span.record("rpc.response.status_code", status);
        if failed {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", status);
        }
        span.context().span().end();
    }
}

/// The scope of one run of a job. Its trace is the job's own id: all runs of a job are one trace.
pub fn job(kind: &str, id: [u8; 16], attempt: i64) -> Scope {
    let span = debug_span!(
        target: TARGET, parent: None, "job",
        otel.name = kind,
        otel.kind = "consumer",
        otel.status_code = Empty,
        backline.job.kind = kind,
        backline.job.attempt = attempt,
    );
    let trace = Trace::new(id);
    start(&span, &trace, Some(job_span(id, attempt)));
    Scope::new(trace.id_text(), true, trace, span)
}

/// Says that a run of a job failed.
pub fn job_failed(scope: &Scope) {
    scope.span().record("otel.status_code", "ERROR");
}

/// Links the call or job under way to the first run of a job that it enqueues. If the job is never written, the link leads
/// nowhere.
pub fn enqueued(id: [u8; 16]) {
    if let Some(scope) = scope::current().filter(|scope| !scope.span().is_disabled()) {
        let run = RemoteSpan { trace: id, span: job_span(id, 1), sampled: false };
        scope.span().add_link(context(run));
    }
}

/// Told by the id and the attempt alone, so that whoever enqueues a job can name the span that will run it.
fn job_span(id: [u8; 16], attempt: i64) -> [u8; 8] {
    let mut span = [0; 8];
    span.copy_from_slice(&id[8..]);
    let attempt = attempt.to_be_bytes();
    span[7] ^= attempt[7];
    span[6] ^= attempt[6];
    span
}

/// One thing done on the way, from when it is made until it is dropped.
#[derive(Debug)]
pub struct Step(Span);

impl Step {
    /// A transaction that may write, from BEGIN to its end. `system` as in OpenTelemetry: `postgresql`, `sqlite`.
    pub fn transaction(system: &'static str) -> Self {
        Self::within(|parent| {
            debug_span!(
                target: TARGET, parent: parent, "db.transaction",
                otel.kind = "client", otel.status_code = Empty,
                db.system.name = system, db.operation.name = "transaction",
            )
        })
    }

    /// A call to the object store: `put`, `get`, `delete`.
    pub fn objects(operation: &'static str) -> Self {
        Self::within(|parent| {
            debug_span!(
                target: TARGET, parent: parent, "objects",
                otel.kind = "client", otel.status_code = Empty,
                backline.objects.operation = operation,
            )
        })
    }

    /// Handing a letter over.
    pub fn letter() -> Self {
        Self::within(
            |parent| debug_span!(target: TARGET, parent: parent, "mail.send", otel.kind = "producer", otel.status_code = Empty),
        )
    }

    /// A call to another's server, whose name stands in our settings.
    pub fn http(host: &str) -> Self {
        Self::within(|parent| {
            debug_span!(
                target: TARGET, parent: parent, "http",
                otel.kind = "client", otel.status_code = Empty,
                server.address = host,
            )
        })
    }

    /// Nothing is told of what happens beside calls and jobs: pings, chores.
    fn within(span: impl FnOnce(&Span) -> Span) -> Self {
        let scope = scope::current().filter(|scope| !scope.span().is_disabled());
        Self(scope.map_or_else(Span::none, |scope| span(scope.span())))
    }

    /// Says that it failed. Why is in the log.
    pub fn failed(&self) {
        self.0.record("otel.status_code", "ERROR");
    }

    /// What the call that it stands for carries onward; `None` beside calls and jobs.
    pub fn onward(&self) -> Option<Onward> {
        scope::onward(&self.0)
    }

    /// Notes whether the outcome is a failure.
    pub fn ends<T, E>(self, outcome: Result<T, E>) -> Result<T, E> {
        if outcome.is_err() {
            self.failed();
        }
        outcome
    }
}

/// Gives a span its place: below the caller's, or first in its own trace and perhaps linked to the caller's.
fn start(span: &Span, trace: &Trace, id: Option<[u8; 8]>) {
    if span.is_disabled() {
        return;
    }
    match trace.caller {
        Some(caller) if trace.continues => {
            // Fails where a log takes this span and no exporter does: then there is nothing to place.
            drop(span.set_parent(Context::new().with_remote_span_context(context(caller))));
        }
        Some(caller) => span.add_link(context(caller)),
        None => {}
    }
    if *trace != Trace::NONE {
        ids::planned(TraceId::from_bytes(trace.id), id.map(SpanId::from_bytes), || drop(span.context()));
    }
}

fn context(span: RemoteSpan) -> SpanContext {
    let flags = if span.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let (trace, id) = (TraceId::from_bytes(span.trace), SpanId::from_bytes(span.span));
    SpanContext::new(trace, id, flags, true, TraceState::NONE)
}
