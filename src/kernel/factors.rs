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
    fn kinds_survive_the_database_and_the_token() {
        for text in ["", "passkey", "totp", "passkey,totp"] {
            let kinds: FactorKinds = text.parse().unwrap();
            assert_eq!(kinds.to_string(), text);
            assert_eq!(FactorKinds::from_bits(kinds.bits()), kinds);
        }
        assert!("sms".parse::<FactorKinds>().is_err());
    }
}
