//! The rules on guessing passwords, as plain functions on what was counted.
//!
//! Strangers to an account, each of its known devices, and each network are counted apart. So whoever fails elsewhere,
//! from however many addresses, shuts out strangers and never the owner's own devices; and a success undoes the failures
//! of its own kind only.

use super::attempts::Counts;
use crate::{challenges::Level, config::GuessingConfig, kernel::Timestamp};

/// How an attempt stands before its password is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The challenge that it must bring a solution to.
    pub challenge: Option<Level>,
    /// No password is right for a while.
    pub locked: bool,
    /// No password is right until it is reset.
    pub off: bool,
}

/// Judges what was counted for strangers, or for one known device.
pub fn judge(counts: &Counts, on_known_device: bool, config: &GuessingConfig, now: Timestamp) -> Standing {
    let locked = locked_until(counts, config).is_some_and(|end| now < end);
    let failed_often =
        counts.challenging.filter(|at| counts_still(counts, *at)).is_some_and(|at| at > now - config.window);
    let suspect_network = if on_known_device { counts.network_many } else { counts.network_some };
    // What locks is more than what challenges, however long ago the first of the failures was.
    let lock_challenges = locked && config.challenge_after <= config.lock_after;
    let challenged = failed_often || lock_challenges || suspect_network.is_some();
    let level = Level(u8::from(locked) + u8::from(counts.network_many.is_some()));
    Standing { challenge: challenged.then_some(level), locked, off: is_off(counts, on_known_device) }
}

/// When the newest lock ends or ended, if one was made: the failures that fill the limit lie within one window.
///
/// What is refused while locked is no failure, so the lock ends by itself however often somebody tries.
pub fn locked_until(counts: &Counts, config: &GuessingConfig) -> Option<Timestamp> {
    let (newest, locking) = (counts.newest?, counts.locking?);
    (counts_still(counts, locking) && locking > newest - config.window).then(|| newest + config.lock_for)
}

/// Whether nothing has undone a failure since.
fn counts_still(counts: &Counts, at: Timestamp) -> bool {
    counts.succeeded.is_none_or(|success| at >= success) && counts.unlocked_at.is_none_or(|unlocked| at > unlocked) && {
        counts.password_reset_at.is_none_or(|reset| at > reset)
    }
}

/// Ending a lock early does not give more guesses in a row: only a success or a new password does.
fn is_off(counts: &Counts, on_known_device: bool) -> bool {
    let in_a_row = counts.last_straw.is_some_and(|at| {
        counts.succeeded.is_none_or(|success| at >= success) && counts.password_reset_at.is_none_or(|reset| at > reset)
    });
    in_a_row || (!on_known_device && counts.password_off_at.is_some())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(minutes: u64) -> Timestamp {
        Timestamp::from_micros(0) + Duration::from_mins(minutes)
    }

    /// What would be counted after failures at these minutes, oldest first.
    fn after(failures: &[u64]) -> Counts {
        let nth = |n: usize| failures.iter().rev().nth(n - 1).map(|minute| at(*minute));
        Counts { newest: nth(1), challenging: nth(3), locking: nth(5), last_straw: nth(100), ..Counts::default() }
    }

    fn judged(counts: &Counts, minute: u64) -> Standing {
        judge(counts, false, &GuessingConfig::default(), at(minute))
    }

    const FREE: Standing = Standing { challenge: None, locked: false, off: false };

    #[test]
    fn three_failures_challenge_and_five_lock() {
        assert_eq!(judged(&after(&[10, 11]), 11), FREE);
        assert_eq!(judged(&after(&[10, 11, 12]), 12), Standing { challenge: Some(Level(0)), ..FREE });
        assert_eq!(judged(&after(&[10, 11, 12]), 24), Standing { challenge: Some(Level(0)), ..FREE });
        assert_eq!(judged(&after(&[10, 11, 12]), 25), FREE);
        let locked = Standing { challenge: Some(Level(1)), locked: true, off: false };
        assert_eq!(judged(&after(&[10, 11, 12, 13, 24]), 38), locked);
        assert_eq!(judged(&after(&[10, 11, 12, 13, 24]), 39), FREE, "a quarter of an hour after the fifth");
        assert!(!judged(&after(&[10, 11, 12, 13, 25]), 25).locked, "the window has moved on");
        assert!(!judged(&after(&[10, 11, 12, 13, 24, 39]), 39).locked, "a lock that is over counts for nothing");
    }

    #[test]
    fn what_undoes_failures_undoes_those_before_it() {
        let five = after(&[10, 10, 10, 10, 10]);
        assert!(judged(&Counts { succeeded: Some(at(10)), ..five }, 10).locked, "they may have come after it");
        assert!(!judged(&Counts { succeeded: Some(at(11)), ..five }, 11).locked);
        assert!(!judged(&Counts { unlocked_at: Some(at(10)), ..five }, 10).locked);
        assert!(!judged(&Counts { password_reset_at: Some(at(10)), ..five }, 10).locked);
        assert_eq!(judged(&Counts { unlocked_at: Some(at(10)), ..five }, 10).challenge, None);
    }

    #[test]
    fn a_hundred_in_a_row_turn_the_password_off_however_slowly() {
        let slow: Vec<u64> = (0..100).map(|n| 10 * n).collect();
        let counts = after(&slow);
        let long_after = 1_000_000;
        assert_eq!(judged(&counts, long_after), Standing { off: true, ..FREE });
        assert!(!judged(&after(&slow[1..]), long_after).off);
        assert!(judged(&Counts { unlocked_at: Some(at(long_after)), ..counts }, long_after).off);
        assert!(!judged(&Counts { password_reset_at: Some(at(990)), ..counts }, long_after).off);
        assert!(!judged(&Counts { succeeded: Some(at(995)), ..counts }, long_after).off);

        let off = Counts { password_off_at: Some(at(1)), ..Counts::default() };
        let config = GuessingConfig::default();
        assert!(judge(&off, false, &config, at(2)).off);
        assert!(!judge(&off, true, &config, at(2)).off, "known devices go on");
    }

    #[test]
    fn networks_challenge_and_never_lock() {
        let some = Counts { network_some: Some(at(1)), ..Counts::default() };
        let many = Counts { network_many: Some(at(1)), ..some };
        let config = GuessingConfig::default();
        assert_eq!(judge(&some, false, &config, at(1)), Standing { challenge: Some(Level(0)), ..FREE });
        assert_eq!(judge(&some, true, &config, at(1)), FREE, "a known device is no stranger there");
        for known in [false, true] {
            assert_eq!(judge(&many, known, &config, at(1)), Standing { challenge: Some(Level(1)), ..FREE });
        }
    }
}
