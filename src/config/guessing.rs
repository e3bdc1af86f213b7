use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Mode, Problems, Section};

/// How many wrong passwords are borne, and by whom.
///
/// Strangers to an account, each of its known devices, and each network are counted apart.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuessingConfig {
    /// The span that failures are counted in.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// From so many failures on a challenge must be solved.
    pub challenge_after: u32,
    /// So many failures lock the password.
    pub lock_after: u32,
    /// For how long.
    #[serde(with = "humantime_serde")]
    pub lock_for: Duration,
    /// So many failures in a row, however slow, turn the password off until it is reset (NIST SP 800-63B: 100).
    pub off_after: u32,
    /// From so many failures of one network on its strangers are challenged.
    pub network_challenge_after: u32,
    /// From so many on everyone is, on a known device or not.
    pub network_challenge_all_after: u32,
}

impl Default for GuessingConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_mins(15),
            challenge_after: 3,
            lock_after: 5,
            lock_for: Duration::from_mins(15),
            off_after: 100,
            network_challenge_after: 3,
            network_challenge_all_after: 50,
        }
    }
}

impl Section for GuessingConfig {
    const NAME: &'static str = "guessing";

    fn check(&self, mode: Mode, problems: &mut Problems) {
        if mode == Mode::Test {
            return;
        }
        let ladder = [1, self.challenge_after, self.lock_after, self.off_after];
        if !ladder.is_sorted() {
            problems.add(
                "guessing.challenge_after",
                "must be 1 or more, guessing.lock_after no less, guessing.off_after no less than that",
            );
        }
        if self.off_after > 100 {
            problems.add("guessing.off_after", "must be 100 or less (NIST SP 800-63B)");
        }
        let networks = [1, self.network_challenge_after, self.network_challenge_all_after, 10_000];
        if !networks.is_sorted() {
            problems.add("guessing.network_challenge_after", "must be 1 or more, and no more than its sibling");
        }
        if self.window.is_zero() || self.lock_for.is_zero() {
            problems.add("guessing.window", "and guessing.lock_for must be longer than 0s");
        }
        if mode == Mode::Production {
            self.check_for_strangers(problems);
        }
    }
}

impl GuessingConfig {
    /// What production does not take: numbers with which guessing pays.
    fn check_for_strangers(&self, problems: &mut Problems) {
        let short = Duration::from_mins(1);
        if self.window < short || self.lock_for < short {
            problems.add(
                "guessing.lock_for",
                "and guessing.window must be 1m or more in production, or a lock stops nobody",
            );
        }
        if self.lock_after > 20 {
            problems.add("guessing.lock_after", "must be 20 or less in production, or guessing goes on for too long");
        }
        if self.network_challenge_all_after > 1000 {
            problems.add(
                "guessing.network_challenge_all_after",
                "must be 1000 or less in production, or it stops no network",
            );
        }
    }
}
