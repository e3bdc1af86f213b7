//! The queue: durable background work, enqueued in the transaction of the change it follows.
//!
//! No published queue enqueues inside a SeaORM transaction on both databases, so this one is ours: the table `job`, a
//! thin worker, and `schedule` for what recurs. It promises that
//!
//! - a job exists if and only if its transaction committed;
//! - one worker at a time runs it, by lease; a silent worker's jobs go to another;
//! - a failed job is tried again, 25 times, at growing distances (attempt⁴ seconds with jitter), then discarded loudly;
//! - no job runs inside a transaction.
//!
//! A job may therefore run more than once: each `run` says why that is harmless. The list of all jobs is
//! [`crate::work`].

mod gauges;
mod queue;
mod schedule;
mod store;
mod sweep;
mod worker;

use std::future::Future;

use serde::{Serialize, de::DeserializeOwned};

pub use self::{
    queue::Queue,
    schedule::Schedule,
    sweep::SweepJobs,
    worker::{Registry, Worker},
};
use crate::app::App;

/// One kind of work. The value is what must be known to do it, stored as JSON.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// `feature.verb_object`. Stored, so never renamed.
    const NAME: &'static str;

    /// Lower runs first.
    const PRIORITY: i64 = 100;

    /// While a job with this key waits or runs, another is not enqueued.
    fn unique_key(&self) -> Option<String> {
        None
    }

    fn run(&self, app: &App) -> impl Future<Output = Result<(), JobError>> + Send;
}

/// What becomes of a job that did not succeed. The author of a job decides.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// It may go better later.
    #[error("{0}")]
    Retry(String),
    /// It never will.
    #[error("{0}")]
    Fail(String),
}

impl JobError {
    pub fn retry(error: impl std::fmt::Display) -> Self {
        Self::Retry(error.to_string())
    }

    pub fn fail(error: impl std::fmt::Display) -> Self {
        Self::Fail(error.to_string())
    }
}
