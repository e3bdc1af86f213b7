//! `subject_key`: the key that one person's details are sealed under. Destroying it makes them unreadable everywhere,
//! also in what must stay: the audit trail and backups.

use sea_orm::entity::prelude::*;

use crate::kernel::Timestamp;

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "subject_key")]
pub struct Model {
    /// An account's id, or a registration's that has no account yet. No foreign key: the row outlives both.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_id: Uuid,
    /// The key, sealed under the vault's. Empty once it is destroyed.
    pub wrapped: Vec<u8>,
    pub created_at: Timestamp,
    /// Set for ever: no second key is made for this subject.
    pub destroyed_at: Option<Timestamp>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("subject_key").field("subject_id", &self.subject_id).finish_non_exhaustive()
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
