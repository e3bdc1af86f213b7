//! `api_key`: what an internal tool calls with.
//!
//! The key itself is shown once and never stored. Rows of keys that are over stay for 90 days, for staff to read.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Digest, Scopes, Timestamp,
    ids::{AccountId, ApiKeyId},
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_key")]
pub struct Model {
    /// `key_…` on the wire; part of the key's text.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApiKeyId,
    /// Of kind `service`.
    pub account_id: AccountId,
    /// Of the whole text. The secret in it has 256 random bits, so a plain digest gives nothing away.
    pub secret_sha256: Digest,
    /// Comma-separated names of permissions; may be empty.
    pub scopes: Scopes,
    /// Refused by every method that changes something.
    pub read_only: bool,
    pub created_at: Timestamp,
    /// The member of staff who made it; `None` for the command line.
    pub created_by: Option<AccountId>,
    /// Refused from here on. Moves forward when the key is replaced.
    pub expires_at: Timestamp,
    /// When a new key took its place.
    pub replaced_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// Written at most once a minute.
    pub last_used_at: Option<Timestamp>,
    /// The network it was last used from.
    pub last_used_prefix: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(belongs_to = "super::account::Entity", from = "Column::AccountId", to = "super::account::Column::Id")]
    Account,
}

impl Related<super::account::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Account.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
