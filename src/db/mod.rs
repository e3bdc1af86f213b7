//! The database: SQLite in a file, or PostgreSQL, behind one type.
//!
//! [`Db`] reads. Writing has two doors and no third: [`Db::begin_write`] for a use case that must be whole, and
//! [`Db::write_one`] for a single guarded statement that is whole by itself. On SQLite both lead to the one writer
//! connection, and readers are opened with `query_only`; on PostgreSQL all share a pool.
//!
//! Both doors and the reader count their statements (with BEGIN and COMMIT), so that tests can pin the number per call.

mod connect;
mod error;
mod tx;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};

pub use self::{
    connect::connect,
    error::{Trouble, classify, violates_uniqueness},
    tx::{WriteOne, WriteTx},
};

/// The database, for reading. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    reader: DatabaseConnection,
    writer: DatabaseConnection,
    statements: Statements,
}

/// How many statements were sent, in all.
#[derive(Clone, Debug, Default)]
struct Statements(Arc<AtomicU64>);

impl Statements {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("backline_db_statements_total").increment(1);
    }
}

impl Db {
    fn new(reader: DatabaseConnection, writer: DatabaseConnection) -> Self {
        Self { reader, writer, statements: Statements::default() }
    }

    /// Opens a transaction that may write: IMMEDIATE on SQLite, READ COMMITTED on PostgreSQL.
    ///
    /// Dropping it without [`WriteTx::commit`] rolls everything back. No file, network or hashing work belongs
    /// between the two.
    ///
    /// # Errors
    /// When no connection is to be had in time.
    pub async fn begin_write(&self) -> Result<WriteTx, DbErr> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        self.statements.count();
        Ok(WriteTx::new(self.writer.begin_with_options(options).await?, self.statements.clone()))
    }

    /// A connection for one guarded statement that needs no transaction around it.
    pub fn write_one(&self) -> WriteOne<'_> {
        WriteOne { db: self }
    }

    /// Statements sent since the start, transactions' BEGIN and COMMIT included.
    pub fn statements(&self) -> u64 {
        self.statements.0.load(Ordering::Relaxed)
    }

    /// The same database for tasks that run beside the calls: their statements are counted apart.
    #[must_use]
    pub fn in_background(&self) -> Self {
        Self { statements: Statements::default(), ..self.clone() }
    }

    pub fn is_sqlite(&self) -> bool {
        self.reader.get_database_backend() == DbBackend::Sqlite
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.reader.ping().await
    }

    /// The connection for migrations, which alone may change the schema.
    pub fn for_migrations(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Ends all connections, after the last call and the last job.
    pub async fn close(self) {
        let same = !self.is_sqlite();
        if let Err(error) = self.writer.close().await {
            tracing::warn!(%error, "the database did not close cleanly");
        }
        if !same && let Err(error) = self.reader.close().await {
            tracing::warn!(%error, "the database did not close cleanly");
        }
    }
}

#[async_trait]
impl ConnectionTrait for Db {
    fn get_database_backend(&self) -> DbBackend {
        self.reader.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.statements.count();
        self.reader.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.statements.count();
        self.reader.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.statements.count();
        self.reader.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.statements.count();
        self.reader.query_all_raw(statement).await
    }
}
