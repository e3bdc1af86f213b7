//! `factor_flow`: dialogues in which a factor is asked for: between their first call and their last.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Digest, Timestamp,
    ids::{AccountId, FlowId},
};

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "factor_flow")]
pub struct Model {
    /// `flw_…` on the wire. A session's step-up has the session's own number, so that there is one at a time.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: FlowId,
    pub kind: Kind,
    /// Whose it is; unknown where a passkey is yet to say so.
    pub account_id: Option<AccountId>,
    /// Keyed HMAC of what tells the client that began it from others.
    pub client_mac: Digest,
    /// What its beginning was told and its end needs, as sealed JSON.
    pub sealed: Vec<u8>,
    /// Counted before each answer is judged.
    pub tries: i64,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// Set once, by the answer that was right.
    pub done_at: Option<Timestamp>,
}

super::prints_only_its_id!(Model);

/// What a flow leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Kind {
    /// A session, after the right password.
    Login,
    /// A session, by a passkey alone.
    PasskeyLogin,
    /// A fresher proof of a session.
    StepUp,
    /// Another passkey.
    Registration,
}

super::displays_as_stored!(Kind);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
