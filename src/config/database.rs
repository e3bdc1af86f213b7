use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};

use super::{Mode, Problems, Section};

/// Whether connections go to PostgreSQL itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooler {
    #[default]
    None,
    /// Through PgBouncer in transaction mode, or what works like it: a session ends with each transaction.
    Transaction,
}

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
    /// Longest statement. A call's deadline is shorter, and ends what it began.
    #[serde(with = "humantime_serde")]
    pub statement_timeout: Duration,
    /// Longest wait of a statement for a lock. PostgreSQL only.
    #[serde(with = "humantime_serde")]
    pub lock_timeout: Duration,
    /// Longest pause inside a transaction; then PostgreSQL ends the connection.
    #[serde(with = "humantime_serde")]
    pub idle_in_transaction_timeout: Duration,
    /// What stands between this instance and PostgreSQL.
    pub pooler: Pooler,
    /// `postgres://…` of the server itself where `url` names a pooler: migrations and back-ups go there. May hold a
    /// password.
    #[serde(serialize_with = "hidden")]
    pub direct_url: Option<SecretString>,
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
            lock_timeout: Duration::from_secs(2),
            idle_in_transaction_timeout: Duration::from_secs(10),
            pooler: Pooler::default(),
            direct_url: None,
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
        let is_postgres = |url: &SecretString| secrecy::ExposeSecret::expose_secret(url).starts_with("postgres");
        if self.pooler == Pooler::Transaction {
            if !self.url.as_ref().is_some_and(is_postgres) {
                problems.add("database.pooler", "wants a database.url that begins with postgres://");
            }
            if !self.direct_url.as_ref().is_some_and(is_postgres) {
                problems.add("database.direct_url", "must name PostgreSQL itself where database.pooler is set");
            }
        } else if self.direct_url.is_some() {
            problems.add("database.direct_url", "is only for where database.pooler is set; database.url is direct");
        }
        if self.lock_timeout < Duration::from_millis(10) || self.idle_in_transaction_timeout < Duration::from_secs(1) {
            problems.add(
                "database.lock_timeout",
                "must be 10ms or more, and database.idle_in_transaction_timeout 1s or more",
            );
        }
        if self.acquire_timeout < Duration::from_millis(100) || self.statement_timeout < Duration::from_millis(100) {
            problems.add("database.acquire_timeout", "and database.statement_timeout must be 100ms or more");
        }
    }
}
