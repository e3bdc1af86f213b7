//! Every line and span that the server writes, for tests that look for what must not stand there.

use std::{
    fmt::{Debug, Write},
    sync::Arc,
};

use backline::telemetry::BoxedLayer;
use parking_lot::Mutex;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
};

/// Everything that is logged in this thread down to the level of debugging, spans too. Cheap to clone.
#[derive(Clone, Default)]
pub struct Recording(Arc<Mutex<Vec<String>>>);

impl Recording {
    /// Listens from now on, until the guard is dropped.
    pub fn listen(&self) -> DefaultGuard {
        self.listen_beside(None)
    }

    /// As [`Recording::listen`], while an exporter goes on with its work.
    pub fn listen_beside(&self, traces: Option<BoxedLayer>) -> DefaultGuard {
        let recording = self.clone().with_filter(LevelFilter::DEBUG);
        tracing::subscriber::set_default(tracing_subscriber::registry().with(traces).with(recording))
    }

    /// What was logged, in order.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().clone()
    }

    fn add(&self, name: &str, record: impl FnOnce(&mut Line)) {
        let mut line = Line(name.to_owned());
        record(&mut line);
        self.0.lock().push(line.0);
    }
}

impl<S: Subscriber> Layer<S> for Recording {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        self.add(attributes.metadata().name(), |line| attributes.record(line));
    }

    fn on_record(&self, _: &span::Id, values: &span::Record<'_>, _: Context<'_, S>) {
        self.add("", |line| values.record(line));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.add(event.metadata().target(), |line| event.record(line));
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}
