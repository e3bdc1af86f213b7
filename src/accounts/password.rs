//! Which passwords are accepted (NIST SP 800-63B-4: length, no composition rules; ASVS 5.0, 6.2).

use crate::kernel::{EmailAddress, Password};

/// Characters, at least.
pub const MIN_LENGTH: usize = 12;
/// For people with staff roles.
pub const STAFF_MIN_LENGTH: usize = 15;
/// Characters, at most: longer ones only cost time.
pub const MAX_LENGTH: usize = 128;
/// Different characters, at least: `aaaaaaaaaaaa` is long and no password.
const MIN_DIFFERENT: usize = 4;
/// Shorter pieces of a name or address are in too many good passwords by chance.
const MIN_PIECE: usize = 4;

/// Why a password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error("it must have at least {0} characters")]
    TooShort(usize),
    #[error("it must have at most {MAX_LENGTH} characters")]
    TooLong,
    #[error("it must not be a few characters over and over")]
    Monotonous,
    #[error("it must not be built from your address or name")]
    Similar,
}

impl Rejected {
    /// The metadata key of `PASSWORD_REJECTED`.
    pub fn key(self) -> &'static str {
        match self {
            Self::TooShort(_) => "too_short",
            Self::TooLong => "too_long",
            Self::Monotonous => "monotonous",
            Self::Similar => "similar",
        }
    }
}

/// Judges a password for this person.
///
/// # Errors
/// The first rule that refuses it.
pub fn check(password: &Password, email: &EmailAddress, name: &str, least: usize) -> Result<(), Rejected> {
    let text = password.expose();
    let length = text.chars().count();
    if length < least {
        return Err(Rejected::TooShort(least));
    }
    if length > MAX_LENGTH {
        return Err(Rejected::TooLong);
    }
    let mut different: Vec<char> = text.chars().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < MIN_DIFFERENT {
        return Err(Rejected::Monotonous);
    }
    let bare = |text: &str| text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let (password, own) = (bare(text), [bare(email.expose()), bare(email.local_part()), bare(name)]);
    // «Built from»: the own words make up more than half of it.
    let built_from = |word: &String| {
        word.chars().count() >= MIN_PIECE
            && password.contains(word.as_str())
            && word.chars().count() * 2 > password.chars().count()
    };
    if own.iter().any(built_from) { Err(Rejected::Similar) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(password: &str) -> Result<(), Rejected> {
        check(&Password::new(password), &"ana.sol@example.org".parse().unwrap(), "Ana Sol Rivera", MIN_LENGTH)
    }

    #[test]
    fn long_and_own_is_good_enough() {
        assert_eq!(judged("twelve chars"), Ok(()));
        assert_eq!(judged("correct horse battery staple"), Ok(()));
        assert_eq!(judged("pässwörter sind lang"), Ok(()));
        assert_eq!(judged("Ana likes long walks by the sea"), Ok(()));
    }

    #[test]
    fn what_others_would_guess_is_refused() {
        assert_eq!(judged("short"), Err(Rejected::TooShort(12)));
        assert_eq!(judged(&"long".repeat(40)), Err(Rejected::TooLong));
        assert_eq!(judged("ababababababab"), Err(Rejected::Monotonous));
        assert_eq!(judged("Ana Sol Rivera!!"), Err(Rejected::Similar));
        assert_eq!(judged("ana.sol@example.org1"), Err(Rejected::Similar));
    }
}
