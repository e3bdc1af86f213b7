//! `request_record`: the reply that a repeated `request_id` gets again.
//!
//! Written in the transaction of the act; swept after a day.

use sea_orm::entity::prelude::*;

use crate::kernel::{Digest, Timestamp, ids::AccountId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "request_record")]
pub struct Model {
    /// Digest of caller, method and request id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope: Digest,
    /// Who called, or whom the reply to staff tells of: for erasure. `None` for whoever was not signed in.
    pub account_id: Option<AccountId>,
    /// Digest of the request; the same id with another payload is a mistake of the client's.
    pub payload_digest: Digest,
    /// The reply, encoded as protobuf.
    pub reply: Vec<u8>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
