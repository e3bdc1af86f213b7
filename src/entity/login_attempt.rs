//! `login_attempt`: every try to sign in, with its outcome.
//!
//! Limits and locks count these rows, so a restart forgets nothing.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Digest, Timestamp,
    ids::{AccountId, AttemptId, DeviceId, SessionId},
};

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "login_attempt")]
pub struct Model {
    /// Ordered by age.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AttemptId,
    /// The account that the identifier named, if there is one. No foreign key: attempts outlive accounts.
    pub account_id: Option<AccountId>,
    /// Keyed HMAC of the normalised identifier: counts attempts on unknown addresses without keeping them.
    pub identifier_mac: Digest,
    /// What the attempt counts for: the identifier's MAC for strangers, a MAC of identifier and device for a known device.
    pub counter: Digest,
    /// The known device that it was made on.
    pub device_id: Option<DeviceId>,
    /// The peer's address in full.
    pub address: String,
    /// The peer's address prefix, as limits count it.
    pub address_prefix: String,
    /// As sent, at most 256 characters.
    pub user_agent: String,
    /// The session that the attempt opened.
    pub session_id: Option<SessionId>,
    /// Known to us; the caller hears less.
    pub result: Outcome,
    /// What the limits count, which follows from `result`; `None` counts for nothing.
    pub verdict: Option<Verdict>,
    pub created_at: Timestamp,
}

super::prints_only_its_id!(Model);

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Outcome {
    Succeeded,
    WrongCredentials,
    UnknownAccount,
    /// The right password of a registration that waits for its mailbox.
    NotVerified,
    Suspended,
    /// Too many failures just before: no password was right.
    Locked,
    /// Too many failures in a row: no password is right until it is reset.
    PasswordOff,
    /// Refused before the password was looked at.
    ChallengeRequired,
    /// The hashing pool was full.
    Capacity,
    /// The right password; a second factor was asked for.
    FactorRequired,
    /// The right password, and then a wrong second factor.
    WrongFactor,
    /// All was right, and changed before the session could begin.
    Overtaken,
}

impl Outcome {
    /// How the limits on guessing passwords count it.
    pub const fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Succeeded => Some(Verdict::Right),
            Self::WrongCredentials | Self::UnknownAccount => Some(Verdict::Wrong),
            Self::NotVerified
            | Self::Suspended
            | Self::Locked
            | Self::PasswordOff
            | Self::ChallengeRequired
            | Self::Capacity
            | Self::FactorRequired
            | Self::WrongFactor
            | Self::Overtaken => None,
        }
    }
}

/// What an attempt counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Verdict {
    Right,
    Wrong,
}

super::displays_as_stored!(Outcome);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
