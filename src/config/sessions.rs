use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Mode, Problems, Section};

/// How long sign-ins last.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionsConfig {
    /// Life of an access token; each is shortened by up to 5 % at random, so that clients do not refresh in step.
    #[serde(with = "humantime_serde")]
    pub access_token_life: Duration,
    /// A session unused for this long is over.
    #[serde(with = "humantime_serde")]
    pub idle_life: Duration,
    /// A session older than this is over, used or not.
    #[serde(with = "humantime_serde")]
    pub absolute_life: Duration,
    /// The same two for staff.
    #[serde(with = "humantime_serde")]
    pub staff_idle_life: Duration,
    #[serde(with = "humantime_serde")]
    pub staff_absolute_life: Duration,
    /// For how long a lost reply of a refresh can be asked for again with the old token.
    #[serde(with = "humantime_serde")]
    pub refresh_grace: Duration,
    /// Sessions at once; the least recently used one ends when another begins.
    pub max_sessions: u32,
    pub max_reviewer_sessions: u32,
    pub max_admin_sessions: u32,
}

impl SessionsConfig {
    /// No access token lives longer, whatever is configured: a stolen one works that long.
    pub const MOST_ACCESS_TOKEN_LIFE: Duration = Duration::from_hours(1);
}

impl Default for SessionsConfig {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            access_token_life: Duration::from_mins(15),
            idle_life: Duration::from_secs(30 * DAY),
            absolute_life: Duration::from_secs(180 * DAY),
            staff_idle_life: Duration::from_mins(30),
            staff_absolute_life: Duration::from_hours(12),
            refresh_grace: Duration::from_secs(30),
            max_sessions: 10,
            max_reviewer_sessions: 5,
            max_admin_sessions: 3,
        }
    }
}

impl Section for SessionsConfig {
    const NAME: &'static str = "sessions";

    fn check(&self, mode: Mode, problems: &mut Problems) {
        if self.access_token_life < Duration::from_mins(1) && mode != Mode::Test {
            problems.add("sessions.access_token_life", "must be 1m or more, or clients do nothing but refresh");
        }
        if self.access_token_life > Self::MOST_ACCESS_TOKEN_LIFE {
            problems.add("sessions.access_token_life", "must be 1h or less: a stolen token works that long");
        }
        if self.max_sessions < 2 || self.max_reviewer_sessions < 2 || self.max_admin_sessions < 2 {
            problems.add("sessions.max_sessions", "and its siblings must be 2 or more, or one device ends another");
        }
        if self.access_token_life > self.idle_life.min(self.staff_idle_life) {
            problems
                .add("sessions.access_token_life", "must not exceed the idle lives, or tokens outlive their sessions");
        }
        if self.idle_life > self.absolute_life || self.staff_idle_life > self.staff_absolute_life {
            problems.add("sessions.idle_life", "must not exceed the absolute life");
        }
        if mode == Mode::Production {
            self.check_for_strangers(problems);
        }
    }
}

impl SessionsConfig {
    /// How long production lets a sign-in last. For staff as NIST SP 800-63B-4 has it at AAL2: a day, and an hour unused.
    fn check_for_strangers(&self, problems: &mut Problems) {
        const DAY: Duration = Duration::from_hours(24);
        let most = [
            ("sessions.idle_life", self.idle_life, 90 * DAY, "90days"),
            ("sessions.absolute_life", self.absolute_life, 365 * DAY, "365days"),
            ("sessions.staff_idle_life", self.staff_idle_life, Duration::from_hours(1), "1h"),
            ("sessions.staff_absolute_life", self.staff_absolute_life, DAY, "24h"),
        ];
        for (key, life, most, written) in most {
            if life > most {
                problems.add(
                    key,
                    format!("must be {written} or less in production: a lost device stays signed in that long"),
                );
            }
        }
        if self.refresh_grace > Duration::from_mins(5) {
            problems
                .add("sessions.refresh_grace", "must be 5m or less in production: a stolen old token works that long");
        }
    }
}
