//! `schedule`: when each recurring job is due next. One row per schedule, made at the first start.

use sea_orm::entity::prelude::*;

use crate::kernel::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "schedule")]
pub struct Model {
    /// The schedule's name in the code; stored, so never renamed.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Whoever moves this on enqueues the job, in the same transaction.
    pub next_run_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
