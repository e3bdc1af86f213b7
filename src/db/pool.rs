//! A pool of connections: who waits for one and for how long, and what is measured of it.
//!
//! Waiting ends when the pool's patience does, or shortly before the caller's deadline: early enough to still say
//! UNAVAILABLE. Only the waiting is cut short, never a BEGIN.
//!
//! No connection is tried each time it is handed out. Once the database was in trouble, those that have lain idle since
//! before are tried once, so that a restart costs the calls that were under way and no more.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sea_orm::{ConnAcquireErr, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sqlx::{PgPool, SqlitePool};
use tokio::time::timeout_at;

use super::{
    error::{Trouble, driver},
    session::{Driver, Limits, Session, Transaction},
};
use crate::kernel::deadline;

/// What is left of a caller's time when waiting for a connection ends: enough to answer.
const TIME_TO_ANSWER: Duration = Duration::from_millis(50);

/// Connections to one database, for one purpose. Cheap to clone.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    name: &'static str,
    connections: Connections,
    /// How long to wait for a connection at most.
    patience: Duration,
    limits: Limits,
    waiting: AtomicU32,
    troubled: Troubled,
}

#[derive(Clone)]
pub enum Connections {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// When the database was last seen to be away. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Troubled(Arc<Mutex<Option<Instant>>>);

impl Troubled {
    fn now(&self) {
        *self.0.lock() = Some(Instant::now());
    }

    /// Whether a connection that was idle for so long may have died with the others.
    pub fn doubts(&self, idle_for: Duration) -> bool {
        self.0.lock().is_some_and(|at| at.elapsed() < idle_for)
    }
}

impl Pool {
    pub fn new(
        name: &'static str,
        connections: Connections,
        patience: Duration,
        limits: Limits,
        troubled: Troubled,
    ) -> Self {
        Self(Arc::new(Inner { name, connections, patience, limits, waiting: AtomicU32::new(0), troubled }))
    }

    pub fn backend(&self) -> DbBackend {
        match self.0.connections {
            Connections::Postgres(_) => DbBackend::Postgres,
            Connections::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    /// A connection, as soon as there is one.
    ///
    /// # Errors
    /// When there is none in time, or the server is away.
    pub async fn session(&self) -> Result<Session, DbErr> {
        let begun = tokio::time::Instant::now();
        let until = deadline::within(self.0.patience + TIME_TO_ANSWER) - TIME_TO_ANSWER;
        let waiting = Waiting::begin(&self.0.waiting);
        let acquired = timeout_at(until, self.acquire()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        drop(waiting);
        let took = begun.elapsed().as_secs_f64();
        metrics::histogram!("backline_db_acquire_duration_seconds", "pool" => self.0.name).record(took);
        match acquired {
            Ok(driver) => Ok(Session::new(driver, self.clone())),
            Err(error) => {
                if matches!(error, sqlx::Error::PoolTimedOut) {
                    metrics::counter!("backline_db_acquire_timeouts_total", "pool" => self.0.name).increment(1);
                }
                self.0.troubled.now();
                Err(not_acquired(error))
            }
        }
    }

    async fn acquire(&self) -> Result<Driver, sqlx::Error> {
        Ok(match &self.0.connections {
            Connections::Postgres(pool) => Driver::Postgres(pool.acquire().await?),
            Connections::Sqlite(pool) => Driver::Sqlite(pool.acquire().await?),
        })
    }

    /// Opens a transaction that may write: IMMEDIATE on SQLite, READ COMMITTED on PostgreSQL.
    pub async fn begin(&self) -> Result<Transaction, DbErr> {
        Transaction::begin(self.session().await?).await
    }

    pub async fn execute(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        if self.0.limits.pinned {
            let mut tx = self.begin().await?;
            let done = tx.session().execute(statement).await?;
            return tx.commit().await.map(|()| done);
        }
        self.session().await?.execute(statement).await
    }

    pub async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.session().await?.execute_unprepared(sql).await
    }

    pub async fn query_one(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        if self.0.limits.pinned {
            let mut tx = self.begin().await?;
            let found = tx.session().query_one(statement).await?;
            return tx.commit().await.map(|()| found);
        }
        self.session().await?.query_one(statement).await
    }

    pub async fn query_all(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        if self.0.limits.pinned {
            let mut tx = self.begin().await?;
            let found = tx.session().query_all(statement).await?;
            return tx.commit().await.map(|()| found);
        }
        self.session().await?.query_all(statement).await
    }

    pub fn limits(&self) -> Limits {
        self.0.limits
    }

    /// Sets the gauges of this pool to what they are now.
    pub fn measure(&self) {
        let (size, idle, max) = match &self.0.connections {
            Connections::Postgres(pool) => (pool.size(), pool.num_idle(), pool.options().get_max_connections()),
            Connections::Sqlite(pool) => (pool.size(), pool.num_idle(), pool.options().get_max_connections()),
        };
        let idle = u32::try_from(idle).unwrap_or(u32::MAX).min(size);
        for (state, connections) in [("idle", idle), ("used", size - idle), ("max", max)] {
            metrics::gauge!("backline_db_pool_connections", "pool" => self.0.name, "state" => state)
                .set(f64::from(connections));
        }
        let waiting = self.0.waiting.load(Ordering::Relaxed);
        metrics::gauge!("backline_db_pool_waiting", "pool" => self.0.name).set(f64::from(waiting));
    }

    /// Remembers that the database is in trouble, if that is what the error says.
    pub fn note(&self, error: &sqlx::Error) {
        if driver(error) == Trouble::Unavailable {
            self.0.troubled.now();
        }
    }

    /// Ends all connections, once they are given back.
    pub async fn close(&self) {
        match &self.0.connections {
            Connections::Postgres(pool) => pool.close().await,
            Connections::Sqlite(pool) => pool.close().await,
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.0.name).finish()
    }
}

/// Counts a caller who waits, until it is dropped.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn not_acquired(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        other => DbErr::Conn(RuntimeErr::SqlxError(Arc::new(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_connections_idle_since_before_the_trouble_are_doubted() {
        let troubled = Troubled::default();
        assert!(!troubled.doubts(Duration::from_hours(1)), "there was none");
        troubled.now();
        assert!(troubled.doubts(Duration::from_hours(1)));
        assert!(!troubled.doubts(Duration::ZERO));
    }
}
