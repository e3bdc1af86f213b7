//! Connections for work that takes as long as it takes: copies and checks of the whole database.

use std::{path::PathBuf, str::FromStr, time::Duration};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, SqlxPostgresConnector, SqlxSqliteConnector, Statement};
use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};

use crate::config::Config;

/// Which of the two engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    /// As stored in manifests, so never renamed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgresql",
        }
    }
}

/// The engine that the settings name.
pub fn kind(config: &Config) -> Kind {
    if config.database_url().starts_with("sqlite:") { Kind::Sqlite } else { Kind::Postgres }
}

/// The file of the embedded database; `None` for one on a server.
pub fn sqlite_file(config: &Config) -> Option<PathBuf> {
    if kind(config) == Kind::Postgres {
        return None;
    }
    let options = SqliteConnectOptions::from_str(&config.database_url()).ok()?;
    Some(options.get_filename().to_owned())
}

/// One connection beside the pools, made when it is first used: no statement is stopped or counted, and nothing is made
/// that is not there. The server's settings for requests would end what reads a whole table.
///
/// # Errors
/// When the URL is malformed.
pub fn without_limits(config: &Config) -> Result<DatabaseConnection, DbErr> {
    match kind(config) {
        Kind::Sqlite => sqlite(&config.database_url()),
        Kind::Postgres => postgres(&config.direct_database_url()),
    }
}

pub(super) fn sqlite(url: &str) -> Result<DatabaseConnection, DbErr> {
    let options = SqliteConnectOptions::from_str(url).map_err(malformed)?.create_if_missing(false);
    Ok(sqlite_pool(options.busy_timeout(Duration::from_secs(5)).disable_statement_logging()))
}

pub(super) fn sqlite_pool(options: SqliteConnectOptions) -> DatabaseConnection {
    let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    SqlxSqliteConnector::from_sqlx_sqlite_pool(pool.connect_lazy_with(options))
}

pub(super) fn postgres(url: &str) -> Result<DatabaseConnection, DbErr> {
    let options = PgConnectOptions::from_str(url).map_err(malformed)?.application_name("backline-whole").options([
        ("statement_timeout", "0"),
        ("lock_timeout", "10000"),
        ("idle_in_transaction_session_timeout", "0"),
    ]);
    let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let pool = pool.acquire_timeout(Duration::from_secs(10)).connect_lazy_with(options.disable_statement_logging());
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

/// The driver's words would repeat the URL, and with it a password.
fn malformed(_: sqlx::Error) -> DbErr {
    DbErr::Custom("the database URL is malformed".to_owned())
}

/// Every table of the database's own, in order of their names.
///
/// # Errors
/// When the database fails.
pub async fn tables(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let list = match db.get_database_backend() {
        sea_orm::DbBackend::Sqlite => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
        }
        _ => {
            "SELECT table_name::text AS name FROM information_schema.tables \
             WHERE table_type = 'BASE TABLE' AND table_schema = current_schema() ORDER BY 1"
        }
    };
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), list)).await?;
    rows.iter().map(|row| row.try_get("", "name")).collect()
}
