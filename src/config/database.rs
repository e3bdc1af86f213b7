use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use super::{Mode, Problems, Section};
use crate::kernel::net::is_this_machine;

/// The database, and how long to wait for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// `postgres://…` or `sqlite://…`; an SQLite file in the data folder if unset. May hold a password.
    #[serde(serialize_with = "hidden")]
    pub url: Option<SecretString>,
    /// Connections of this instance: in all on PostgreSQL, for reading on SQLite (which has one writer).
    pub max_connections: u32,
    /// How long a call may wait for a connection before it is told UNAVAILABLE.
    #[serde(with = "humantime_serde")]
    pub acquire_timeout: Duration,
    /// Longest statement.
    #[serde(with = "humantime_serde")]
    pub statement_timeout: Duration,
    /// Whether `serve` and `work` bring the schema up to date when they start.
    pub migrate_on_start: bool,
    /// Whether production may speak to PostgreSQL on another machine in the clear: where the network between is closed.
    pub allow_plaintext: bool,
}

#[expect(clippy::ref_option, reason = "serde's signature")]
/// Serialised only to find the defaults; a secret never leaves.
fn hidden<S: Serializer>(_: &Option<SecretString>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_none()
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: None,
            max_connections: 10,
            acquire_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(5),
            migrate_on_start: true,
            allow_plaintext: false,
        }
    }
}

impl Section for DatabaseConfig {
    const NAME: &'static str = "database";
    const SECRETS: &'static [&'static str] = &["url"];

    fn check(&self, mode: Mode, problems: &mut Problems) {
        if let Some(url) = &self.url {
            let url = url.expose_secret();
            if mode == Mode::Production
                && let Some(sentence) = unsafe_for_strangers(url, self.allow_plaintext)
            {
                problems.add("database.url", sentence);
            }
            if !["postgres://", "postgresql://", "sqlite://"].iter().any(|scheme| url.starts_with(scheme)) {
                problems.add("database.url", "must begin with postgres:// or sqlite://");
            }
        }
        if self.max_connections < 2 {
            problems.add("database.max_connections", "must be 2 or more: one call may hold one while a job needs one");
        }
        if self.acquire_timeout < Duration::from_millis(100) || self.statement_timeout < Duration::from_millis(100) {
            problems.add("database.acquire_timeout", "and database.statement_timeout must be 100ms or more");
        }
    }
}

/// What production does not take.
fn unsafe_for_strangers(url: &str, allow_plaintext: bool) -> Option<&'static str> {
    if url.starts_with("sqlite:") {
        return url
            .contains(":memory:")
            .then_some("must be a file in production: memory forgets everything at the next start");
    }
    let url = Url::parse(url).ok()?;
    let asked =
        |names: &[&str]| url.query_pairs().find(|(name, _)| names.contains(&name.as_ref())).map(|(_, value)| value);
    // A host among the parameters wins; one that begins with a slash is the folder of a socket.
    let host = asked(&["host"]).or_else(|| url.host_str().map(Into::into))?;
    let encrypted =
        asked(&["sslmode", "ssl-mode"]).is_some_and(|mode| ["require", "verify-ca", "verify-full"].contains(&&*mode));
    let near = host.is_empty() || host.starts_with('/') || is_this_machine(&host);
    (!near && !encrypted && !allow_plaintext).then_some(
        "must end in ?sslmode=verify-full (or require) in production, for a server on another machine; on a closed network set \
         database.allow_plaintext",
    )
}
