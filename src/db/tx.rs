//! The two doors to writing.

use std::any::Any;

use async_trait::async_trait;
use parking_lot::Mutex;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};
use tokio::sync::Mutex as Turn;

use super::{Db, Statements, session::Transaction};
use crate::telemetry::Step;

type Hook = Box<dyn FnOnce() + Send>;

/// What a transaction writes last, right before its commit: rows that every writer wants, so that their lock is held as
/// shortly as can be and is never held while waiting for another.
#[async_trait]
pub trait Closing: Any + Send {
    /// Writes what was gathered. A failure undoes the whole transaction.
    async fn close(self: Box<Self>, tx: &WriteTx) -> Result<(), DbErr>;
}

/// A transaction that may write.
///
/// A store function that must share a transaction with others takes `&WriteTx`: the type says what prose would forget.
pub struct WriteTx {
    backend: DbBackend,
    /// One connection, one statement at a time.
    tx: Turn<Transaction>,
    statements: Statements,
    hooks: Mutex<Vec<Hook>>,
    closing: Mutex<Option<Box<dyn Closing>>>,
    /// Lasts as long as the transaction.
    step: Step,
}

impl WriteTx {
    pub(super) fn new(backend: DbBackend, tx: Transaction, statements: Statements, step: Step) -> Self {
        let tx = Turn::new(tx);
        Self { backend, tx, statements, hooks: Mutex::default(), closing: Mutex::default(), step }
    }

    /// Runs `hook` once the change is durable, and never if it is rolled back. For waking workers and watchers; it
    /// must be quick and must not fail.
    pub fn after_commit(&self, hook: impl FnOnce() + Send + 'static) {
        self.hooks.lock().push(Box::new(hook));
    }

    /// Gathers what is written last. There is one gatherer per transaction; `change` gets what it holds so far.
    pub fn gather<C: Closing>(&self, change: impl FnOnce(Option<C>) -> C) {
        let mut closing = self.closing.lock();
        let known = closing.take().and_then(|known| (known as Box<dyn Any>).downcast::<C>().ok());
        *closing = Some(Box::new(change(known.map(|known| *known))));
    }

    /// Makes everything durable, or nothing.
    ///
    /// # Errors
    /// When the database refuses; then nothing happened and no hook runs.
    pub async fn commit(self) -> Result<(), DbErr> {
        let closing = self.closing.lock().take();
        if let Some(closing) = closing
            && let Err(error) = closing.close(&self).await
        {
            // What the rollback says matters less than why there is one.
            drop(self.rollback().await);
            return Err(error);
        }
        self.statements.count();
        self.step.ends(Box::pin(self.tx.into_inner().commit()).await)?;
        for hook in self.hooks.into_inner() {
            hook();
        }
        Ok(())
    }

    /// Drops everything, now and not when the connection is next used.
    ///
    /// # Errors
    /// When the connection is gone; then nothing happened either.
    pub async fn rollback(self) -> Result<(), DbErr> {
        self.statements.count();
        self.tx.into_inner().rollback().await
    }
}

#[async_trait]
impl ConnectionTrait for WriteTx {
    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.statements.count_and_keep(&statement);
        self.tx.lock().await.session().execute(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.statements.count();
        self.tx.lock().await.session().execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.statements.count_and_keep(&statement);
        self.tx.lock().await.session().query_one(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.statements.count_and_keep(&statement);
        self.tx.lock().await.session().query_all(statement).await
    }
}

/// The writer's connection, one statement at a time, each its own transaction.
pub struct WriteOne<'a> {
    pub(super) db: &'a Db,
}

#[async_trait]
impl ConnectionTrait for WriteOne<'_> {
    fn get_database_backend(&self) -> DbBackend {
        self.db.writer.backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.db.statements.count_and_keep(&statement);
        self.db.writer.execute(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.db.statements.count();
        self.db.writer.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.db.statements.count_and_keep(&statement);
        self.db.writer.query_one(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.db.statements.count_and_keep(&statement);
        self.db.writer.query_all(statement).await
    }
}
