//! `spent_challenge`: challenges whose solution was taken, until they would have expired anyway.

use sea_orm::entity::prelude::*;

use crate::kernel::{Digest, Timestamp};

#[derive(Clone, PartialEq, Eq, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "spent_challenge")]
pub struct Model {
    /// Of the challenge's nonce.
    #[sea_orm(primary_key, auto_increment = false)]
    pub nonce_sha256: Digest,
    pub expires_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
