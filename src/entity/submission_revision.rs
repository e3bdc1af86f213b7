//! `submission_revision`: what a submission was at each hand-in. Rows are added, never changed.

use sea_orm::entity::prelude::*;

use crate::kernel::{Timestamp, ids::SubmissionId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "submission_revision")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub submission_id: SubmissionId,
    /// From 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    /// The track's metadata, and the objects with their digests, as a JSON object.
    pub snapshot: String,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
