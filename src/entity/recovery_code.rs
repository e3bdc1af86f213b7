//! `recovery_code`: what opens an account whose factors are lost. The codes themselves only their owner has.

use sea_orm::entity::prelude::*;

use crate::kernel::{Digest, Timestamp, ids::AccountId};

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "recovery_code")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    /// Keyed HMAC of the account and the code.
    #[sea_orm(primary_key, auto_increment = false)]
    pub code_mac: Digest,
    pub created_at: Timestamp,
    /// Spent once.
    pub used_at: Option<Timestamp>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("recovery_code").finish_non_exhaustive()
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
