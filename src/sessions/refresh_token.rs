//! Refresh tokens: which session, which generation, 256 random bits, and a tag that only this server can make.
//!
//! The tag lets a forged token be refused before the database is asked, and a genuine old one be told from a forgery: only
//! a genuine one proves that somebody copied it, and ends the session.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::{
    app::App,
    kernel::{Digest, ids::SessionId},
};

/// Says what leaked, should one be found where it does not belong.
const PREFIX: &str = "blrt_";
const SECRET_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const BODY_BYTES: usize = 16 + 8 + SECRET_BYTES;

/// A refresh token in the hands of the server. It cannot print itself.
#[derive(Clone)]
pub struct RefreshToken {
    pub session: SessionId,
    text: String,
}

impl RefreshToken {
    pub fn new(app: &App, session: SessionId, generation: i64) -> Self {
        let mut bytes = Vec::with_capacity(BODY_BYTES + TAG_BYTES);
        bytes.extend_from_slice(Uuid::from(session).as_bytes());
        bytes.extend_from_slice(&generation.to_be_bytes());
        bytes.extend_from_slice(&app.dice.bytes::<SECRET_BYTES>());
        let tag = tag(app, &bytes);
        bytes.extend_from_slice(&tag);
        Self { session, text: format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)) }
    }

    /// Reads a token that this server made; `None` for any other text.
    pub fn parse(app: &App, text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?.get(..)?).ok()?;
        if bytes.len() != BODY_BYTES + TAG_BYTES {
            return None;
        }
        let (body, found) = bytes.split_at(BODY_BYTES);
        if !bool::from(found.ct_eq(&tag(app, body))) {
            return None;
        }
        let session = SessionId::from(Uuid::from_slice(body.get(..16)?).ok()?);
        Some(Self { session, text: text.to_owned() })
    }

    /// What the database keeps of it.
    pub fn digest(&self) -> Digest {
        Digest::sha256(self.text.as_bytes())
    }

    pub fn expose(&self) -> &str {
        &self.text
    }
}

fn tag(app: &App, body: &[u8]) -> [u8; TAG_BYTES] {
    let mac = Digest::mac(&app.keys.derived("refresh tokens"), &[body]);
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(&mac.as_bytes()[..TAG_BYTES]);
    tag
}
