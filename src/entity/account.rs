//! `account`: one row per person, whatever roles they hold.

use sea_orm::entity::prelude::*;

use crate::kernel::{EmailAddress, Roles, StoredHash, Timestamp, ids::AccountId};

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub struct Model {
    /// `acc_…` on the wire.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccountId,
    /// Where letters go; unique, and kept when the account is deleted until erasure.
    pub email: EmailAddress,
    /// Shown to others; 1 to 80 characters.
    pub display_name: String,
    /// Argon2id, PHC string.
    pub password_hash: StoredHash,
    pub status: Status,
    /// Comma-separated names, listener always among them.
    pub roles: Roles,
    /// Counts changes of `roles`; an access token of an older version is worth nothing.
    pub roles_version: i64,
    /// When they last changed: access tokens older than this are read with the new roles.
    pub roles_changed_at: Option<Timestamp>,
    pub tier: Tier,
    /// BCP 47 tag that letters are written in, for example `en`.
    pub locale: String,
    /// Version of the terms that the person accepted; empty before any.
    pub terms_version: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Last login or refresh. Nobody yet: `None`.
    pub last_seen_at: Option<Timestamp>,
    /// Counts changes of what the owner edits; the etag.
    pub row_version: i64,
}

super::prints_only_its_id!(Model);

/// Whether the person may sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Status {
    Active,
    /// Shut out by staff; comes back as it was.
    Suspended,
    /// A tombstone that other rows still refer to.
    Deleted,
}

/// What the limits of use go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Tier {
    Free,
    Premium,
}

super::displays_as_stored!(Status, Tier);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
