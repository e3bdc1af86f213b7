//! `factor`: second factors of accounts, those that wait for their first code and those that may still come back.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Digest, FactorKind, Timestamp,
    ids::{AccountId, FactorId},
};

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "factor")]
pub struct Model {
    /// `fac_…` on the wire.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: FactorId,
    pub account_id: AccountId,
    pub kind: Kind,
    pub state: State,
    /// As its owner calls it; 1 to 60 characters.
    pub name: String,
    /// The secret of an app, or a passkey's public key and properties as JSON.
    pub sealed: Vec<u8>,
    /// Of a passkey's credential id: one passkey is in force once.
    pub credential_sha256: Option<Digest>,
    /// The newest step of 30 s whose code was accepted; that one and older ones are refused.
    pub last_step: Option<i64>,
    /// How often a passkey says that it has signed; zero for those that do not count.
    pub sign_count: i64,
    /// Tries at an app's codes since `tries_since`, counted before each is judged.
    pub tries: i64,
    pub tries_since: Option<Timestamp>,
    /// Tries since anything of the account's was last right, however long ago; after too many, codes are refused.
    pub failures: i64,
    /// Refused until then.
    pub locked_until: Option<Timestamp>,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    /// When one that waits, or was removed, is deleted for good.
    pub gone_at: Option<Timestamp>,
}

super::prints_only_its_id!(Model);

/// What a factor is: the column form of [`FactorKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Kind {
    Passkey,
    Totp,
}

impl From<Kind> for FactorKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Passkey => Self::Passkey,
            Kind::Totp => Self::Totp,
        }
    }
}

/// Whether a factor counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum State {
    /// Waits for its first right code.
    Pending,
    Active,
    /// Kept for as long as its removal can be taken back.
    Removed,
}

super::displays_as_stored!(Kind, State);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// The factors of this account that are in this state.
    pub fn of(account: AccountId, state: State) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account)).filter(Column::State.eq(state))
    }
}
