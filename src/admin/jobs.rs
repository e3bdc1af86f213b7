//! What ends by itself.

use serde::{Deserialize, Serialize};

use super::care;
use crate::{
    app::App,
    jobs::{Job, JobError},
};

/// Clears away suspensions whose time is over, so that lists say what is true. Sign-in does not wait for it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct EndSuspensions;

impl Job for EndSuspensions {
    const NAME: &'static str = "admin.end_suspensions";

    /// May run twice: what was cleared away is active.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        care::end_suspensions(app).await.map_err(JobError::retry)
    }
}
