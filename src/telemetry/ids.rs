//! Ids of traces and spans, by our own dice, or as planned.

use std::cell::Cell;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;

use crate::kernel::Dice;

thread_local! {
    static PLANNED: Cell<Option<(TraceId, Option<SpanId>)>> = const { Cell::new(None) };
}

/// Gives the span that `starts` the ids of a request or a job, so that logs, the database and traces name the same.
pub fn planned(trace: TraceId, span: Option<SpanId>, starts: impl FnOnce()) {
    PLANNED.set(Some((trace, span)));
    starts();
    PLANNED.set(None);
}

#[derive(Debug)]
pub struct Ids(pub Dice);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        PLANNED.get().map_or_else(|| TraceId::from_bytes(self.0.bytes()), |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        PLANNED.get().and_then(|(_, span)| span).unwrap_or_else(|| SpanId::from_bytes(self.0.bytes()))
    }
}
