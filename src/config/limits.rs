use serde::{Deserialize, Serialize};

use super::{Mode, Problems, Section};

/// How often anyone may call. Calls without a caller are counted by address (IPv4 as a whole, IPv6 by /64), all others by
/// account. Carriers put thousands of people behind one address: the first group must leave room for them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// By address: what anyone may read.
    pub open_reads_per_minute: u32,
    /// By address: registrations and letters asked for; beyond this a challenge must be solved first.
    pub costly_challenge_per_hour: u32,
    /// By address: beyond this they are refused.
    pub costly_per_hour: u32,
    /// By address: codes, links and tokens tried.
    pub tries_per_minute: u32,
    /// By address: passwords tried at sign-in. Those of one account are limited by their failures.
    pub logins_per_minute: u32,
    /// By address: sessions refreshed.
    pub refreshes_per_minute: u32,
    pub reads_per_minute: u32,
    pub writes_per_minute: u32,
    /// Acts that check or set one's own password.
    pub password_checks_per_hour: u32,
    /// Pieces of files sent by single calls, of up to 1 MiB each.
    pub chunks_per_minute: u32,
    /// Whole files sent or read by one stream each.
    pub transfers_per_minute: u32,
    /// Streams of changes opened.
    pub watches_per_minute: u32,
    /// By mailbox and address: letters asked for of one kind; four times as many by mailbox alone. Those that reset a
    /// password are counted within 30 min.
    pub letters_per_hour: u32,
    /// By account: changes of its address begun, each of which sends two letters.
    pub email_changes_per_hour: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            open_reads_per_minute: 600,
            costly_challenge_per_hour: 10,
            costly_per_hour: 100,
            tries_per_minute: 60,
            logins_per_minute: 120,
            refreshes_per_minute: 1200,
            reads_per_minute: 3000,
            writes_per_minute: 600,
            password_checks_per_hour: 30,
            chunks_per_minute: 6000,
            transfers_per_minute: 600,
            watches_per_minute: 120,
            letters_per_hour: 5,
            email_changes_per_hour: 5,
        }
    }
}

impl LimitsConfig {
    /// Numbers that nobody reaches.
    const NONE: Self = Self {
        open_reads_per_minute: u32::MAX,
        costly_challenge_per_hour: u32::MAX,
        costly_per_hour: u32::MAX,
        tries_per_minute: u32::MAX,
        logins_per_minute: u32::MAX,
        refreshes_per_minute: u32::MAX,
        reads_per_minute: u32::MAX,
        writes_per_minute: u32::MAX,
        password_checks_per_hour: u32::MAX,
        chunks_per_minute: u32::MAX,
        transfers_per_minute: u32::MAX,
        watches_per_minute: u32::MAX,
        letters_per_hour: u32::MAX,
        email_changes_per_hour: u32::MAX,
    };

    fn each(&self) -> [u32; 14] {
        [
            self.open_reads_per_minute,
            self.costly_challenge_per_hour,
            self.costly_per_hour,
            self.tries_per_minute,
            self.logins_per_minute,
            self.refreshes_per_minute,
            self.reads_per_minute,
            self.writes_per_minute,
            self.password_checks_per_hour,
            self.chunks_per_minute,
            self.transfers_per_minute,
            self.watches_per_minute,
            self.letters_per_hour,
            self.email_changes_per_hour,
        ]
    }
}

impl Section for LimitsConfig {
    const NAME: &'static str = "limits";

    /// Tests make more calls in a moment than a person in a day: in test mode only what is set is limited.
    fn defaults(mode: Mode) -> Self {
        if mode == Mode::Test { Self::NONE } else { Self::default() }
    }

    fn check(&self, mode: Mode, problems: &mut Problems) {
        if self.each().contains(&0) {
            problems.add("limits", "must be 1 or more each, or nobody can call");
        }
        if self.costly_challenge_per_hour > self.costly_per_hour && mode != Mode::Test {
            problems.add("limits.costly_challenge_per_hour", "must not exceed limits.costly_per_hour");
        }
        if mode == Mode::Production {
            self.check_for_strangers(problems);
        }
    }
}

impl LimitsConfig {
    /// What production does not take: numbers that limit nothing. What can be guessed at or costs letters is bound closer.
    fn check_for_strangers(&self, problems: &mut Problems) {
        let most = [
            ("limits.logins_per_minute", self.logins_per_minute, 10_000),
            ("limits.tries_per_minute", self.tries_per_minute, 10_000),
            ("limits.costly_per_hour", self.costly_per_hour, 10_000),
            ("limits.password_checks_per_hour", self.password_checks_per_hour, 1_000),
            ("limits.letters_per_hour", self.letters_per_hour, 100),
            ("limits.email_changes_per_hour", self.email_changes_per_hour, 100),
        ];
        for (key, limit, most) in most {
            if limit > most {
                problems.add(key, format!("must be {most} or less in production, or it limits nothing"));
            }
        }
        if self.each().iter().any(|&limit| limit > 1_000_000) {
            problems.add("limits", "must be 1000000 or less each in production, or they limit nothing");
        }
    }
}
