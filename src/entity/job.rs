//! `job`: one piece of work in the queue.
//!
//! A worker claims a row by lease and works outside any transaction; whoever finds an expired lease may take the row.

use sea_orm::entity::prelude::*;

use crate::kernel::{Timestamp, ids::JobId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "job")]
pub struct Model {
    /// Ordered by age.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: JobId,
    /// `feature.verb_object`; stored, so never renamed.
    pub kind: String,
    /// The job's fields as JSON.
    pub args: String,
    pub state: State,
    /// Lower goes first.
    pub priority: i64,
    /// Runs begun so far. A graceful stop gives its run back.
    pub attempt: i64,
    /// Runs before the job is discarded.
    pub max_attempts: i64,
    /// Not before this moment.
    pub scheduled_at: Timestamp,
    /// The worker that runs it.
    pub leased_by: Option<String>,
    /// The worker must beat before this moment or lose the job.
    pub lease_until: Option<Timestamp>,
    /// Of all open jobs, one may carry this key.
    pub unique_key: Option<String>,
    /// What the last failed run said; nothing personal.
    pub last_error: Option<String>,
    pub created_at: Timestamp,
    /// When it was completed, cancelled or discarded.
    pub finished_at: Option<Timestamp>,
}

/// Where a job stands. The first four are open: their `unique_key` is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum State {
    Available,
    /// Waits for `scheduled_at`.
    Scheduled,
    Running,
    /// Failed, and waits for its next run.
    Retryable,
    Completed,
    Cancelled,
    /// Failed for the last time; somebody must look.
    Discarded,
}

super::displays_as_stored!(State);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
