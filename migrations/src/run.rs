//! Bringing a database to this release's schema, and saying how far it is from it.

use std::collections::BTreeSet;

use sea_orm_migration::{
    MigratorTrait, SchemaManager,
    sea_orm::{
        ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, EntityTrait, IsolationLevel,
        SqliteTransactionMode, TransactionOptions, TransactionTrait,
    },
    seaql_migrations,
};

use crate::Migrator;

/// The advisory lock that one migrator at a time holds on PostgreSQL: "backline" in ASCII.
const LOCK: i64 = 0x6261_636b_6c69_6e65;

/// How a database stands towards this release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Migrations that [`run`] would apply, oldest first.
    pub pending: Vec<String>,
    /// Applied migrations that this release does not know: the schema is newer than we are.
    pub unknown: Vec<String>,
}

impl Status {
    /// Whether this release may serve from the database as it is.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.pending.is_empty() && self.unknown.is_empty()
    }

    /// That a release as old as this one may touch the database.
    ///
    /// # Errors
    /// [`Error::Newer`].
    pub fn known(&self) -> Result<(), Error> {
        if self.unknown.is_empty() { Ok(()) } else { Err(Error::Newer { unknown: self.unknown.clone() }) }
    }
}

/// Why a database was not brought up to date. It is left as it was found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the database was migrated by a newer release ({}); start that release, or restore a backup", unknown.join(", "))]
    Newer { unknown: Vec<String> },
    #[error("the database lacks {pending} migrations of this release; run: backline migrate")]
    Older { pending: usize },
    #[error("the database failed while migrating")]
    Database(#[from] DbErr),
}

/// Every migration of this release by name, oldest first.
#[must_use]
pub fn names() -> Vec<String> {
    Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect()
}

/// Says what is pending and what is unknown. Reads only, so a role without the right to create tables may ask.
pub async fn status(db: &DatabaseConnection) -> Result<Status, DbErr> {
    let migrated_before = SchemaManager::new(db).has_table("seaql_migrations").await?;
    let applied = if migrated_before { applied(db).await? } else { BTreeSet::new() };
    Ok(compare(&applied))
}

/// Refuses a database whose schema is not exactly this release's. Reads only.
pub async fn check(db: &DatabaseConnection) -> Result<(), Error> {
    let status = status(db).await?;
    status.known()?;
    if status.pending.is_empty() { Ok(()) } else { Err(Error::Older { pending: status.pending.len() }) }
}

/// Applies what is pending and returns the names, oldest first; empty if there was nothing to do.
///
/// Everything pending goes into one transaction on one connection, each migration under a savepoint of its own. On
/// PostgreSQL that transaction first takes an advisory lock and waits for it without a time limit; on SQLite it is
/// IMMEDIATE, which waits for the other writer as long as the connection's busy time-out says.
pub async fn run(db: &DatabaseConnection) -> Result<Vec<String>, Error> {
    // The common start finds nothing to do and takes no lock.
    if nothing_to_do(&status(db).await?)? {
        return Ok(Vec::new());
    }

    let tx = begin_alone(db).await?;
    create_ledger(&tx).await?;
    // Whoever held the lock before us may have done the work.
    let status = compare(&applied(&tx).await?);
    if !nothing_to_do(&status)? {
        Migrator::up(&tx, None).await?;
    }
    tx.commit().await?;
    Ok(status.pending)
}

/// Brings an empty database to the schema that the first `count` migrations made: an earlier release's. For tests of
/// upgrades.
pub async fn run_first(db: &DatabaseConnection, count: u32) -> Result<(), DbErr> {
    let tx = begin_alone(db).await?;
    create_ledger(&tx).await?;
    Migrator::up(&tx, Some(count)).await?;
    tx.commit().await
}

fn nothing_to_do(status: &Status) -> Result<bool, Error> {
    status.known()?;
    Ok(status.pending.is_empty())
}

/// Opens the transaction that keeps other migrators out until it ends.
async fn begin_alone(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    if db.get_database_backend() == DbBackend::Sqlite {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        return db.begin_with_options(options).await;
    }

    // READ COMMITTED whatever the server's default: after the wait we must see what the holder committed.
    let options = TransactionOptions { isolation_level: Some(IsolationLevel::ReadCommitted), ..Default::default() };
    let tx = db.begin_with_options(options).await?;
    // The pool's limits are made for requests. Waiting for another migrator and building an index may take long;
    // waiting for a table may not, because whoever comes next would queue behind us.
    tx.execute_unprepared("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").await?;
    tx.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await?;
    tx.execute_unprepared("SET LOCAL lock_timeout = '10s'").await?;
    Ok(tx)
}

/// The list of applied migrations. On SQLite the library would make a table that is not STRICT, so ours comes first.
async fn create_ledger(tx: &DatabaseTransaction) -> Result<(), DbErr> {
    if tx.get_database_backend() == DbBackend::Sqlite {
        tx.execute_unprepared(
            "CREATE TABLE IF NOT EXISTS seaql_migrations \
             (version TEXT NOT NULL PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT",
        )
        .await?;
    }
    Migrator::install(tx).await
}

async fn applied<C: ConnectionTrait>(db: &C) -> Result<BTreeSet<String>, DbErr> {
    let rows = seaql_migrations::Entity::find().all(db).await?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

fn compare(applied: &BTreeSet<String>) -> Status {
    let known = names();
    Status {
        unknown: applied.iter().filter(|name| !known.contains(name)).cloned().collect(),
        pending: known.into_iter().filter(|name| !applied.contains(name)).collect(),
    }
}
