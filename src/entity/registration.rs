//! `registration`: an address that waits to be proven.
//!
//! A known address gets a row like any other (`Kind::Known`), so that neither the reply nor its timing tells them apart.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Digest, EmailAddress, StoredHash, Timestamp,
    ids::{AccountId, RegistrationId},
};

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "registration")]
pub struct Model {
    /// `reg_…` on the wire.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RegistrationId,
    pub kind: Kind,
    pub email: EmailAddress,
    /// As typed; becomes the account's name. 1 to 80 characters.
    pub display_name: String,
    /// Argon2id, PHC string; becomes the account's.
    pub password_hash: StoredHash,
    /// Two bytes of a keyed hash of address and password: whether comparing the password is worth the while. None in rows
    /// from before there were hints.
    pub password_hint: Option<Vec<u8>>,
    /// Language of letters, as the person chose it; empty if they did not.
    pub locale: String,
    /// Version of the terms the person accepted; empty if none was asked for.
    pub terms_version: String,
    /// Of the token in the letter's link. The token itself is nowhere.
    pub link_sha256: Digest,
    pub link_expires_at: Timestamp,
    /// HMAC of the code in the letter, keyed, because six digits are guessed in no time.
    pub code_mac: Digest,
    pub code_expires_at: Timestamp,
    /// Wrong codes so far.
    pub code_attempts: i64,
    pub state: State,
    /// No further letter before this moment.
    pub resend_after: Timestamp,
    /// Letters sent after the first.
    pub resends: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The account that has left this address since, for exports and erasure.
    pub account_id: Option<AccountId>,
}

super::prints_only_its_id!(Model);

/// What proving the mailbox will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Kind {
    /// Makes an account.
    New,
    /// Nothing: the owner of the known account is told by letter.
    Known,
}

/// Where the registration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum State {
    Pending,
    Verified,
    /// Replaced by a newer one, tried too often, or too old.
    Void,
}

super::displays_as_stored!(Kind, State);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// The registrations of this address that may still be proven.
    pub fn pending_for(email: &EmailAddress) -> Select<Self> {
        Self::find().filter(Column::Email.eq(email.clone())).filter(Column::State.eq(State::Pending))
    }
}
