//! `device`: where an account's owner asked to be remembered.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Digest, Timestamp,
    ids::{AccountId, DeviceId},
};

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "device")]
pub struct Model {
    /// `dev_…` on the wire.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DeviceId,
    pub account_id: AccountId,
    /// Of the token that only the device holds.
    pub token_sha256: Digest,
    /// As the client named it; may be empty.
    pub name: String,
    /// As sent at the last sign-in, at most 256 characters.
    pub user_agent: String,
    pub created_at: Timestamp,
    /// The last sign-in that showed the token.
    pub last_used_at: Timestamp,
    /// Moves on with each use.
    pub expires_at: Timestamp,
    /// Until then a sign-in with the password wants no second factor here.
    pub trusted_until: Option<Timestamp>,
    /// By the owner, to make room, or after too many wrong passwords. The row stays for a while: attempts name it.
    pub forgotten_at: Option<Timestamp>,
}

super::prints_only_its_id!(Model);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// The devices that this account is remembered on. Those past their expiry are among them until swept.
    pub fn known_of(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account)).filter(Column::ForgottenAt.is_null())
    }
}
