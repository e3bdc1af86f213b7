use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Mode, Problems, Section, secret::hidden};
use crate::kernel::net::is_this_machine;

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
    /// Whether production may speak to PostgreSQL on another machine in the clear: where the network between is closed.
    pub allow_plaintext: bool,
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
            allow_plaintext: false,
        }
    }
}

impl Section for DatabaseConfig {
    const NAME: &'static str = "database";
    const SECRETS: &'static [&'static str] = &["url", "direct_url"];

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
        if mode == Mode::Production
            && let Some(url) = &self.direct_url
            && let Some(sentence) = unsafe_for_strangers(url.expose_secret(), self.allow_plaintext)
        {
            problems.add("database.direct_url", sentence);
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
    let host = asked(&["host", "hostaddr"]).or_else(|| url.host_str().map(Into::into))?;
    let encrypted =
        asked(&["sslmode", "ssl-mode"]).is_some_and(|mode| ["require", "verify-ca", "verify-full"].contains(&&*mode));
    let near = host.is_empty() || host.starts_with('/') || is_this_machine(&host);
    (!near && !encrypted && !allow_plaintext).then_some(
        "must end in ?sslmode=verify-full (or require) in production, for a server on another machine; on a closed network set \
         database.allow_plaintext",
    )
}
