//! `submission_history`: every change of a submission's state. Rows are added, never changed.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Timestamp,
    ids::{AccountId, HistoryId, SubmissionId},
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "submission_history")]
pub struct Model {
    /// Ordered by age.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: HistoryId,
    pub submission_id: SubmissionId,
    /// From 1, without gaps; watchers resume after the last one they saw.
    pub sequence: i64,
    /// `None` for the first row.
    pub from_state: Option<super::submission::State>,
    pub to_state: super::submission::State,
    /// `None` where a job did it.
    pub actor_id: Option<AccountId>,
    pub note: Option<String>,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// The history of one submission, oldest first.
    pub fn of(submission: SubmissionId) -> Select<Self> {
        use sea_orm::QueryOrder;

        Self::find().filter(Column::SubmissionId.eq(submission)).order_by_asc(Column::Sequence)
    }
}
