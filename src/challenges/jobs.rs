//! Forgetting what is over.

use serde::{Deserialize, Serialize};

use super::store;
use crate::{
    app::App,
    jobs::{Job, JobError},
};

/// Deletes spent challenges that have expired.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SweepChallenges;

impl Job for SweepChallenges {
    const NAME: &'static str = "challenges.sweep";

    /// May run twice: what was swept is gone.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        let deleted = store::delete_expired(&app.db, app.clock.now()).await.map_err(JobError::retry)?;
        tracing::info!(deleted, "spent challenges swept");
        Ok(())
    }
}
