//! Forgetting what is over.

use serde::{Deserialize, Serialize};

use super::{flow, store};
use crate::{
    app::App,
    jobs::{Job, JobError},
};

/// Deletes flows that ended, factors that waited for too long, and removed ones that nobody can take back any more.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SweepFactors;

impl Job for SweepFactors {
    const NAME: &'static str = "factors.sweep";

    /// May run twice: what was swept is gone.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        let now = app.clock.now();
        let flows = flow::delete_over(&app.db, now).await.map_err(JobError::retry)?;
        let factors = store::delete_gone(&app.db, now).await.map_err(JobError::retry)?;
        tracing::info!(flows, factors, "factors swept");
        Ok(())
    }
}
