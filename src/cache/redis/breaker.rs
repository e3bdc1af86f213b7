//! Whether Redis is worth asking.
//!
//! After a time-out, or [`FAILURES`] failures in a row, nobody asks for a second. Then the fan-out's own beat tries first;
//! calls come back once it got an answer, so no call waits for a Redis that hangs, but those that find out.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Failures in a row that are taken for its absence.
const FAILURES: u32 = 3;
/// How long nobody asks.
const PAUSE: Duration = Duration::from_secs(1);

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    /// It said no, or the connection broke.
    Failed,
    /// It did not answer in time.
    TimedOut,
}

#[derive(Debug)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug)]
struct State {
    failures: u32,
    /// Open, and until when.
    open_until: Option<Instant>,
}

impl Breaker {
    /// Open: until Redis answered once it is not known to be there.
    pub fn open() -> Self {
        Self(Mutex::new(State { failures: 0, open_until: Some(Instant::now()) }))
    }

    /// Whether calls may ask.
    pub fn is_closed(&self) -> bool {
        self.0.lock().open_until.is_none()
    }

    /// Whether it is time to try, for the one who does.
    pub fn may_try(&self) -> bool {
        self.0.lock().open_until.is_none_or(|until| until <= Instant::now())
    }

    /// Returns whether it is open now, if that changed.
    pub fn note(&self, outcome: Outcome) -> Option<bool> {
        let mut state = self.0.lock();
        let was_open = state.open_until.is_some();
        match outcome {
            Outcome::Answered => *state = State { failures: 0, open_until: None },
            Outcome::TimedOut => state.failures = FAILURES,
            Outcome::Failed => state.failures = state.failures.saturating_add(1),
        }
        if state.failures >= FAILURES || (was_open && outcome != Outcome::Answered) {
            state.open_until = Some(Instant::now() + PAUSE);
        }
        let is_open = state.open_until.is_some();
        drop(state);
        (is_open != was_open).then_some(is_open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_and_closes_with_an_answer() {
        let breaker = Breaker::open();
        assert!(!breaker.is_closed() && breaker.may_try());
        assert_eq!(breaker.note(Outcome::Answered), Some(false));
        for outcome in [Outcome::Failed, Outcome::Failed, Outcome::Answered, Outcome::Failed, Outcome::Failed] {
            assert_eq!(breaker.note(outcome), None);
        }
        assert!(breaker.is_closed(), "never three in a row");
        assert_eq!(breaker.note(Outcome::Failed), Some(true));
        assert!(!breaker.is_closed() && !breaker.may_try());
        tokio::time::advance(PAUSE).await;
        assert!(!breaker.is_closed() && breaker.may_try());
        assert_eq!(breaker.note(Outcome::Failed), None);
        assert!(!breaker.may_try(), "another second");
        tokio::time::advance(PAUSE).await;
        assert_eq!(breaker.note(Outcome::Answered), Some(false));
        assert_eq!(breaker.note(Outcome::TimedOut), Some(true), "one is enough");
    }
}
