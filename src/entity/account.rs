//! `account`: one row per person or internal tool, whatever roles they hold.

use sea_orm::entity::prelude::*;

use crate::kernel::{EmailAddress, FactorKinds, Roles, StoredHash, Timestamp, ids::AccountId};

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
    /// Last login, refresh or hand-in. Nobody yet: `None`.
    pub last_seen_at: Option<Timestamp>,
    /// Counts changes of what the owner edits; the etag.
    pub row_version: i64,
    pub kind: Kind,
    /// Kinds of second factors that are in force; the factors themselves are rows of `factor`. Kept here so that a
    /// sign-in and a refresh need not look.
    pub factor_kinds: FactorKinds,
    /// Nobody changed it yet: `None`.
    pub password_changed_at: Option<Timestamp>,
    /// When a suspension ends by itself; `None` while suspended means: when staff say so.
    pub suspended_until: Option<Timestamp>,
    /// When deletion was asked for.
    pub deleted_at: Option<Timestamp>,
    /// When a deleted account will be erased; until then its owner may come back.
    pub purge_at: Option<Timestamp>,
    /// When staff suspended a deleted account: whoever takes the deletion back finds it suspended.
    pub barred_at: Option<Timestamp>,
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

/// Who is behind an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Kind {
    #[default]
    Person,
    /// An internal tool, which calls with API keys and never signs in.
    Service,
}

super::displays_as_stored!(Status, Tier, Kind);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// A person's new account: a listener of the free tier, whose mailbox is proven.
    pub fn person(
        id: AccountId,
        email: EmailAddress,
        display_name: String,
        password_hash: StoredHash,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            email,
            display_name,
            password_hash,
            status: Status::Active,
            roles: Roles::LISTENER,
            roles_version: 0,
            roles_changed_at: None,
            tier: Tier::Free,
            locale: "en".to_owned(),
            terms_version: String::new(),
            created_at: now,
            updated_at: now,
            last_seen_at: None,
            row_version: 0,
            kind: Kind::Person,
            factor_kinds: FactorKinds::NONE,
            password_changed_at: None,
            suspended_until: None,
            deleted_at: None,
            purge_at: None,
            barred_at: None,
        }
    }

    /// An internal tool's account: nobody's mailbox, and a password that nobody knows.
    pub fn service(
        id: AccountId,
        email: EmailAddress,
        name: String,
        password_hash: StoredHash,
        now: Timestamp,
    ) -> Self {
        Self { kind: Kind::Service, ..Self::person(id, email, name, password_hash, now) }
    }

    /// Where the account stands at `now`: a suspension whose time is over is none, whether or not it was cleared away.
    pub fn status_at(&self, now: Timestamp) -> Status {
        match (self.status, self.suspended_until) {
            (Status::Suspended, Some(until)) if until <= now => Status::Active,
            (status, _) => status,
        }
    }

    /// Whether its owner may come in.
    pub fn is_active_at(&self, now: Timestamp) -> bool {
        self.status_at(now) == Status::Active
    }
}
