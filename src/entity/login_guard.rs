//! `login_guard`: what attempts to sign in have led to, for accounts where they led to something.
//!
//! Attempts are swept after 90 days; what must outlive them stands here.

use sea_orm::entity::prelude::*;

use crate::kernel::{Digest, Timestamp, ids::AccountId};

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "login_guard")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    /// Since then strangers cannot sign in with the password, until it is reset.
    pub password_off_at: Option<Timestamp>,
    /// Failures up to then were on an older password.
    pub password_reset_at: Option<Timestamp>,
    /// Failures up to then lock nothing: the owner or staff ended the lock.
    pub unlocked_at: Option<Timestamp>,
    /// When the owner was last told of a lock: of strangers, and of a known device.
    pub strangers_told_at: Option<Timestamp>,
    pub devices_told_at: Option<Timestamp>,
    /// Of the token in that letter's link, until it is spent.
    pub unlock_sha256: Option<Digest>,
    pub unlock_expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("login_guard").field("account_id", &self.account_id).finish_non_exhaustive()
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
