//! The text of a key: `blk_<id>_<secret>_<check>`.
//!
//! The id finds the row, the secret has 256 random bits, and the check is a tag that only this server can make: a key
//! with a wrong letter, and one that somebody made up, is refused before the database is asked. The prefix lets scanners
//! know a key that leaked.

use subtle::ConstantTimeEq;

use crate::{
    app::App,
    kernel::{
        Digest,
        ids::{ApiKeyId, Id},
    },
};

const PREFIX: &str = "blk_";
const ID_LENGTH: usize = 26;
const SECRET_BYTES: usize = 32;
const CHECK_BYTES: usize = 8;
/// Of the whole text.
const LENGTH: usize = PREFIX.len() + ID_LENGTH + 1 + 2 * SECRET_BYTES + 1 + 2 * CHECK_BYTES;

/// A key in the hands of the server. It cannot print itself.
#[derive(Clone)]
pub struct ApiKeyText {
    pub id: ApiKeyId,
    text: String,
}

/// Whether a bearer token means to be an API key.
pub fn is_key(token: &str) -> bool {
    token.starts_with(PREFIX)
}

impl ApiKeyText {
    pub fn new(app: &App, id: ApiKeyId) -> Self {
        let suffix = id.to_string().split_off(ApiKeyId::PREFIX.len() + 1);
        let body = format!("{PREFIX}{suffix}_{}", hex::encode(app.dice.bytes::<SECRET_BYTES>()));
        let text = format!("{body}_{}", check(app, &body));
        Self { id, text }
    }

    /// Reads a key that this server made; `None` for any other text.
    pub fn parse(app: &App, text: &str) -> Option<Self> {
        if text.len() != LENGTH || !is_key(text) {
            return None;
        }
        let (body, found) = text.rsplit_once('_')?;
        if !bool::from(found.as_bytes().ct_eq(check(app, body).as_bytes())) {
            return None;
        }
        let (id, _) = body.strip_prefix(PREFIX)?.split_once('_')?;
        let id = ApiKeyId::parse(&format!("{}_{id}", ApiKeyId::PREFIX)).ok()?;
        Some(Self { id, text: text.to_owned() })
    }

    /// What the database keeps of it.
    pub fn digest(&self) -> Digest {
        Digest::sha256(self.text.as_bytes())
    }

    /// For the one reply that shows it.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

fn check(app: &App, body: &str) -> String {
    let tag = Digest::mac(&app.keys.derived("api keys"), &[body.as_bytes()]);
    hex::encode(&tag.as_bytes()[..CHECK_BYTES])
}
