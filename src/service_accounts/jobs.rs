//! Forgetting what is over.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::store;
use crate::{
    app::App,
    jobs::{Job, JobError},
};

/// How long an expired key's row is kept for staff to read.
const KEPT_FOR: Duration = Duration::from_hours(90 * 24);

/// Deletes keys that expired more than 90 days ago.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SweepKeys;

impl Job for SweepKeys {
    const NAME: &'static str = "service_accounts.sweep_keys";

    /// May run twice: what was swept is gone.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        let deleted = store::delete_expired(&app.db, app.clock.now() - KEPT_FOR).await.map_err(JobError::retry)?;
        tracing::info!(deleted, "keys swept");
        Ok(())
    }
}
