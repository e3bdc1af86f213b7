//! Who is calling, and what they may do.
//!
//! A [`Caller`] exists only after `rpc::auth` verified an access token: that module is the one place that builds it.
//! Code that holds a `Caller` need not ask whether anyone is signed in; it asks *who*.

use std::{fmt, str::FromStr, time::Duration};

use sea_orm::DeriveValueType;

use super::{
    CheckedBy, ClientAddress, FactorKind, FactorKinds, KeyInUse, Timestamp, Trace,
    ids::{AccountId, SessionId},
};

/// What an account is trusted with. Everyone is a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Listener,
    /// A member of at least one artist.
    Artist,
    Reviewer,
    Admin,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Listener, Self::Artist, Self::Reviewer, Self::Admin];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Artist => "artist",
            Self::Reviewer => "reviewer",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A right that a method asks for. Rights hang on roles, never on persons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    ReviewApplications,
    ReviewSubmissions,
    ListAccounts,
    /// Suspend, unlock, end sessions, reset: the daily care of accounts.
    ManageAccounts,
    ManageRoles,
    /// Erase a person for good.
    EraseAccounts,
    /// See the service as a person sees it, read-only.
    Impersonate,
    ManageServiceAccounts,
    ReadAudit,
}

impl Permission {
    pub const ALL: [Self; 9] = [
        Self::ReviewApplications,
        Self::ReviewSubmissions,
        Self::ListAccounts,
        Self::ManageAccounts,
        Self::ManageRoles,
        Self::EraseAccounts,
        Self::Impersonate,
        Self::ManageServiceAccounts,
        Self::ReadAudit,
    ];

    /// The name that `PERMISSION_MISSING` tells the client.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReviewApplications => "applications.review",
            Self::ReviewSubmissions => "submissions.review",
            Self::ListAccounts => "accounts.list",
            Self::ManageAccounts => "accounts.manage",
            Self::ManageRoles => "accounts.manage_roles",
            Self::EraseAccounts => "accounts.erase",
            Self::Impersonate => "accounts.impersonate",
            Self::ManageServiceAccounts => "service_accounts.manage",
            Self::ReadAudit => "audit.read",
        }
    }

    const fn held_by(self, role: Role) -> bool {
        match self {
            Self::ReviewApplications | Self::ReviewSubmissions => matches!(role, Role::Reviewer | Role::Admin),
            Self::ListAccounts
            | Self::ManageAccounts
            | Self::ManageRoles
            | Self::EraseAccounts
            | Self::Impersonate
            | Self::ManageServiceAccounts
            | Self::ReadAudit => matches!(role, Role::Admin),
        }
    }
}

/// A set of roles. Always holds [`Role::Listener`]. Text in the database: `"listener,reviewer"`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, DeriveValueType)]
#[sea_orm(value_type = "String")]
pub struct Roles(u8);

#[derive(Debug, thiserror::Error)]
#[error("unknown role {0}")]
pub struct UnknownRole(String);

impl Roles {
    pub const LISTENER: Self = Self(Role::Listener.bit());

    #[must_use]
    pub const fn with(self, role: Role) -> Self {
        Self(self.0 | role.bit())
    }

    pub const fn has(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }

    pub fn allow(self, permission: Permission) -> bool {
        self.iter().any(|role| permission.held_by(role))
    }

    pub const fn is_staff(self) -> bool {
        self.has(Role::Reviewer) || self.has(Role::Admin)
    }

    /// Without what makes a member of staff.
    #[must_use]
    pub const fn without_staff(self) -> Self {
        Self(self.0 & !(Role::Reviewer.bit() | Role::Admin.bit()))
    }

    /// The compact form inside access tokens.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Unknown bits are dropped: a token of a newer release grants no more than this release knows.
    pub const fn from_bits(bits: u8) -> Self {
        Self((bits & 0b1111) | Role::Listener.bit())
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, role) in self.iter().enumerate() {
            if place > 0 {
                f.write_str(",")?;
            }
            f.write_str(role.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roles({self})")
    }
}

impl FromStr for Roles {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).try_fold(Self::LISTENER, |roles, name| {
            let role = Role::ALL.into_iter().find(|role| role.name() == name);
            role.map(|role| roles.with(role)).ok_or_else(|| UnknownRole(name.to_owned()))
        })
    }
}

/// What is known of every call, signed in or not: for audit rows, attempts and limits.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Given by the client in `x-request-id` or made by us; returned, logged, passed on.
    pub request_id: String,
    /// Made by us, so that it says nothing of anybody.
    pub request_id_is_ours: bool,
    /// Which trace the call is part of.
    pub trace: Trace,
    pub address: ClientAddress,
    /// The `user-agent` header, at most 256 characters.
    pub user_agent: String,
}

impl Facts {
    /// Of what nobody called: a job, a schedule.
    pub const fn none() -> Self {
        Self {
            request_id: String::new(),
            request_id_is_ours: true,
            trace: Trace::NONE,
            address: ClientAddress::NONE,
            user_agent: String::new(),
        }
    }
}

/// A signed-in person, as the verified access token says; or an internal tool with its key.
#[derive(Clone, Debug)]
pub struct Caller {
    pub account: AccountId,
    /// Of a key: an id that no session has.
    pub session: SessionId,
    /// What counts for this call: without the office of staff who must have a second factor first.
    pub roles: Roles,
    /// Which roles they were: 0 for keys.
    pub roles_version: i64,
    /// The person is staff, must have a second factor, and has none.
    pub must_enroll: bool,
    /// Which checks the person passed, and when.
    pub proof: Proof,
    /// The member of staff who looks through this person's eyes. Such a caller only reads.
    pub impersonator: Option<Impersonator>,
    /// The key that the call came with, if it came with one.
    pub key: Option<KeyInUse>,
    pub facts: Facts,
}

/// A member of staff who looks through another's eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Impersonator {
    pub account: AccountId,
    /// When the look ends; nothing that it began outlives it.
    pub until: Timestamp,
}

/// How fresh and how strong a sign-in is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// When the person last proved who they are, by whatever means.
    pub authenticated_at: Timestamp,
    /// When a second factor was last checked.
    pub second_factor_at: Option<Timestamp>,
    /// By what that was.
    pub second_factor_by: CheckedBy,
    /// The kinds of second factors that the person has.
    pub factor_kinds: FactorKinds,
    /// When the call came.
    pub now: Timestamp,
}

impl Proof {
    /// A sensitive act wants a check that is not older.
    pub const MAX_AGE: Duration = Duration::from_mins(10);

    /// Whether the strongest factor that the person has, or a recovery code, was checked within [`Proof::MAX_AGE`].
    pub fn is_fresh(&self) -> bool {
        let checked = if self.factor_kinds.is_empty() {
            Some(self.authenticated_at)
        } else {
            self.second_factor_at.filter(|_| self.second_factor_by.is_strongest_of(self.factor_kinds))
        };
        checked.is_some_and(|at| self.now < at + Self::MAX_AGE)
    }

    /// For callers whom no check can make fresh: keys, and whoever looks through another's eyes.
    pub const fn never(now: Timestamp) -> Self {
        let authenticated_at = Timestamp::from_micros(i64::MIN);
        let (second_factor_at, second_factor_by) = (None, CheckedBy::Totp);
        Self { authenticated_at, second_factor_at, second_factor_by, factor_kinds: FactorKinds::NONE, now }
    }

    /// What would make it fresh: the name of a factor, or `password`.
    pub fn method(&self) -> &'static str {
        Self::method_of(self.factor_kinds)
    }

    /// What makes whoever has these kinds of factors fresh, beside a recovery code.
    pub fn method_of(kinds: FactorKinds) -> &'static str {
        kinds.strongest().map_or("password", FactorKind::name)
    }
}

impl Caller {
    pub fn may(&self, permission: Permission) -> bool {
        match self.key {
            Some(key) => key.scopes.allow(permission),
            None => self.roles.allow(permission),
        }
    }
}

/// Who did something, for the audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    Account(AccountId),
    /// Nobody signed in: registration, a failed login.
    Anonymous,
    /// A job or a schedule.
    System,
    /// Whoever may run the command line on the machine.
    Operator,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_survive_the_database_and_the_token() {
        let roles = Roles::LISTENER.with(Role::Admin);
        assert_eq!(roles.to_string(), "listener,admin");
        assert_eq!("admin".parse::<Roles>().unwrap(), roles);
        assert_eq!(Roles::from_bits(roles.bits()), roles);
        assert!("owner".parse::<Roles>().is_err());
    }

    #[test]
    fn a_proof_is_fresh_by_the_strongest_factor_that_the_person_has() {
        let at = Timestamp::from_micros(0);
        let proof = Proof { authenticated_at: at, factor_kinds: FactorKinds::NONE, now: at, ..Proof::never(at) };
        assert!(proof.is_fresh());
        assert!(!Proof { now: at + Proof::MAX_AGE, ..proof }.is_fresh());
        let guarded = Proof { factor_kinds: FactorKinds::NONE.with(FactorKind::Totp), ..proof };
        assert!(!guarded.is_fresh(), "the password alone is not the strongest");
        let by_app = Proof { second_factor_at: Some(at), ..guarded };
        assert!(by_app.is_fresh());
        let both = Proof { factor_kinds: guarded.factor_kinds.with(FactorKind::Passkey), ..by_app };
        assert!(!both.is_fresh(), "a passkey is stronger");
        assert!(Proof { second_factor_by: CheckedBy::Passkey, ..both }.is_fresh());
        assert!(Proof { second_factor_by: CheckedBy::RecoveryCode, ..both }.is_fresh());
        assert!(!Proof::never(at).is_fresh());
        assert_eq!((proof.method(), guarded.method(), both.method()), ("password", "totp", "passkey"));
    }

    #[test]
    fn only_admins_hold_what_only_admins_should() {
        for permission in Permission::ALL {
            assert!(Roles::LISTENER.with(Role::Admin).allow(permission));
            assert!(!Roles::LISTENER.with(Role::Artist).allow(permission));
        }
        assert!(!Roles::LISTENER.with(Role::Reviewer).allow(Permission::ManageRoles));
        let all = Role::ALL.into_iter().fold(Roles::LISTENER, Roles::with);
        assert_eq!(all.without_staff(), Roles::LISTENER.with(Role::Artist));
    }
}
