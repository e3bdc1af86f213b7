//! What an API key may do: a set of permissions, and whether it only reads.

use std::{fmt, str::FromStr};

use sea_orm::DeriveValueType;

use super::{Permission, ids::ApiKeyId};

/// A set of permissions. Text in the database: `"accounts.list,audit.read"`, or empty.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, DeriveValueType)]
#[sea_orm(value_type = "String")]
pub struct Scopes(u16);

/// A permission that no key can hold, or that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidScope {
    #[error("must be one of {}", Scopes::names(Scopes::KEYS))]
    Unknown,
}

impl Scopes {
    pub const NONE: Self = Self(0);

    /// What a key can hold. Acts that want a fresh check of a person are beyond any key, so a permission that is good
    /// for such acts alone would promise what it does not give.
    pub const KEYS: Self = Self::NONE
        .with(Permission::ReviewApplications)
        .with(Permission::ReviewSubmissions)
        .with(Permission::ListAccounts)
        .with(Permission::ManageAccounts)
        .with(Permission::ReadAudit);

    #[must_use]
    pub const fn with(self, permission: Permission) -> Self {
        Self(self.0 | 1 << permission as u16)
    }

    pub const fn allow(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u16) != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.allow(*permission))
    }

    /// A permission that a key can hold, by its name.
    ///
    /// # Errors
    /// For any other text.
    pub fn permission(name: &str) -> Result<Permission, InvalidScope> {
        Self::KEYS.iter().find(|permission| permission.name() == name).ok_or(InvalidScope::Unknown)
    }

    fn names(self) -> String {
        self.iter().map(Permission::name).collect::<Vec<_>>().join(", ")
    }
}

impl FromIterator<Permission> for Scopes {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Permission::name).collect::<Vec<_>>().join(","))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

impl FromStr for Scopes {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        text.split(',').filter(|name| !name.is_empty()).map(Self::permission).collect()
    }
}

/// The key that a call came with, instead of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyInUse {
    pub id: ApiKeyId,
    /// Instead of what the account's roles allow.
    pub scopes: Scopes,
    /// Even where the scopes allow a change.
    pub read_only: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_survive_the_database() {
        for text in ["", "accounts.list", "applications.review,accounts.manage,audit.read"] {
            let scopes: Scopes = text.parse().unwrap();
            assert_eq!(scopes.to_string(), text);
        }
        assert!("accounts.everything".parse::<Scopes>().is_err());
    }

    #[test]
    fn no_key_holds_what_only_a_person_may_do() {
        let never = [
            Permission::ManageRoles,
            Permission::EraseAccounts,
            Permission::Impersonate,
            Permission::ManageServiceAccounts,
        ];
        for permission in never {
            assert!(Scopes::permission(permission.name()).is_err(), "{}", permission.name());
        }
        for permission in Permission::ALL.into_iter().filter(|known| !never.contains(known)) {
            assert!(Scopes::KEYS.allow(permission) && Scopes::NONE.with(permission).allow(permission));
        }
    }
}
