//! What is measured of the queue, now and then.

use sea_orm::{DbErr, Iterable};

use super::store;
use crate::{db::Db, entity::job::State, kernel::Timestamp};

/// Sets the gauges to what the queue holds: its open jobs, and the discarded ones that somebody must look at.
pub async fn measure(db: &Db, now: Timestamp) -> Result<(), DbErr> {
    let mut overdue = 0.0;
    for state in State::iter().filter(|state| !matches!(state, State::Completed | State::Cancelled)) {
        let (jobs, first) = store::count_in_state(db, state).await?;
        // Exact up to 2^53 jobs.
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!("backline_jobs", "state" => state.to_string()).set(jobs as f64);
        let waits = matches!(state, State::Available | State::Scheduled | State::Retryable);
        if let Some(first) = first.filter(|first| waits && *first <= now) {
            overdue = now.since(first).as_secs_f64().max(overdue);
        }
    }
    metrics::gauge!("backline_jobs_overdue_seconds").set(overdue);
    Ok(())
}
