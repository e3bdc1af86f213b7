//! Putting work into the queue.

use std::time::Duration;

use sea_orm::{ActiveValue::Set, DbErr, EntityTrait, sea_query::OnConflict};
use uuid::Uuid;

use super::Job;
use crate::{
    cache::{Cache, Signal},
    db::WriteTx,
    entity::job::{ActiveModel, Entity, State},
    kernel::{
        Clock, Dice,
        ids::{Id, JobId},
    },
    telemetry,
};

/// How often a job is tried before it is discarded.
const MAX_ATTEMPTS: i64 = 25;

/// Enqueues jobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Queue {
    clock: Clock,
    dice: Dice,
    cache: Cache,
}

impl Queue {
    pub fn new(clock: Clock, dice: Dice, cache: Cache) -> Self {
        Self { clock, dice, cache }
    }

    /// Enqueues `job` in the caller's transaction; an idle worker wakes once it is committed.
    ///
    /// If a job with the same unique key waits already, that one stands for both.
    ///
    /// # Errors
    /// When the database fails, and with it the whole transaction.
    pub async fn enqueue<J: Job>(&self, tx: &WriteTx, job: &J) -> Result<(), DbErr> {
        self.enqueue_after(tx, job, Duration::ZERO).await
    }

    /// As [`Queue::enqueue`], not to be run before `delay` has passed.
    ///
    /// # Errors
    /// As there.
    pub async fn enqueue_after<J: Job>(&self, tx: &WriteTx, job: &J, delay: Duration) -> Result<(), DbErr> {
        let now = self.clock.now();
        let id = JobId::new(now, &self.dice);
        let row = ActiveModel {
            id: Set(id),
            kind: Set(J::NAME.to_owned()),
            args: Set(serde_json::to_string(job).map_err(|error| DbErr::Json(error.to_string()))?),
            state: Set(if delay.is_zero() { State::Available } else { State::Scheduled }),
            priority: Set(J::PRIORITY),
            attempt: Set(0),
            max_attempts: Set(MAX_ATTEMPTS),
            scheduled_at: Set(now + delay),
            leased_by: Set(None),
            lease_until: Set(None),
            unique_key: Set(job.unique_key()),
            last_error: Set(None),
            created_at: Set(now),
            finished_at: Set(None),
        };
        telemetry::enqueued(Uuid::from(id).into_bytes());
        // Without a column list the clause also covers the partial unique index on the unique key.
        let conflict = OnConflict::new().do_nothing().to_owned();
        Entity::insert(row).on_conflict(conflict).exec_without_returning(tx).await?;
        let cache = self.cache.clone();
        tx.after_commit(move || cache.signal(Signal::JobEnqueued(id)));
        Ok(())
    }
}
