//! The list of all jobs and schedules, and the worker that runs them: in the server's process, or in its own.

use std::time::Duration;

use crate::{
    accounts, admin,
    app::App,
    backup::{DrillBackup, MakeBackup},
    challenges,
    config::BackupConfig,
    factors,
    jobs::{Registry, SweepJobs, Worker},
    notifications,
    privacy::{BuildExport, EraseAccount, EraseDue, SweepExports},
    security::{SendReset, SweepProofs},
    service_accounts, sessions,
    storage::jobs::{ClearStaging, DestroyBlob, FinalizeUpload, Sweep},
};

const HOUR: Duration = Duration::from_hours(1);

/// Every kind of job there is.
pub fn registry() -> Registry {
    Registry::default()
        .with::<notifications::SendLetter>()
        .with_schedule::<notifications::SweepLetters>(HOUR)
        .with_schedule::<sessions::SweepSessions>(HOUR)
        .with::<sessions::FollowUpLock>()
        .with_schedule::<challenges::SweepChallenges>(HOUR)
        .with_schedule::<accounts::SweepRegistrations>(HOUR)
        .with_schedule::<admin::EndSuspensions>(Duration::from_mins(5))
        .with_schedule::<service_accounts::SweepKeys>(HOUR)
        .with_schedule::<factors::SweepFactors>(HOUR)
        .with::<SendReset>()
        .with_schedule::<SweepProofs>(HOUR)
        .with::<FinalizeUpload>()
        .with::<ClearStaging>()
        .with::<DestroyBlob>()
        .with_schedule::<Sweep>(Duration::from_mins(5))
        .with::<BuildExport>()
        .with::<EraseAccount>()
        .with_schedule::<EraseDue>(HOUR)
        .with_schedule::<SweepExports>(HOUR)
        .with_schedule::<SweepJobs>(HOUR)
        .with::<MakeBackup>()
        .with::<DrillBackup>()
}

/// A worker for all of them.
pub fn worker(app: &App) -> Worker {
    Worker::new(app.clone(), with_backups(registry(), &app.config.backup))
}

/// Looks often whether a backup or a drill is due; whether it is, the backups themselves tell.
fn with_backups(registry: Registry, config: &BackupConfig) -> Registry {
    const LOOK: Duration = Duration::from_mins(5);
    if config.to.is_none() {
        return registry;
    }
    let registry = registry.with_schedule::<MakeBackup>(LOOK.min(config.every));
    match config.drill_every {
        Some(every) => registry.with_schedule::<DrillBackup>(LOOK.min(every)),
        None => registry,
    }
}
