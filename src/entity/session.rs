//! `session`: a signed-in device, and the refresh token that keeps it signed in.
//!
//! Tokens are stored as SHA-256 only. Rotation is one guarded statement on `refresh_sha256`.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::kernel::{
    CheckedBy, Digest, Timestamp,
    ids::{AccountId, DeviceId, SessionId},
};

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    /// `ses_…` on the wire.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    pub account_id: AccountId,
    /// As the client named the device; may be empty.
    pub device_name: String,
    /// As sent at login, at most 256 characters.
    pub user_agent: String,
    /// Where the session was last used from.
    pub address: String,
    pub address_prefix: String,
    /// The person asked for it: the device was given a token that later logins show.
    pub remember_device: bool,
    /// How the refresh token travels.
    pub transport: Transport,
    /// The known device that the session was opened on.
    pub device_id: Option<DeviceId>,
    /// The member of staff who looks through this account's eyes; such a session only reads.
    pub impersonator_id: Option<AccountId>,
    pub created_at: Timestamp,
    /// When the person last proved who they are; step-up looks at it.
    pub authenticated_at: Timestamp,
    /// When a second factor was last checked.
    pub second_factor_at: Option<Timestamp>,
    /// By what that was; unknown in sessions older than this was noted.
    pub second_factor_by: Option<SecondFactor>,
    /// Last login or refresh.
    pub last_used_at: Timestamp,
    /// Moves on with each refresh, never past `absolute_expires_at`.
    pub idle_expires_at: Timestamp,
    pub absolute_expires_at: Timestamp,
    /// Counts rotations of the refresh token.
    pub generation: i64,
    /// Of the refresh token that is valid now.
    pub refresh_sha256: Digest,
    /// Of the token before it, for the grace period and for spotting reuse.
    pub previous_sha256: Option<Digest>,
    pub rotated_at: Option<Timestamp>,
    /// The current token pair, sealed under a key derived from the previous token: who lost the reply gets it again.
    pub successor_sealed: Option<Vec<u8>>,
    /// When the current token was first used; ends the grace period.
    pub successor_used_at: Option<Timestamp>,
    /// Set together with `end_cause`, never unset.
    pub ended_at: Option<Timestamp>,
    pub end_cause: Option<EndCause>,
}

super::prints_only_its_id!(Model);

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum EndCause {
    Logout,
    /// By the owner from another device, or by staff.
    Revoked,
    /// To make room: the account had too many.
    Evicted,
    /// An old refresh token came back after its grace.
    RefreshReuse,
    Expired,
    Suspended,
    PasswordChanged,
    EmailChanged,
    /// A second factor was added or removed.
    FactorChanged,
    /// The owner undid a change, by the link of a letter.
    Undone,
    /// The account waits to be erased.
    Deleted,
    EndedByStaff,
    ImpersonationOver,
}

/// By what a second factor was checked: the column form of [`CheckedBy`], and the one inside access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum SecondFactor {
    Passkey,
    Totp,
    RecoveryCode,
}

impl From<SecondFactor> for CheckedBy {
    fn from(by: SecondFactor) -> Self {
        match by {
            SecondFactor::Passkey => Self::Passkey,
            SecondFactor::Totp => Self::Totp,
            SecondFactor::RecoveryCode => Self::RecoveryCode,
        }
    }
}

impl From<CheckedBy> for SecondFactor {
    fn from(by: CheckedBy) -> Self {
        match by {
            CheckedBy::Passkey => Self::Passkey,
            CheckedBy::Totp => Self::Totp,
            CheckedBy::RecoveryCode => Self::RecoveryCode,
        }
    }
}

/// How a session's refresh token travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Transport {
    /// In messages: apps and tools.
    #[default]
    Bearer,
    /// In a cookie that scripts cannot read: browsers.
    Cookie,
}

super::displays_as_stored!(EndCause, SecondFactor, Transport);

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

impl Entity {
    /// The sessions of this account, ended ones too.
    pub fn of(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }

    /// The sessions of this account that were not ended. Those past their expiry are among them until swept.
    pub fn live_of(account: AccountId) -> Select<Self> {
        Self::of(account).filter(Column::EndedAt.is_null())
    }
}
