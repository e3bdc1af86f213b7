//! Opening the database with the settings that make it safe.

use std::{str::FromStr, time::Duration};

use anyhow::Context;
use sea_orm::{DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector};
use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::Db;
use crate::config::{Config, DatabaseConfig, Mode};

/// Opens the configured database.
///
/// Pragmas and session settings stand in the connect options, so that each pooled connection has them.
///
/// # Errors
/// One sentence that says what to do: the file cannot be opened, the server does not answer, the URL is malformed.
pub async fn connect(config: &Config) -> anyhow::Result<Db> {
    let url = config.database_url();
    let db = if url.starts_with("sqlite:") {
        sqlite(&url, &config.database).await?
    } else {
        postgres(&url, &config.database, &config.telemetry.instance()).await?
    };
    Ok(if config.mode == Mode::Test { db.keeping_statements() } else { db })
}

/// One writer and several readers. WAL lets them work side by side; FULL makes each commit durable before its reply.
///
/// `secure_delete` writes zeros over what is deleted: an erased person is not to be read in the file's free places.
///
/// `PRAGMA optimize` is left out on purpose: statistics of a young database say that its tables are tiny, and SQLite
/// would scan them however large they grow until the next stop. Without statistics it takes the indexes.
async fn sqlite(url: &str, config: &DatabaseConfig) -> anyhow::Result<Db> {
    let options = SqliteConnectOptions::from_str(url)
        .context("the database URL is malformed")?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .pragma("secure_delete", "ON")
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging();
    let pool = |size: u32| {
        SqlitePoolOptions::new()
            .max_connections(size)
            .min_connections(1)
            .acquire_timeout(config.acquire_timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
    };
    let writer = pool(1).connect_with(options.clone()).await.with_context(|| {
        format!("the database file {} cannot be opened; is the folder writable?", options.get_filename().display())
    })?;
    let readers = pool(config.max_connections)
        .connect_with(options.pragma("query_only", "ON"))
        .await
        .context("the database file cannot be opened for reading")?;
    Ok(Db::new(SqlxSqliteConnector::from_sqlx_sqlite_pool(readers), SqlxSqliteConnector::from_sqlx_sqlite_pool(writer)))
}

/// `instance` is what the database shows as the name of who is connected.
async fn postgres(url: &str, config: &DatabaseConfig, instance: &str) -> anyhow::Result<Db> {
    let statement_timeout = config.statement_timeout.as_millis().to_string();
    let options = PgConnectOptions::from_str(url)
        .context("the database URL is malformed")?
        .application_name(&format!("backline/{instance}"))
        .options([
            ("statement_timeout", statement_timeout.as_str()),
            ("lock_timeout", "2000"),
            ("idle_in_transaction_session_timeout", "10000"),
        ])
        .disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(config.max_connections)
        .min_connections(1)
        .acquire_timeout(config.acquire_timeout)
        .max_lifetime(Duration::from_mins(30))
        .test_before_acquire(false)
        .connect_with(options)
        .await
        .context("PostgreSQL does not answer; check database.url and that the server runs")?;
    let connection: DatabaseConnection = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    Ok(Db::new(connection.clone(), connection))
}
