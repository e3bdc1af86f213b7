//! Opening the database with the settings that make it safe.

use std::{str::FromStr, time::Duration};

use anyhow::Context;
use sea_orm::{SqlxPostgresConnector, SqlxSqliteConnector};
use secrecy::ExposeSecret;
use sqlx::{
    ConnectOptions, Connection,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::time::timeout;

use super::{
    Db,
    inspect::{explain, inspect},
    pool::{Connections, Pool, Troubled},
    session::Limits,
};
use crate::config::{Config, DatabaseConfig, Mode, Pooler};

/// How long an idle connection that may be dead has to prove the contrary.
const PROOF: Duration = Duration::from_millis(500);

/// Opens the configured database.
///
/// Pragmas and session settings stand in the connect options, so that each pooled connection has them.
///
/// # Errors
/// One sentence that says what to do: the file cannot be opened, the server does not answer or is not safe, the URL is
/// malformed.
pub async fn connect(config: &Config) -> anyhow::Result<Db> {
    let url = config.database_url();
    let db =
        if url.starts_with("sqlite:") { sqlite(&url, &config.database).await? } else { postgres(&url, config).await? };
    Ok(if config.mode == Mode::Test { db.keeping_statements() } else { db })
}

fn limits(config: &DatabaseConfig) -> Limits {
    Limits {
        statement: config.statement_timeout,
        lock: config.lock_timeout,
        idle_in_transaction: config.idle_in_transaction_timeout,
        pinned: config.pooler == Pooler::Transaction,
    }
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
    let options = options.pragma("query_only", "ON");
    let readers = pool(config.max_connections)
        .connect_with(options.clone())
        .await
        .context("the database file cannot be opened for reading")?;
    let probe = pool(1).min_connections(0).connect_lazy_with(options);
    let migrations = SqlxSqliteConnector::from_sqlx_sqlite_pool(writer.clone());
    let named = |name, connections| {
        Pool::new(name, Connections::Sqlite(connections), config.acquire_timeout, limits(config), Troubled::default())
    };
    Ok(Db::new(named("reader", readers), named("writer", writer), named("probe", probe), migrations))
}

/// One pool for all, a connection beside it for asking whether the server is there, and behind a pooler another way for
/// migrations: they need a session of their own.
async fn postgres(url: &str, all: &Config) -> anyhow::Result<Db> {
    let (config, name) = (&all.database, application_name(all));
    let limits = limits(config);
    let direct = match &config.direct_url {
        Some(direct) if limits.pinned => direct_options(direct.expose_secret(), "database.direct_url", limits, &name)?,
        _ => direct_options(url, "database.url", limits, &name)?,
    };
    let key = if limits.pinned { "database.direct_url" } else { "database.url" };
    inspect(&direct, key, config.acquire_timeout, all.mode).await?;
    let options = if limits.pinned { pooled_options(url, &name)? } else { direct.clone() };

    let troubled = Troubled::default();
    let pool = pool_options(config, &troubled)
        .max_connections(config.max_connections)
        .min_connections(1)
        .connect_with(options.clone())
        .await
        .map_err(|error| explain(&error, &options, "database.url"))?;
    let probe = pool_options(config, &troubled).max_connections(1).connect_lazy_with(options);
    let migrations = if limits.pinned { for_migrations(config, direct) } else { pool.clone() };
    let named =
        |name, pool| Pool::new(name, Connections::Postgres(pool), config.acquire_timeout, limits, troubled.clone());
    let shared = named("shared", pool);
    let migrations = SqlxPostgresConnector::from_sqlx_postgres_pool(migrations);
    Ok(Db::new(shared.clone(), shared, named("probe", probe), migrations))
}

/// To the server itself: the session has the limits from its first moment.
fn direct_options(url: &str, key: &str, limits: Limits, name: &str) -> anyhow::Result<PgConnectOptions> {
    let milliseconds = |limit: Duration| limit.as_millis().to_string();
    Ok(parsed(url, key, name)?.options([
        ("statement_timeout", milliseconds(limits.statement)),
        ("lock_timeout", milliseconds(limits.lock)),
        ("idle_in_transaction_session_timeout", milliseconds(limits.idle_in_transaction)),
    ]))
}

/// To a pooler, which refuses what only a session can keep. Nothing is prepared under a name: the next statement may run
/// elsewhere.
fn pooled_options(url: &str, name: &str) -> anyhow::Result<PgConnectOptions> {
    Ok(parsed(url, "database.url", name)?.extra_float_digits(None).statement_cache_capacity(0))
}

fn parsed(url: &str, key: &str, name: &str) -> anyhow::Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url).with_context(|| format!("{key} is malformed"))?;
    Ok(options.application_name(name).disable_statement_logging())
}

fn pool_options(config: &DatabaseConfig, troubled: &Troubled) -> PgPoolOptions {
    let troubled = troubled.clone();
    PgPoolOptions::new()
        .acquire_timeout(config.acquire_timeout)
        .max_lifetime(Duration::from_mins(30))
        .test_before_acquire(false)
        .before_acquire(move |connection, state| {
            let doubted = troubled.doubts(state.idle_for);
            Box::pin(async move { Ok(!doubted || matches!(timeout(PROOF, connection.ping()).await, Ok(Ok(())))) })
        })
}

/// Connects when first used, and lets go soon: migrations are rare.
fn for_migrations(config: &DatabaseConfig, options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .acquire_timeout(config.acquire_timeout)
        .max_connections(2)
        .idle_timeout(Duration::from_mins(1))
        .connect_lazy_with(options)
}

/// What `pg_stat_activity` shows: which process on which machine. PostgreSQL cuts names off after 63 bytes.
fn application_name(config: &Config) -> String {
    format!("backline/{}", config.telemetry.instance())
}
