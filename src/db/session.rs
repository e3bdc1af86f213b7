//! One connection of a pool, and a transaction on it.
//!
//! What is dropped at a bad moment never harms the next user of its connection: a transaction that is open is rolled
//! back, and a connection whose BEGIN was still under way is closed (sqlx 0.9.0 would give it back with the transaction
//! open). PostgreSQL has to answer within its own time limits and a little more; a connection on which it does not is
//! closed too, for the network may have swallowed the answer.

use std::{future::Future, sync::Arc, time::Duration};

use sea_orm::{DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values};
use sea_query_sqlx::SqlxValues;
use sqlx::{
    AssertSqlSafe, Connection, Database, Executor, Postgres, SqlSafeStr, Sqlite, pool::PoolConnection, query_with,
};
use sqlx_core::transaction::TransactionManager;
use tokio::time::timeout;

use super::{mark, pool::Pool};
use crate::kernel::deadline;

/// What the answer to a statement may take on its way, beyond the statement's own limit.
const WAY: Duration = Duration::from_secs(2);
/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// How PostgreSQL's time is limited. SQLite has none of it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub statement: Duration,
    pub lock: Duration,
    pub idle_in_transaction: Duration,
    /// Connections go through a pooler that gives another server connection to each transaction: nothing may outlive
    /// one. Statements have no names then, each stands in a transaction, and that begins by setting the limits.
    pub pinned: bool,
}

impl Limits {
    /// The text that begins a transaction: one message, so that the limits in it cost no way back and forth.
    ///
    /// The caller's deadline becomes that of its statements; a single statement outside has the session's limit.
    fn begin(self) -> String {
        let now = tokio::time::Instant::now();
        let statement = (deadline::within(self.statement) - now).as_millis().max(1);
        // The mark comes before the limits, which are for the caller's statements.
        let mark = mark::statement().map(|mark| format!("; {mark}")).unwrap_or_default();
        if self.pinned {
            let (lock, idle) = (self.lock.as_millis(), self.idle_in_transaction.as_millis());
            format!(
                "BEGIN{mark}; SET LOCAL statement_timeout = {statement}; SET LOCAL lock_timeout = {lock}; \
                 SET LOCAL idle_in_transaction_session_timeout = {idle}"
            )
        } else if statement < self.statement.as_millis() {
            format!("BEGIN{mark}; SET LOCAL statement_timeout = {statement}")
        } else {
            format!("BEGIN{mark}")
        }
    }

    fn patience(self) -> Duration {
        self.statement + WAY
    }
}

pub enum Driver {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

impl Driver {
    fn close_on_drop(&mut self) {
        match self {
            Self::Postgres(connection) => connection.close_on_drop(),
            Self::Sqlite(connection) => connection.close_on_drop(),
        }
    }
}

/// A connection until it is dropped.
pub struct Session {
    driver: Driver,
    pool: Pool,
}

/// Runs a query on whichever driver it is, as `$outcome`, with a time limit on PostgreSQL.
macro_rules! on {
    ($session:ident, $statement:ident, $method:ident) => {{
        let Statement { sql, values, .. } = $statement;
        let values = SqlxValues(values.unwrap_or(Values(Vec::new())));
        let limits = $session.pool.limits();
        let outcome = match &mut $session.driver {
            Driver::Postgres(connection) => {
                let query = query_with(AssertSqlSafe(sql), values).persistent(!limits.pinned);
                answered(limits, query.$method(&mut **connection)).await.map(|outcome| outcome.map(Into::into))
            }
            Driver::Sqlite(connection) => {
                let outcome = query_with(AssertSqlSafe(sql), values).$method(&mut **connection).await;
                Ok(outcome.map(Into::into))
            }
        };
        $session.settled(outcome)
    }};
}

/// `Err` if there is no answer in time.
async fn answered<T>(limits: Limits, answer: impl Future<Output = T>) -> Result<T, Hung> {
    timeout(limits.patience(), answer).await.map_err(|_| Hung)
}

/// The server says nothing.
struct Hung;

impl Session {
    pub fn new(driver: Driver, pool: Pool) -> Self {
        Self { driver, pool }
    }

    pub async fn execute(&mut self, statement: Statement) -> Result<ExecResult, DbErr> {
        on!(self, statement, execute).map_err(executing)
    }

    pub async fn query_one(&mut self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let found: Result<QueryResult, _> = on!(self, statement, fetch_one);
        match found {
            Ok(row) => Ok(Some(row)),
            Err(sqlx::Error::RowNotFound) => Ok(None),
            Err(error) => Err(querying(error)),
        }
    }

    pub async fn query_all(&mut self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let limits = self.pool.limits();
        let Statement { sql, values, .. } = statement;
        let values = SqlxValues(values.unwrap_or(Values(Vec::new())));
        let outcome = match &mut self.driver {
            Driver::Postgres(connection) => {
                let query = query_with(AssertSqlSafe(sql), values).persistent(!limits.pinned);
                let rows = answered(limits, query.fetch_all(&mut **connection)).await;
                rows.map(|rows| rows.map(|rows| rows.into_iter().map(Into::into).collect()))
            }
            Driver::Sqlite(connection) => {
                let rows = query_with(AssertSqlSafe(sql), values).fetch_all(&mut **connection).await;
                Ok(rows.map(|rows| rows.into_iter().map(Into::into).collect()))
            }
        };
        self.settled(outcome).map_err(querying)
    }

    pub async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        let (limits, sql) = (self.pool.limits(), AssertSqlSafe(sql.to_owned()));
        let outcome = match &mut self.driver {
            Driver::Postgres(connection) => {
                answered(limits, connection.execute(sql)).await.map(|outcome| outcome.map(Into::into))
            }
            Driver::Sqlite(connection) => Ok(connection.execute(sql).await.map(Into::into)),
        };
        self.settled(outcome).map_err(executing)
    }

    /// Whether the database answers, within two seconds.
    pub async fn ping(&mut self) -> Result<(), DbErr> {
        let answer = async {
            match &mut self.driver {
                Driver::Postgres(connection) => connection.ping().await,
                Driver::Sqlite(connection) => connection.ping().await,
            }
        };
        let outcome = timeout(PATIENCE, answer).await.map_err(|_| Hung);
        self.settled(outcome).map_err(querying)
    }

    /// Lets go of a connection that does not answer, and remembers what says that the database is away.
    fn settled<T>(&mut self, outcome: Result<Result<T, sqlx::Error>, Hung>) -> Result<T, sqlx::Error> {
        let outcome = outcome.unwrap_or_else(|Hung| {
            self.driver.close_on_drop();
            Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database does not answer")))
        });
        if let Err(error) = &outcome {
            self.pool.note(error);
        }
        outcome
    }
}

/// A transaction. Dropped without [`Transaction::commit`] it is rolled back.
pub struct Transaction {
    session: Session,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Beginning,
    Open,
    Ended,
}

impl Transaction {
    /// # Errors
    /// When the database refuses or is away; then there is no transaction.
    pub async fn begin(session: Session) -> Result<Self, DbErr> {
        let mut tx = Self { session, state: State::Beginning };
        let limits = tx.session.pool.limits();
        let begun = match &mut tx.session.driver {
            Driver::Postgres(connection) => {
                let text = AssertSqlSafe(limits.begin()).into_sql_str();
                answered(limits, <Postgres as Database>::TransactionManager::begin(connection, Some(text))).await
            }
            Driver::Sqlite(connection) => {
                let text = "BEGIN IMMEDIATE".into_sql_str();
                Ok(<Sqlite as Database>::TransactionManager::begin(connection, Some(text)).await)
            }
        };
        let begun = tx.session.settled(begun);
        // A message of several statements may have failed after its BEGIN: such a connection is closed, not given back.
        tx.state = match (&begun, &tx.session.driver) {
            (Ok(()), _) => State::Open,
            (Err(_), Driver::Postgres(_)) => State::Beginning,
            (Err(_), Driver::Sqlite(_)) => State::Ended,
        };
        begun.map(|()| tx).map_err(querying)
    }

    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// # Errors
    /// When the database refuses, and nothing happened; or when it is gone before it said what happened.
    pub async fn commit(mut self) -> Result<(), DbErr> {
        let limits = self.session.pool.limits();
        let committed = match &mut self.session.driver {
            Driver::Postgres(connection) => {
                answered(limits, <Postgres as Database>::TransactionManager::commit(connection)).await
            }
            Driver::Sqlite(connection) => Ok(<Sqlite as Database>::TransactionManager::commit(connection).await),
        };
        self.session.settled(committed).map_err(querying)?;
        self.state = State::Ended;
        Ok(())
    }

    /// # Errors
    /// When the connection is gone; then nothing happened either.
    pub async fn rollback(mut self) -> Result<(), DbErr> {
        let limits = self.session.pool.limits();
        let rolled_back = match &mut self.session.driver {
            Driver::Postgres(connection) => {
                answered(limits, <Postgres as Database>::TransactionManager::rollback(connection)).await
            }
            Driver::Sqlite(connection) => Ok(<Sqlite as Database>::TransactionManager::rollback(connection).await),
        };
        self.session.settled(rolled_back).map_err(querying)?;
        self.state = State::Ended;
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        match (self.state, &mut self.session.driver) {
            (State::Ended, _) => {}
            (State::Beginning, driver) => driver.close_on_drop(),
            (State::Open, Driver::Postgres(connection)) => {
                <Postgres as Database>::TransactionManager::start_rollback(connection);
            }
            (State::Open, Driver::Sqlite(connection)) => {
                <Sqlite as Database>::TransactionManager::start_rollback(connection);
            }
        }
    }
}

fn executing(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error)))
}

fn querying(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const LIMITS: Limits = Limits {
        statement: Duration::from_secs(5),
        lock: Duration::from_secs(2),
        idle_in_transaction: Duration::from_secs(10),
        pinned: false,
    };

    #[tokio::test(start_paused = true)]
    async fn a_deadline_becomes_that_of_the_statements() {
        assert_eq!(LIMITS.begin(), "BEGIN", "no deadline");
        let text = deadline::until(Instant::now() + Duration::from_millis(1234), async { LIMITS.begin() }).await;
        assert_eq!(text, "BEGIN; SET LOCAL statement_timeout = 1234");
        let late = deadline::until(Instant::now(), async { LIMITS.begin() }).await;
        assert_eq!(late, "BEGIN; SET LOCAL statement_timeout = 1", "nothing would mean: no limit");
    }

    #[tokio::test(start_paused = true)]
    async fn behind_a_pooler_each_transaction_brings_its_limits() {
        assert_eq!(
            Limits { pinned: true, ..LIMITS }.begin(),
            "BEGIN; SET LOCAL statement_timeout = 5000; SET LOCAL lock_timeout = 2000; \
             SET LOCAL idle_in_transaction_session_timeout = 10000"
        );
    }
}
