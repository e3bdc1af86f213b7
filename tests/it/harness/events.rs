//! What the server logged during a test: shown when the test fails, and a failure by itself if it was an error.

use std::{
    fmt::{Debug, Write},
    sync::Arc,
};

use backline::telemetry::BoxedLayer;
use parking_lot::Mutex;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer,
    filter::LevelFilter,
    layer::{Context, SubscriberExt},
};

/// Lines in the order they came. Cheap to clone.
#[derive(Clone, Default)]
pub struct Events {
    lines: Arc<Mutex<Vec<(Level, String)>>>,
}

impl Events {
    /// Listens on this thread, which is where a test's runtime runs everything; beside it an exporter, if there is one.
    pub fn listen(&self, traces: Option<BoxedLayer>) -> DefaultGuard {
        let subscriber = tracing_subscriber::registry().with(traces).with(self.clone().with_filter(LevelFilter::INFO));
        tracing::subscriber::set_default(subscriber)
    }

    /// Everything, each event as one line.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().iter().map(|(_, line)| line.clone()).collect()
    }

    /// Errors, each as one line.
    pub fn errors(&self) -> Vec<String> {
        let lines = self.lines.lock();
        lines.iter().filter(|(level, _)| *level == Level::ERROR).map(|(_, line)| line.clone()).collect()
    }

    /// Shows everything; libtest keeps it to failed tests.
    pub fn print(&self) {
        for (level, line) in self.lines.lock().iter() {
            println!("{level:>5} {line}");
        }
    }
}

impl<S: Subscriber> Layer<S> for Events {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line(format!("{}:", event.metadata().target()));
        event.record(&mut line);
        self.lines.lock().push((*event.metadata().level(), line.0));
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let written = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
        written.unwrap();
    }
}
