//! Forgetting registrations that came to nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::store;
use crate::{
    app::App,
    jobs::{Job, JobError},
};

/// How long after its link died a registration is kept.
const KEPT_FOR: Duration = Duration::from_hours(168);

/// Deletes registrations whose link died a week ago.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SweepRegistrations;

impl Job for SweepRegistrations {
    const NAME: &'static str = "accounts.sweep_registrations";

    /// May run twice: what was swept is gone.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        let horizon = app.clock.now() - KEPT_FOR;
        let deleted = store::delete_stale_registrations(&app.db, horizon).await.map_err(JobError::retry)?;
        tracing::info!(deleted, "registrations swept");
        Ok(())
    }
}
