//! Forgetting what is over.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::store;
use crate::{
    app::App,
    jobs::{Job, JobError},
};

/// How long attempts and ended sessions are kept for staff to read.
const KEPT_FOR: Duration = Duration::from_hours(2160);

/// Marks sessions that ran out, and deletes attempts and sessions older than 90 days.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SweepSessions;

impl Job for SweepSessions {
    const NAME: &'static str = "sessions.sweep";

    /// May run twice: what was swept is gone.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        let now = app.clock.now();
        let expired = store::update_expired(&app.db, now).await.map_err(JobError::retry)?;
        let deleted = store::delete_old(&app.db, now - KEPT_FOR).await.map_err(JobError::retry)?;
        tracing::info!(expired, deleted, "sessions swept");
        Ok(())
    }
}
