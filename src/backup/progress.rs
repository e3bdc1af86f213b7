//! What whoever waits is told meanwhile.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// How often a line is told at most.
const EVERY: Duration = Duration::from_secs(2);

/// Tells how far the work has come: a line every two seconds at most. Cheap to clone.
#[derive(Clone)]
pub struct Progress(Arc<Told>);

struct Told {
    tell: Box<dyn Fn(&str) + Send + Sync>,
    last: Mutex<Option<Instant>>,
    done: Mutex<(u64, u64)>,
}

impl Progress {
    pub fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Told { tell: Box::new(tell), last: Mutex::default(), done: Mutex::default() }))
    }

    /// For work in the background: steps go to the log.
    pub fn logged() -> Self {
        Self::new(|line| tracing::debug!(line, "backup"))
    }

    /// A new step begins; told at once.
    pub fn step(&self, line: &str) {
        *self.0.done.lock() = (0, 0);
        *self.0.last.lock() = Some(Instant::now());
        (self.0.tell)(line);
    }

    /// So many objects and bytes more are done.
    pub fn add(&self, what: &str, objects: u64, bytes: u64) {
        let (objects, bytes) = {
            let mut done = self.0.done.lock();
            *done = (done.0 + objects, done.1 + bytes);
            *done
        };
        let mut last = self.0.last.lock();
        if last.is_none_or(|at| at.elapsed() >= EVERY) {
            *last = Some(Instant::now());
            drop(last);
            (self.0.tell)(&format!("{what}: {objects}, {}", size(bytes)));
        }
    }
}

/// `1.5 GiB`.
pub fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let Some((unit, bits)) = units.into_iter().find(|(_, bits)| bytes >> bits > 0) else {
        return format!("{bytes} bytes");
    };
    let tenths = (u128::from(bytes) * 10) >> bits;
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_by_people() {
        let told = [0, 1023, 1024, 1536, 3 << 30].map(size);
        assert_eq!(told, ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 KiB", "3.0 GiB"]);
    }
}
