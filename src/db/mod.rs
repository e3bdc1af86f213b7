//! The database: SQLite in a file, or PostgreSQL, behind one type.
//!
//! [`Db`] reads. Writing has two doors and no third: [`Db::begin_write`] for a use case that must be whole, and
//! [`Db::write_one`] for a single guarded statement that is whole by itself. On SQLite both lead to the one writer
//! connection, and readers are opened with `query_only`; on PostgreSQL all share a pool.
//!
//! - `connect`, `inspect`: opening it, and refusing a server that is not safe
//! - `pool`: waiting for a connection, and what is measured
//! - `session`: a connection, a transaction on it, and what their time limits are
//! - `tx`: the two doors to writing
//!
//! Both doors and the reader count their statements (with BEGIN and COMMIT), so that tests can pin the number per call.

mod connect;
mod error;
mod inspect;
mod integrity;
mod long;
mod mark;
mod pool;
mod scratch;
mod session;
mod snapshot;
mod tools;
mod tx;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use parking_lot::Mutex;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use self::pool::Pool;
pub use self::{
    connect::connect,
    error::{Trouble, classify, violates_uniqueness},
    integrity::integrity,
    long::{Kind, kind, sqlite_file, tables, without_limits},
    scratch::Scratch,
    snapshot::{CopyError, Snapshot, put_back, snapshot},
    tx::{Closing, WriteOne, WriteTx},
};
use crate::{kernel::Timestamp, telemetry::Step};

/// The database, for reading. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    reader: Pool,
    writer: Pool,
    /// A connection of its own for asking whether the database is there: that calls wait for one is no sign of that.
    probe: Pool,
    migrations: DatabaseConnection,
    statements: Statements,
}

/// What was sent: how many statements, and in tests which.
#[derive(Clone, Debug, Default)]
struct Statements {
    count: Arc<AtomicU64>,
    kept: Option<Arc<Mutex<BTreeMap<String, Statement>>>>,
}

impl Statements {
    fn count(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("backline_db_statements_total").increment(1);
    }

    fn count_and_keep(&self, statement: &Statement) {
        self.count();
        if let Some(kept) = &self.kept {
            let mut kept = kept.lock();
            if !kept.contains_key(&statement.sql) {
                kept.insert(statement.sql.clone(), statement.clone());
            }
        }
    }
}

impl Db {
    fn new(reader: Pool, writer: Pool, probe: Pool, migrations: DatabaseConnection) -> Self {
        Self { reader, writer, probe, migrations, statements: Statements::default() }
    }

    /// Keeps each different statement with the first values it was sent with, for tests to look at its plan.
    #[must_use]
    fn keeping_statements(mut self) -> Self {
        self.statements.kept = Some(Arc::default());
        self
    }

    /// Opens a transaction that may write: IMMEDIATE on SQLite, READ COMMITTED on PostgreSQL.
    ///
    /// Dropping it without [`WriteTx::commit`] rolls everything back. No file, network or hashing work belongs
    /// between the two.
    ///
    /// # Errors
    /// When no connection is to be had in time.
    pub async fn begin_write(&self) -> Result<WriteTx, DbErr> {
        self.statements.count();
        let step = Step::transaction(if self.is_sqlite() { "sqlite" } else { "postgresql" });
        // On the heap: every use case holds one of these futures.
        let tx = Box::pin(self.writer.begin()).await?;
        Ok(WriteTx::new(self.writer.backend(), tx, self.statements.clone(), step))
    }

    /// A connection for one guarded statement that needs no transaction around it.
    pub fn write_one(&self) -> WriteOne<'_> {
        WriteOne { db: self }
    }

    /// Statements sent since the start, transactions' BEGIN and COMMIT included.
    pub fn statements(&self) -> u64 {
        self.statements.count.load(Ordering::Relaxed)
    }

    /// Each different statement sent since the start, by calls and beside them. Only in test mode; empty otherwise.
    pub fn kept_statements(&self) -> Vec<Statement> {
        self.statements.kept.as_ref().map(|kept| kept.lock().values().cloned().collect()).unwrap_or_default()
    }

    /// The same database for tasks that run beside the calls: their statements are counted apart.
    #[must_use]
    pub fn in_background(&self) -> Self {
        let statements = Statements { count: Arc::default(), ..self.statements.clone() };
        Self { statements, ..self.clone() }
    }

    pub fn is_sqlite(&self) -> bool {
        self.reader.backend() == DbBackend::Sqlite
    }

    /// Whether the database answers. Says so within a few seconds, however many calls wait for it.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.probe.session().await?.ping().await
    }

    /// Sets the gauges of the pools to what they are now: for whoever is about to read them.
    pub fn measure(&self) {
        self.reader.measure();
        if self.is_sqlite() {
            self.writer.measure();
        }
    }

    /// What time the database's own machine has; `None` where that is this one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn time(&self) -> Result<Option<Timestamp>, DbErr> {
        if self.is_sqlite() {
            return Ok(None);
        }
        self.statements.count();
        let asked = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS micros";
        let told = self.reader.query_one(Statement::from_string(DbBackend::Postgres, asked)).await?;
        told.map(|row| row.try_get("", "micros").map(Timestamp::from_micros)).transpose()
    }

    /// Writes SQLite's log into the file and empties it, so that what was deleted stands in neither. `false` if a reader
    /// was in the way for the time that a writer would wait. PostgreSQL sees to its log by itself.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn empty_log(&self) -> Result<bool, DbErr> {
        if !self.is_sqlite() {
            return Ok(true);
        }
        self.statements.count();
        let checkpoint = Statement::from_string(DbBackend::Sqlite, "PRAGMA wal_checkpoint(TRUNCATE)");
        let told = self.writer.query_one(checkpoint).await?;
        let busy: Option<i64> = told.map(|row| row.try_get("", "busy")).transpose()?;
        Ok(busy == Some(0))
    }

    /// The connection for migrations, which alone may change the schema. Never through a pooler.
    pub fn for_migrations(&self) -> &DatabaseConnection {
        &self.migrations
    }

    /// Ends all connections, after the last call and the last job.
    pub async fn close(self) {
        for pool in [&self.writer, &self.reader, &self.probe] {
            pool.close().await;
        }
        if let Err(error) = self.migrations.close().await {
            tracing::warn!(%error, "the database did not close cleanly");
        }
    }
}

#[async_trait]
impl ConnectionTrait for Db {
    fn get_database_backend(&self) -> DbBackend {
        self.reader.backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.statements.count_and_keep(&statement);
        self.reader.execute(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.statements.count();
        self.reader.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.statements.count_and_keep(&statement);
        self.reader.query_one(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.statements.count_and_keep(&statement);
        self.reader.query_all(statement).await
    }
}
