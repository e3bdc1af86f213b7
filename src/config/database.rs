use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};

use super::{Mode, Problems, Section};

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
        }
    }
}

impl Section for DatabaseConfig {
    const NAME: &'static str = "database";

    fn check(&self, _: Mode, problems: &mut Problems) {
        if let Some(url) = &self.url {
            let url = secrecy::ExposeSecret::expose_secret(url);
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
