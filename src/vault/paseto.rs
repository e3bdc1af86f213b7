//! PASETO v4.local tokens: what a client carries and cannot read, change or make.
//!
//! The crate is `pasetors`. The crate named `paseto` is archived, knows only versions 1 and 2 and brings OpenSSL. Local
//! (shared key) and not public: verifying costs 7 µs instead of 104, more than the rest of a call, and nobody but this
//! server verifies. The footer carries the PASERK id of the key, so that keys rotate; the implicit assertion binds the
//! environment and the purpose, so that a token of one kind never passes for another. The specification's vectors are
//! among the tests (`tests/it/vectors.rs`).

use std::sync::Arc;

use pasetors::{
    Local,
    keys::SymmetricKey,
    token::UntrustedToken,
    version4::{LocalToken, V4},
};

use super::{Key, Ring};

/// Longer text is no token of ours and is not parsed at all.
const MAX_TOKEN_BYTES: usize = 1024;

/// Issues with the ring's active key, opens with any.
#[derive(Clone, Debug)]
pub struct Paseto {
    keys: Ring,
    environment: Arc<str>,
}

impl Paseto {
    /// `environment` keeps the tokens of two installations apart.
    pub fn new(keys: Ring, environment: &str) -> Self {
        Self { keys, environment: environment.into() }
    }

    /// A token with `payload` for one purpose. `None` only if the system has no random bytes.
    pub fn issue(&self, purpose: &str, payload: &[u8]) -> Option<String> {
        let key = self.keys.active();
        let footer = Some(key.id().as_bytes());
        LocalToken::encrypt(&symmetric(&key)?, payload, footer, Some(&self.assertion(purpose))).ok()
    }

    /// The payload of a token that this environment issued for this purpose; `None` for anything else.
    pub fn open(&self, purpose: &str, token: &str) -> Option<Vec<u8>> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let untrusted = UntrustedToken::<Local, V4>::try_from(token).ok()?;
        let key = self.keys.find(|key| key.id().as_bytes() == untrusted.untrusted_footer())?;
        let footer = Some(key.id().as_bytes());
        let trusted =
            LocalToken::decrypt(&symmetric(&key)?, &untrusted, footer, Some(&self.assertion(purpose))).ok()?;
        Some(trusted.payload().as_bytes().to_vec())
    }

    fn assertion(&self, purpose: &str) -> Vec<u8> {
        format!("backline/{}/{purpose}", self.environment).into_bytes()
    }
}

/// Any 32 bytes are a key.
fn symmetric(key: &Key) -> Option<SymmetricKey<V4>> {
    SymmetricKey::from(key.bytes()).ok()
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn a_token_opens_only_for_its_purpose_environment_and_key() {
        let ours = Paseto::new(Ring::fixed(&[[1; 32]]), "here");
        let token = ours.issue("access", b"{}").unwrap();
        assert_eq!(ours.open("access", &token).unwrap(), b"{}");
        assert!(ours.open("refresh", &token).is_none());
        assert!(Paseto::new(Ring::fixed(&[[1; 32]]), "there").open("access", &token).is_none());
        assert!(Paseto::new(Ring::fixed(&[[2; 32]]), "here").open("access", &token).is_none());
        let rotated = Paseto::new(Ring::fixed(&[[2; 32], [1; 32]]), "here");
        assert_eq!(rotated.open("access", &token).unwrap(), b"{}");
        assert!(ours.open("access", &format!("{token}A")).is_none());
        assert!(ours.open("access", &"v4.local.".repeat(1000)).is_none());
    }

    #[test]
    fn a_token_that_names_another_key_of_the_ring_does_not_open() {
        let ring = Ring::fixed(&[[2; 32], [1; 32]]);
        let other = ring.active().id().to_owned();
        let both = Paseto::new(ring, "here");
        let token = Paseto::new(Ring::fixed(&[[1; 32]]), "here").issue("access", b"{}").unwrap();
        assert!(both.open("access", &token).is_some());
        let (sealed, _) = token.rsplit_once('.').unwrap();
        let renamed = format!("{sealed}.{}", BASE64_URL_SAFE_NO_PAD.encode(other));
        assert!(both.open("access", &renamed).is_none());
    }

    #[test]
    fn a_token_has_1024_bytes_at_most() {
        let ours = Paseto::new(Ring::fixed(&[[1; 32]]), "here");
        let of_size = |bytes| {
            let mut tokens = (1..1024).map(|size| ours.issue("access", &vec![b'x'; size]).unwrap());
            tokens.find(|token| token.len() == bytes).unwrap()
        };
        assert!(ours.open("access", &of_size(1024)).is_some());
        assert!(ours.open("access", &of_size(1025)).is_none());
    }
}
