//! Whether a connection is in use: how many calls it carries, and since when none.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// One connection's. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Pulse(Arc<Mutex<State>>);

struct State {
    calls: usize,
    /// When the last call ended, or the connection began.
    quiet_since: Instant,
}

impl Pulse {
    pub fn begin() -> Self {
        Self(Arc::new(Mutex::new(State { calls: 0, quiet_since: Instant::now() })))
    }

    /// Counts a call until it is dropped.
    pub fn call(&self) -> Call {
        self.0.lock().calls += 1;
        Call(self.clone())
    }

    /// Returns once there was no call for `limit`.
    pub async fn stopped_for(&self, limit: Duration) {
        loop {
            let due = {
                let state = self.0.lock();
                if state.calls > 0 { Instant::now() + limit } else { state.quiet_since + limit }
            };
            if due <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(due).await;
        }
    }
}

/// A call under way, until it is dropped.
pub struct Call(Pulse);

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.calls -= 1;
        state.quiet_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_only_without_calls() {
        const LIMIT: Duration = Duration::from_secs(10);
        let pulse = Pulse::begin();
        let call = pulse.call();
        assert!(tokio::time::timeout(LIMIT * 5, pulse.stopped_for(LIMIT)).await.is_err());
        drop(call);
        let quiet = Instant::now();
        pulse.stopped_for(LIMIT).await;
        assert!(quiet.elapsed() >= LIMIT);
    }
}
