//! `mail_proof`: the link and the code of one letter, as hashes.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Digest, Timestamp,
    ids::{AccountId, ProofId},
};

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mail_proof")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProofId,
    pub purpose: Purpose,
    /// The handle of the client that asked: a reset's id, or a change of address's, which has two proofs.
    pub flow_id: Uuid,
    /// Whose it is; `None` for an address that has no account, so that asking looks the same.
    pub account_id: Option<AccountId>,
    /// Of the token in the letter's link. The token itself is nowhere.
    pub link_sha256: Digest,
    pub link_expires_at: Timestamp,
    /// HMAC of the code in the letter, bound to this row.
    pub code_mac: Digest,
    pub code_expires_at: Timestamp,
    /// Tries so far, each counted before it is looked at.
    pub code_attempts: i64,
    pub state: State,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

super::prints_only_its_id!(Model);

/// What showing the proof does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Purpose {
    ResetPassword,
    /// Confirms a change of address from the present mailbox.
    ChangeEmailOld,
    /// And from the new one.
    ChangeEmailNew,
}

/// Whether it can still be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum State {
    Pending,
    Spent,
    /// Replaced by a newer one, or by another change of the account.
    Void,
}

super::displays_as_stored!(Purpose, State);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
