//! A copy of the whole database as it is at one moment, while others go on writing.
//!
//! SQLite writes its copy by itself (`VACUUM INTO`, under one read transaction); of PostgreSQL `pg_dump` makes one, of
//! the snapshot of a transaction that stays open beside it. Either way [`Snapshot::reader`] reads what the copy holds,
//! and nothing that came later.

use std::path::{Path, PathBuf};

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, IsolationLevel, Statement,
    TransactionTrait,
};
use sqlx::sqlite::SqliteConnectOptions;

use super::{
    long::{self, Kind},
    tools,
};
use crate::config::Config;

/// Why the database could not be copied or put back.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("the database failed")]
    Database(#[from] DbErr),
    /// One sentence about `pg_dump` or `pg_restore`.
    #[error("{0}")]
    Program(String),
}

/// A copy, and a view of what stands in it.
pub struct Snapshot {
    /// The copy: a database file, or an archive for `pg_restore`.
    pub file: PathBuf,
    reader: DatabaseTransaction,
    connection: DatabaseConnection,
}

impl Snapshot {
    /// Reads what the copy holds.
    pub fn reader(&self) -> &DatabaseTransaction {
        &self.reader
    }

    /// Lets the view go. The file stays.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn end(self) -> Result<(), DbErr> {
        self.reader.rollback().await?;
        self.connection.close().await
    }
}

/// Copies the configured database into `folder`, which must hold no such file yet.
///
/// # Errors
/// When the database fails, or PostgreSQL's programs are missing or too old.
pub async fn snapshot(config: &Config, folder: &Path) -> Result<Snapshot, CopyError> {
    match long::kind(config) {
        Kind::Sqlite => sqlite(config, folder.join("database.sqlite")).await,
        Kind::Postgres => postgres(config, folder.join("database.pgdump")).await,
    }
}

async fn sqlite(config: &Config, file: PathBuf) -> Result<Snapshot, CopyError> {
    let source = long::without_limits(config)?;
    let into = file.to_string_lossy().into_owned();
    source.execute_raw(Statement::from_sql_and_values(DbBackend::Sqlite, "VACUUM INTO ?", [into.into()])).await?;
    source.close().await?;
    let connection = long::sqlite_pool(SqliteConnectOptions::new().filename(&file).read_only(true).immutable(true));
    let reader = connection.begin().await?;
    Ok(Snapshot { file, reader, connection })
}

async fn postgres(config: &Config, file: PathBuf) -> Result<Snapshot, CopyError> {
    let connection = long::without_limits(config)?;
    tools::must_know("pg_dump", server_major(&connection).await?).await.map_err(CopyError::Program)?;
    let reader = connection.begin_with_config(Some(IsolationLevel::RepeatableRead), Some(AccessMode::ReadOnly)).await?;
    let moment: String = one(&reader, "SELECT pg_export_snapshot() AS value").await?;
    let arguments = [
        format!("--snapshot={moment}"),
        "--format=custom".to_owned(),
        "--compress=1".to_owned(),
        "--no-owner".to_owned(),
        "--no-privileges".to_owned(),
        format!("--file={}", file.display()),
    ];
    tools::run("pg_dump", &config.direct_database_url(), &arguments).await.map_err(CopyError::Program)?;
    Ok(Snapshot { file, reader, connection })
}

/// Puts an archive of `pg_dump` into the configured database, which must be empty: whole, or nothing of it.
///
/// # Errors
/// When PostgreSQL's programs are missing, too old, or fail.
pub async fn put_back(config: &Config, archive: &Path) -> Result<(), CopyError> {
    let connection = long::without_limits(config)?;
    let server = server_major(&connection).await?;
    connection.close().await?;
    tools::must_know("pg_restore", server).await.map_err(CopyError::Program)?;
    let archive = archive.display().to_string();
    let arguments = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", &archive];
    tools::run("pg_restore", &config.direct_database_url(), &arguments).await.map_err(CopyError::Program)
}

async fn server_major(db: &DatabaseConnection) -> Result<u32, DbErr> {
    let number: String = one(db, "SELECT current_setting('server_version_num') AS value").await?;
    Ok(number.parse::<u32>().unwrap_or(0) / 10_000)
}

async fn one(db: &impl ConnectionTrait, sql: &str) -> Result<String, DbErr> {
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("the server gave no row".to_owned()))?.try_get("", "value")
}
