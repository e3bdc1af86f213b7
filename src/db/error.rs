//! What a database error means, in words that fit both engines.

use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// The few things a caller can be told about a database failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No connection in time, or the server is away: try again later.
    Unavailable,
    /// The statement took too long and was stopped.
    Timeout,
    /// Two transactions were in each other's way (deadlock, serialisation): try again now.
    Conflict,
    /// Our own mistake, or a broken database.
    Broken,
}

/// Sorts a driver's error. Its text is for the log only.
pub fn classify(error: &DbErr) -> Trouble {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Trouble::Unavailable,
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => driver(error),
        _ => Trouble::Broken,
    }
}

/// As [`classify`], of the driver's own error.
pub fn driver(error: &sqlx::Error) -> Trouble {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Trouble::Unavailable,
        sqlx::Error::Database(error) => match error.code().as_deref() {
            // PostgreSQL: query_canceled by statement_timeout; lock_not_available by lock_timeout.
            Some("57014") => Trouble::Timeout,
            Some("40001" | "40P01" | "55P03") => Trouble::Conflict,
            // PostgreSQL: connection_exception, insufficient_resources, operator_intervention, 25P03 idle in transaction.
            Some(code) if ["08", "53", "57"].iter().any(|class| code.starts_with(class)) && code.len() == 5 => {
                Trouble::Unavailable
            }
            Some("25P03") => Trouble::Unavailable,
            // SQLite: SQLITE_BUSY and SQLITE_LOCKED with their extended codes; SQLITE_FULL, SQLITE_IOERR.
            Some("5" | "6" | "261" | "517") => Trouble::Conflict,
            Some("13" | "10" | "14") => Trouble::Unavailable,
            _ => Trouble::Broken,
        },
        _ => Trouble::Broken,
    }
}

/// Whether a unique index or primary key refused the statement. Stores turn this into a named error.
pub fn violates_uniqueness(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}
