//! Forgetting what the queue and the request ids no longer need.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Job, JobError, store};
use crate::{app::App, rpc::once};

/// How long finished jobs stay for staff to see.
const KEPT_FOR: Duration = Duration::from_hours(168);

/// Deletes jobs that finished a week ago, and replies that nobody may ask for again.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SweepJobs;

impl Job for SweepJobs {
    const NAME: &'static str = "jobs.sweep";

    /// May run twice: what was swept is gone.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        let horizon = app.clock.now() - KEPT_FOR;
        let jobs = store::delete_finished(&app.db, horizon).await.map_err(JobError::retry)?;
        let replies = once::sweep(&app.db, &app.clock).await.map_err(JobError::retry)?;
        tracing::info!(jobs, replies, "queue swept");
        Ok(())
    }
}
