//! E-mail addresses: one type, normalised once.

use std::str::FromStr;

use sea_orm::DeriveValueType;
use unicode_normalization::UnicodeNormalization;

/// An address as we store and compare it: NFKC, lower case, no dot or plus tricks undone.
///
/// It cannot print itself: `Debug` shows no part of it, and there is no `Display`. Whoever really needs the text
/// (a letter's header, the owner's own profile) says so by calling [`EmailAddress::expose`].
#[derive(Clone, PartialEq, Eq, Hash, DeriveValueType)]
#[sea_orm(value_type = "String", to_str = "EmailAddress::to_column")]
pub struct EmailAddress(String);

/// Longest address that SMTP can carry (RFC 5321, 4.5.3.1.3, less the angle brackets).
pub const MAX_LENGTH: usize = 254;

#[derive(Debug, thiserror::Error)]
#[error("must be an e-mail address such as name@example.org, at most 254 characters")]
pub struct InvalidEmail;

impl EmailAddress {
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The part before the `@`: a password must not be built from it.
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or(&self.0, |(local, _)| local)
    }

    fn to_column(&self) -> String {
        self.0.clone()
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        let normal: String = text.trim().nfkc().collect::<String>().to_lowercase();
        let (local, domain) = normal.rsplit_once('@').ok_or(InvalidEmail)?;
        let shape_holds = normal.len() <= MAX_LENGTH
            && !local.is_empty()
            && local.len() <= 64
            && domain.contains('.')
            && normal.parse::<lettre::Address>().is_ok();
        if shape_holds { Ok(Self(normal)) } else { Err(InvalidEmail) }
    }
}

impl std::fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EmailAddress(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_has_one_spelling() {
        let written: EmailAddress = "  Ana.Sol+Demo@Example.ORG ".parse().unwrap();
        assert_eq!(written.expose(), "ana.sol+demo@example.org");
        assert_eq!(format!("{written:?}"), "EmailAddress(…)");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "ana", "@example.org", "ana@", "a b@example.org", "ana@example", "ana@x.org\r\nBcc: b@x.org"] {
            assert!(text.parse::<EmailAddress>().is_err(), "{text:?}");
        }
        assert!(format!("{}@example.org", "a".repeat(300)).parse::<EmailAddress>().is_err());
    }
}
