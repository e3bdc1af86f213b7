//! `security_undo`: changes that the link in a letter takes back.

use sea_orm::entity::prelude::*;

use crate::kernel::{Digest, Timestamp, ids::AccountId};

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "security_undo")]
pub struct Model {
    /// Of the link's token, which only the letter holds.
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_sha256: Digest,
    pub account_id: AccountId,
    /// The change's name, for example `password_changed`.
    pub change: String,
    /// What taking it back needs, as sealed JSON: the former address, the factor's id.
    pub sealed: Option<Vec<u8>>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// Spent once.
    pub used_at: Option<Timestamp>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("security_undo").field("change", &self.change).finish_non_exhaustive()
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
