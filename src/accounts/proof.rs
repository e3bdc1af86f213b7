//! What a letter carries to prove a mailbox: a link and a code. Only hashes of them are kept.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::{app::App, kernel::Digest};

/// How long a code lives. It is shorter than a link, so it must live shorter.
pub const CODE_LIFE: Duration = Duration::from_mins(10);
/// Tries at one code, counted before each is compared.
pub const CODE_TRIES: i64 = 5;
/// From one letter to the next.
pub const RESEND_AFTER: Duration = Duration::from_mins(1);
/// No letter that can be taken for another, no digit for a letter (Crockford's base 32 without 0 and 1).
const CODE_LETTERS: [u8; 30] = *b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE_LENGTH: usize = 8;

/// The link's token and the code of one letter, in clear: they go into the letter and nowhere else.
pub struct Proof {
    token: String,
    code: String,
}

impl Proof {
    pub fn throw(app: &App) -> Self {
        let letters = u32::try_from(CODE_LETTERS.len()).unwrap_or(1);
        let code = (0..CODE_LENGTH).map(|_| char::from(CODE_LETTERS[app.dice.below(letters) as usize])).collect();
        Self { token: BASE64_URL_SAFE_NO_PAD.encode(app.dice.bytes::<32>()), code }
    }

    /// What [`Proof::into_text`] made; `None` if it is something else.
    pub fn from_text(text: &str) -> Option<Self> {
        let (token, code) = text.split_once(' ')?;
        Some(Self { token: token.to_owned(), code: code.to_owned() })
    }

    /// Both in one line, to be sealed until the letter is written.
    pub fn into_text(self) -> String {
        format!("{} {}", self.token, self.code)
    }

    /// The link to `page`, for example `verify`.
    pub fn link(&self, app: &App, page: &str) -> String {
        format!("{}/{page}?token={}", app.config.public_url(), self.token)
    }

    /// The code as people read it.
    pub fn spaced_code(&self) -> String {
        format!("{}-{}", &self.code[..4], &self.code[4..])
    }

    /// What is stored of the link.
    pub fn link_digest(&self) -> Digest {
        link_digest(&self.token)
    }

    /// What is stored of the code, in the row `of`.
    pub fn code_mac(&self, app: &App, of: impl Into<Uuid>) -> Digest {
        code_mac(app, of, &self.code)
    }
}

/// How a mailbox is proven to us.
#[derive(Clone)]
pub enum Shown<Flow> {
    /// The hash of the link's token.
    Link(Digest),
    /// The code, and the handle that the client got when it asked for the letter.
    Code { flow: Flow, code: String },
}

/// Hash of a link's token, as stored.
pub fn link_digest(token: &str) -> Digest {
    Digest::sha256(token.as_bytes())
}

/// Keyed hash of a code, bound to the row that stores it.
pub fn code_mac(app: &App, of: impl Into<Uuid>, code: &str) -> Digest {
    let key = app.keys.derived("mail codes");
    let row: Uuid = of.into();
    Digest::mac(&key, &[row.as_bytes(), code.as_bytes()])
}

/// A code as typed: case, spaces and hyphens do not matter.
pub fn typed_code(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_type_them() {
        assert_eq!(typed_code(" abcd-2345 "), "ABCD2345");
    }
}
