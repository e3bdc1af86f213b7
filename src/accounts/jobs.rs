//! Forgetting registrations that came to nothing, and links that take nothing back any more.

use std::time::Duration;

use sea_orm::DbErr;
use serde::{Deserialize, Serialize};

use super::{store, undo};
use crate::{
    app::App,
    jobs::{Job, JobError},
    kernel::Timestamp,
    subject,
};

/// How long after its link died a registration is kept.
const KEPT_FOR: Duration = Duration::from_hours(168);
/// Registrations deleted together.
const BATCH: u64 = 200;

/// Deletes registrations whose link died a week ago, and links of safety letters that are too old.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SweepRegistrations;

impl Job for SweepRegistrations {
    const NAME: &'static str = "accounts.sweep_registrations";

    /// May run twice: what was swept is gone.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        let horizon = app.clock.now() - KEPT_FOR;
        let mut deleted = 0;
        loop {
            let swept = sweep_some(app, horizon).await.map_err(JobError::retry)?;
            deleted += swept;
            if swept == 0 {
                break;
            }
        }
        let links = undo::delete_expired(&app.db, app.clock.now()).await.map_err(JobError::retry)?;
        tracing::info!(deleted, links, "registrations swept");
        Ok(())
    }
}

/// Deletes some stale registrations, and with their keys what the audit trail knows of where they came from.
async fn sweep_some(app: &App, horizon: Timestamp) -> Result<u64, DbErr> {
    let tx = app.db.begin_write().await?;
    let stale = store::list_stale_registrations(&tx, horizon, BATCH).await?;
    if stale.is_empty() {
        tx.rollback().await?;
        return Ok(0);
    }
    let keys: Vec<_> = stale.iter().copied().map(Into::into).collect();
    let deleted = store::delete_registrations(&tx, &stale).await?;
    subject::forget(&tx, &keys).await?;
    tx.commit().await?;
    Ok(deleted)
}
