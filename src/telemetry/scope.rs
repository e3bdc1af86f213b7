//! On whose behalf the running task works: which request, which trace, under which span.
//!
//! The gate sets it for each call and the worker for each job. Whoever calls somebody else looks at it, so that it need
//! not be passed down through everything between. A task that is spawned has none, unless it is given one.

use std::{future::Future, sync::Arc};

use opentelemetry::trace::TraceContextExt;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::kernel::{Facts, RemoteSpan, Trace};

tokio::task_local! {
    static SCOPE: Scope;
}

/// A call or a job under way. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Scope(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    request_id: String,
    request_id_is_ours: bool,
    trace: Trace,
    span: Span,
}

/// What an outgoing call carries, so that both sides can be read side by side.
#[derive(Clone, Debug)]
pub struct Onward {
    /// For machines of our own: the database, the object store.
    pub request_id: String,
    /// For everybody else.
    pub public_id: String,
    /// A W3C `traceparent`.
    pub traceparent: String,
}

impl Scope {
    pub(super) fn new(request_id: String, request_id_is_ours: bool, trace: Trace, span: Span) -> Self {
        Self(Arc::new(Inner { request_id, request_id_is_ours, trace, span }))
    }

    /// A request without a span of its own.
    pub fn of(facts: &Facts) -> Self {
        Self::new(facts.request_id.clone(), facts.request_id_is_ours, facts.trace, Span::none())
    }

    /// Runs `work` within it.
    pub async fn run<T>(self, work: impl Future<Output = T>) -> T {
        SCOPE.scope(self, work).await
    }

    /// The id for those who are not of our own: a request id that a client chose might name somebody.
    pub fn public_id(&self) -> String {
        if self.0.request_id_is_ours { self.0.request_id.clone() } else { self.0.trace.id_text() }
    }

    /// The id that the request was answered with.
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    pub fn trace_id(&self) -> String {
        self.0.trace.id_text()
    }

    pub(super) fn span(&self) -> &Span {
        &self.0.span
    }
}

/// The scope of this task, if it has one.
pub fn current() -> Option<Scope> {
    SCOPE.try_with(Clone::clone).ok()
}

/// What a call made right now carries; `step` is its own span. `None` beside calls and jobs.
pub(super) fn onward(step: &Span) -> Option<Onward> {
    let scope = current().filter(|scope| scope.0.trace != Trace::NONE)?;
    Some(Onward {
        request_id: scope.0.request_id.clone(),
        public_id: scope.public_id(),
        traceparent: traceparent(&scope, step).to_string(),
    })
}

/// The span that is exported; or, where nothing is, what the caller said, and else a name for what nobody recorded.
fn traceparent(scope: &Scope, step: &Span) -> RemoteSpan {
    let of = |span: &Span| {
        let context = span.context();
        let context = context.span().span_context().clone();
        context.is_valid().then(|| RemoteSpan {
            trace: context.trace_id().to_bytes(),
            span: context.span_id().to_bytes(),
            sampled: context.is_sampled(),
        })
    };
    let Trace { id, caller, continues } = scope.0.trace;
    let unrecorded = || {
        let mut span = [0; 8];
        span.copy_from_slice(&id[..8]);
        RemoteSpan { trace: id, span, sampled: false }
    };
    of(step).or_else(|| of(&scope.0.span)).or(caller.filter(|_| continues)).unwrap_or_else(unrecorded)
}
