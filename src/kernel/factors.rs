//! Kinds of second factors, as small as a token needs them.

use std::{fmt, str::FromStr};

use sea_orm::DeriveValueType;

/// A kind of second factor, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactorKind {
    /// `WebAuthn`: bound to the site, so it cannot be phished.
    Passkey,
    /// RFC 6238.
    Totp,
}

impl FactorKind {
    pub const ALL: [Self; 2] = [Self::Passkey, Self::Totp];

    /// As `methods` tells it to clients.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passkey => "passkey",
            Self::Totp => "totp",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// By what a second factor was checked. Text in the database: `"passkey"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CheckedBy {
    Passkey,
    /// The weakest, and what is taken for sessions and tokens that do not say.
    #[default]
    Totp,
    /// Serves in the place of any factor: it is the way out for whoever has lost the strongest.
    RecoveryCode,
}

impl CheckedBy {
    /// As the trail tells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passkey => FactorKind::Passkey.name(),
            Self::Totp => FactorKind::Totp.name(),
            Self::RecoveryCode => "recovery_code",
        }
    }

    /// Whether nothing that the person has is stronger.
    pub fn is_strongest_of(self, kinds: FactorKinds) -> bool {
        let kind = match self {
            Self::Passkey => FactorKind::Passkey,
            Self::Totp => FactorKind::Totp,
            Self::RecoveryCode => return true,
        };
        kinds.strongest().is_none_or(|strongest| kind <= strongest)
    }
}

/// A set of kinds. Text in the database: `"passkey,totp"`, or empty.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, DeriveValueType)]
#[sea_orm(value_type = "String")]
pub struct FactorKinds(u8);

#[derive(Debug, thiserror::Error)]
#[error("unknown kind of factor {0}")]
pub struct UnknownKind(String);

impl FactorKinds {
    pub const NONE: Self = Self(0);

    #[must_use]
    pub const fn with(self, kind: FactorKind) -> Self {
        Self(self.0 | kind.bit())
    }

    pub const fn has(self, kind: FactorKind) -> bool {
        self.0 & kind.bit() != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn strongest(self) -> Option<FactorKind> {
        self.iter().next()
    }

    /// Strongest first.
    pub fn iter(self) -> impl Iterator<Item = FactorKind> {
        FactorKind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }

    /// The compact form inside access tokens.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Unknown bits are dropped.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0b11)
    }
}

impl FromIterator<FactorKind> for FactorKinds {
    fn from_iter<I: IntoIterator<Item = FactorKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for FactorKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(FactorKind::name).collect();
        f.write_str(&names.join(","))
    }
}

impl fmt::Debug for FactorKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FactorKinds({self})")
    }
}

impl FromStr for FactorKinds {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        text.split(',')
            .filter(|name| !name.is_empty())
            .map(|name| FactorKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or(UnknownKind(name.into())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_is_the_passkey_and_a_recovery_code_serves_for_any() {
        let app = FactorKinds::NONE.with(FactorKind::Totp);
        let both = app.with(FactorKind::Passkey);
        let strongest = |kinds| {
            let by = [CheckedBy::Passkey, CheckedBy::Totp, CheckedBy::RecoveryCode];
            by.map(|by| by.is_strongest_of(kinds))
        };
        assert_eq!(strongest(both), [true, false, true]);
        assert_eq!(strongest(app), [true; 3], "a passkey that was removed since was stronger still");
        assert_eq!(strongest(FactorKinds::NONE), [true; 3]);
    }

    #[test]
    fn kinds_survive_the_database_and_the_token() {
        for text in ["", "passkey", "totp", "passkey,totp"] {
            let kinds: FactorKinds = text.parse().unwrap();
            assert_eq!(kinds.to_string(), text);
            assert_eq!(FactorKinds::from_bits(kinds.bits()), kinds);
        }
        assert!("sms".parse::<FactorKinds>().is_err());
    }
}
