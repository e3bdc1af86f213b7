use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Mode, Problems, Section, secret::hidden};

/// What calls must solve that come too often.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChallengesConfig {
    pub kind: ChallengeKind,
    /// `pow`: iterations of PBKDF2-SHA-256 for each try; a solution takes 256 tries on average.
    pub cost: u32,
    /// `pow`: how long a challenge can be solved.
    #[serde(with = "humantime_serde")]
    pub life: Duration,
    /// `turnstile` and `hcaptcha`: what the widget is told.
    pub site_key: String,
    /// `turnstile` and `hcaptcha`: what their server is told.
    #[serde(serialize_with = "hidden")]
    pub secret: Option<SecretString>,
    /// Where tokens are verified; the vendor's own address if unset.
    pub verify_url: Option<Url>,
}

/// Who sets the challenge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChallengeKind {
    /// This server: proof of work by the ALTCHA scheme.
    #[default]
    Pow,
    Turnstile,
    Hcaptcha,
}

impl Default for ChallengesConfig {
    fn default() -> Self {
        Self {
            kind: ChallengeKind::Pow,
            cost: 5000,
            life: Duration::from_mins(10),
            site_key: String::new(),
            secret: None,
            verify_url: None,
        }
    }
}

impl Section for ChallengesConfig {
    const NAME: &'static str = "challenges";
    const SECRETS: &'static [&'static str] = &["secret"];

    fn check(&self, mode: Mode, problems: &mut Problems) {
        if self.cost < 1000 && mode != Mode::Test {
            problems.add("challenges.cost", "must be 1000 or more, or a challenge costs nothing");
        }
        if self.cost > 1_000_000 {
            problems.add("challenges.cost", "must be 1000000 or less: the server does one try itself");
        }
        if self.life < Duration::from_mins(1) || self.life > Duration::from_hours(1) {
            problems.add("challenges.life", "must be between 1m and 1h");
        }
        if self.kind == ChallengeKind::Pow {
            return;
        }
        if self.site_key.is_empty() {
            problems.add("challenges.site_key", "must be set: the vendor gives it");
        }
        if self.secret.as_ref().is_none_or(|secret| secret.expose_secret().is_empty()) {
            problems.add("challenges.secret", "must be set: the vendor gives it");
        }
        match &self.verify_url {
            Some(url) if mode == Mode::Production && url.scheme() != "https" => {
                problems.add("challenges.verify_url", "must begin with https:// in production: the secret goes there");
            }
            Some(url) if !matches!(url.scheme(), "http" | "https") => {
                problems.add("challenges.verify_url", "must be an http:// or https:// address");
            }
            _ => {}
        }
    }
}
