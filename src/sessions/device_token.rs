//! Device tokens: which device, 256 random bits, and a tag that only this server can make.
//!
//! The tag lets a forged token be refused before the database is asked.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::{
    app::App,
    kernel::{Digest, ids::DeviceId},
};

/// Says what leaked, should one be found where it does not belong.
const PREFIX: &str = "bldt_";
const SECRET_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const BODY_BYTES: usize = 16 + SECRET_BYTES;

/// A device token in the hands of the server. It cannot print itself.
pub struct DeviceToken {
    pub device: DeviceId,
    text: String,
}

impl DeviceToken {
    pub fn new(app: &App, device: DeviceId) -> Self {
        let mut bytes = Vec::with_capacity(BODY_BYTES + TAG_BYTES);
        bytes.extend_from_slice(Uuid::from(device).as_bytes());
        bytes.extend_from_slice(&app.dice.bytes::<SECRET_BYTES>());
        let tag = tag(app, &bytes);
        bytes.extend_from_slice(&tag);
        Self { device, text: format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)) }
    }

    /// Reads a token that this server made; `None` for any other text.
    pub fn parse(app: &App, text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        if bytes.len() != BODY_BYTES + TAG_BYTES {
            return None;
        }
        let (body, found) = bytes.split_at(BODY_BYTES);
        if !bool::from(found.ct_eq(&tag(app, body))) {
            return None;
        }
        let device = DeviceId::from(Uuid::from_slice(body.get(..16)?).ok()?);
        Some(Self { device, text: text.to_owned() })
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
    let mac = Digest::mac(&app.keys.derived("device tokens"), &[body]);
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(&mac.as_bytes()[..TAG_BYTES]);
    tag
}
