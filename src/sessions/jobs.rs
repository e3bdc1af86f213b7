//! Forgetting what is over, and telling owners of locks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{attempts, device_store, guard, store};
use crate::{
    app::App,
    jobs::{Job, JobError},
    kernel::{Timestamp, ids},
    rpc::fault,
};

/// How long attempts and ended sessions are kept for staff to read.
const KEPT_FOR: Duration = Duration::from_hours(2160);

/// Marks sessions that ran out, and deletes attempts, sessions and forgotten devices older than 90 days.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SweepSessions;

impl Job for SweepSessions {
    const NAME: &'static str = "sessions.sweep";

    /// May run twice: what was swept is gone.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        let now = app.clock.now();
        let expired = store::update_expired(&app.db, now).await.map_err(JobError::retry)?;
        let deleted = store::delete_old(&app.db, now - KEPT_FOR).await.map_err(JobError::retry)?;
        attempts::delete_old(&app.db, now - KEPT_FOR).await.map_err(JobError::retry)?;
        device_store::delete_old(&app.db, now - KEPT_FOR).await.map_err(JobError::retry)?;
        tracing::info!(expired, deleted, "sessions swept");
        Ok(())
    }
}

/// Draws the consequences of a lock, beside the call that ran into it.
///
/// It is enqueued for unknown addresses just as well, so that a lock on them costs the same.
#[derive(Debug, Serialize, Deserialize)]
pub struct FollowUpLock {
    pub account: Option<ids::AccountId>,
    pub device: Option<ids::DeviceId>,
    /// What was locked, in hexadecimal: one waiting job for each is enough.
    pub counter: String,
    /// When, in microseconds since the epoch: the lock may be over before the job runs.
    pub at: i64,
}

impl FollowUpLock {
    pub(super) fn of(attempt: &attempts::Attempt, at: Timestamp) -> Self {
        let counter = hex::encode(attempt.target.counter.as_bytes());
        Self { account: attempt.account, device: attempt.target.device, counter, at: at.micros() }
    }
}

impl Job for FollowUpLock {
    const NAME: &'static str = "sessions.follow_up_lock";

    fn unique_key(&self) -> Option<String> {
        Some(format!("{}/{}", Self::NAME, self.counter))
    }

    /// May run twice: the second finds that the owner was told.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        let Some(account) = self.account else { return Ok(()) };
        let at = Timestamp::from_micros(self.at);
        guard::follow_up(app, account, self.device, at).await.map_err(|error| JobError::Retry(fault::causes(&error)))
    }
}
