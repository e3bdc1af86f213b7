//! Sliding windows: how often something happened lately.
//!
//! A window is cut into 32 slots. What happened is counted for the window's length and at most one slot more, so a limit
//! is never exceeded in any window, and a wait is up to a thirty-second longer than need be. Memory is bounded, for each
//! pool apart: a flood of addresses makes forget addresses, and no account.

use std::{mem, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::Halves;
use crate::kernel::{Digest, Timestamp};

/// Whose counts may push out whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// Found by where a call came from.
    Addresses,
    /// Found by an address that somebody named, known or not.
    Mailboxes,
    /// Found by who is signed in.
    Accounts,
}

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub most: u32,
    /// At least 32 µs.
    pub window: Duration,
}

const SLOTS: i64 = 32;
/// The slot that is being filled is kept beside those of a whole window.
const KEPT: i64 = 33;
/// Windows of each half of a pool; about 30 MB a pool when full.
const MOST: usize = 100_000;

/// The windows of one pool, by their keys.
type Counts = Mutex<Halves<[u8; 32], Window>>;

/// All windows of this process. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(super) struct Windows(Arc<[Counts; 3]>);

impl Default for Windows {
    fn default() -> Self {
        Self(Arc::new(std::array::from_fn(|_| Mutex::new(Halves::new(MOST)))))
    }
}

impl Windows {
    /// Counts one more, or says after which time there is room.
    pub(super) fn take(&self, pool: Pool, key: &Digest, limit: Limit, now: Timestamp) -> Result<u32, Duration> {
        self.0[pool as usize].lock().entry(*key.as_bytes()).take(limit, now)
    }
}

#[derive(Debug)]
struct Window {
    /// Number of the newest slot, counted from the epoch.
    newest: i64,
    /// By the slot's number modulo their length.
    counts: [u32; 33],
    total: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self { newest: 0, counts: [0; 33], total: 0 }
    }
}

impl Window {
    fn take(&mut self, limit: Limit, now: Timestamp) -> Result<u32, Duration> {
        let width = i64::try_from(limit.window.as_micros()).unwrap_or(i64::MAX) / SLOTS;
        // A clock that was put back counts into the newest slot.
        self.move_on((now.micros() / width).max(self.newest));
        if self.total < limit.most {
            self.counts[place(self.newest)] += 1;
            self.total += 1;
            return Ok(self.total);
        }
        let mut left = self.total;
        let oldest = self.newest - SLOTS;
        let freed = (oldest..=self.newest).find(|slot| {
            left -= self.counts[place(*slot)];
            left < limit.most
        });
        let free_at = (freed.unwrap_or(self.newest) + KEPT).saturating_mul(width);
        Err(Timestamp::from_micros(free_at).since(now))
    }

    /// Forgets the slots that the window has left behind.
    fn move_on(&mut self, newest: i64) {
        let passed = newest - mem::replace(&mut self.newest, newest);
        for slot in 0..passed.min(KEPT) {
            self.total -= mem::take(&mut self.counts[place(newest - slot)]);
        }
    }
}

fn place(slot: i64) -> usize {
    usize::try_from(slot.rem_euclid(KEPT)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const LIMIT: Limit = Limit { most: 5, window: Duration::from_mins(1) };

    fn key(number: u64) -> Digest {
        Digest::sha256(&number.to_be_bytes())
    }

    #[test]
    fn room_comes_back_as_told() {
        let windows = Windows::default();
        let mut now = Timestamp::from_micros(1_700_000_000_000_000);
        for count in 1..=5 {
            assert_eq!(windows.take(Pool::Accounts, &key(1), LIMIT, now), Ok(count));
            now = now + Duration::from_secs(6);
        }
        let wait = windows.take(Pool::Accounts, &key(1), LIMIT, now).unwrap_err();
        assert!(wait > Duration::from_secs(29) && wait < Duration::from_secs(33), "{wait:?}");
        assert_eq!(windows.take(Pool::Accounts, &key(2), LIMIT, now), Ok(1), "another key");
        assert!(windows.take(Pool::Accounts, &key(1), LIMIT, now + wait - Duration::from_micros(1)).is_err());
        assert_eq!(windows.take(Pool::Accounts, &key(1), LIMIT, now + wait), Ok(5), "one place, of the first");
        assert!(windows.take(Pool::Accounts, &key(1), LIMIT, now + wait).is_err());
        assert_eq!(windows.take(Pool::Accounts, &key(1), LIMIT, now + LIMIT.window * 3), Ok(1), "all is forgotten");
    }

    #[test]
    fn a_flood_of_addresses_makes_forget_no_account() {
        let windows = Windows::default();
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        for pool in [Pool::Accounts, Pool::Mailboxes, Pool::Addresses] {
            assert_eq!(windows.take(pool, &key(0), LIMIT, now), Ok(1));
        }
        for number in 1..=2 * MOST as u64 {
            windows.take(Pool::Addresses, &key(number), LIMIT, now).unwrap();
        }
        let counted =
            [Pool::Accounts, Pool::Mailboxes, Pool::Addresses].map(|pool| windows.take(pool, &key(0), LIMIT, now));
        assert_eq!(counted, [Ok(2), Ok(2), Ok(1)]);
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_the_limit(steps in prop::collection::vec(0_u64..20_000, 1..300)) {
            let windows = Windows::default();
            let mut now = Timestamp::from_micros(1_700_000_000_000_000);
            let mut taken: VecDeque<Timestamp> = VecDeque::new();
            for step in steps {
                now = now + Duration::from_millis(step);
                taken.retain(|at| now.since(*at) < LIMIT.window);
                match windows.take(Pool::Accounts, &key(1), LIMIT, now) {
                    Ok(_) => taken.push_back(now),
                    Err(wait) => {
                        prop_assert!(wait > Duration::ZERO && wait <= LIMIT.window + LIMIT.window / 32);
                    }
                }
                prop_assert!(taken.len() <= 5);
            }
        }
    }
}
