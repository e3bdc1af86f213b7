//! `letter`: a letter to one mailbox, rendered before the first attempt to send it.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Digest, Timestamp,
    ids::{AccountId, LetterId},
};

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "letter")]
pub struct Model {
    /// Ordered by age.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LetterId,
    /// What the letter is about; a second letter of the same key is not sent.
    pub idempotency_key: String,
    /// Keyed HMAC of the address: whose it is, when it is sealed or gone. Letters of earlier releases have none.
    pub recipient_mac: Option<Digest>,
    /// Name of the template.
    pub kind: String,
    /// Address, subject and bodies, sealed. Gone once the letter is sent or given up.
    pub sealed: Option<Vec<u8>>,
    pub state: State,
    pub created_at: Timestamp,
    pub sent_at: Option<Timestamp>,
    /// The account it is about, where its mailbox is not, or no longer, the account's.
    pub account_id: Option<AccountId>,
}

super::prints_only_its_id!(Model);

/// Where a letter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum State {
    Queued,
    Sent,
    /// The mail server would not have it.
    Abandoned,
}

super::displays_as_stored!(State);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
