//! The list of all jobs and schedules, and the worker that runs them: in the server's process, or in its own.

use std::time::Duration;

use crate::{
    accounts,
    app::App,
    challenges, factors,
    jobs::{Registry, SweepJobs, Worker},
    notifications,
    security::{SendReset, SweepProofs},
    sessions,
    storage::jobs::{ClearStaging, FinalizeUpload, Sweep},
};

const HOUR: Duration = Duration::from_hours(1);

/// Every kind of job there is.
pub fn registry() -> Registry {
    Registry::default()
        .with::<notifications::SendLetter>()
        .with_schedule::<sessions::SweepSessions>(HOUR)
        .with::<sessions::FollowUpLock>()
        .with_schedule::<challenges::SweepChallenges>(HOUR)
        .with_schedule::<accounts::SweepRegistrations>(HOUR)
        .with_schedule::<factors::SweepFactors>(HOUR)
        .with::<SendReset>()
        .with_schedule::<SweepProofs>(HOUR)
        .with::<FinalizeUpload>()
        .with::<ClearStaging>()
        .with_schedule::<Sweep>(Duration::from_mins(5))
        .with_schedule::<SweepJobs>(HOUR)
}

/// A worker for all of them.
pub fn worker(app: &App) -> Worker {
    Worker::new(app.clone(), registry())
}
