//! PASETO v4.local tokens: what a client carries and cannot read, change or make.
//!
//! The crate is `pasetors`. The crate named `paseto` is archived, knows only versions 1 and 2 and brings OpenSSL. Local
//! (shared key) and not public: verifying costs 7 µs instead of 104, more than the rest of a call, and nobody but this
//! server verifies. The footer carries the PASERK id of the key, so that keys rotate; the implicit assertion binds the
//! environment and the purpose, so that a token of one kind never passes for another. The specification's vectors are
//! among the tests.

use std::sync::Arc;

use pasetors::{
    Local,
    keys::SymmetricKey,
    paserk::{FormatAsPaserk, Id},
    token::UntrustedToken,
    version4::{LocalToken, V4},
};

/// Longer text is no token of ours and is not parsed at all.
const MAX_TOKEN_BYTES: usize = 1024;

/// Issues with the first key, opens with any.
#[derive(Clone)]
pub struct Paseto {
    keys: Arc<[Key]>,
    environment: Arc<str>,
}

struct Key {
    id: String,
    key: SymmetricKey<V4>,
}

impl Paseto {
    /// `keys` must not be empty; the first one issues. `environment` keeps the tokens of two installations apart.
    ///
    /// # Errors
    /// If the key library refuses a key; it takes any 32 bytes.
    pub fn new(keys: &[[u8; 32]], environment: &str) -> anyhow::Result<Self> {
        let keys = keys
            .iter()
            .map(|bytes| {
                let key = SymmetricKey::<V4>::from(bytes)?;
                let mut id = String::new();
                Id::from(&key).fmt(&mut id).map_err(|_| pasetors::errors::Error::PaserkParsing)?;
                Ok(Key { id, key })
            })
            .collect::<Result<Vec<Key>, pasetors::errors::Error>>()?;
        Ok(Self { keys: keys.into(), environment: environment.into() })
    }

    /// A token with `payload` for one purpose. `None` only if the system has no random bytes.
    pub fn issue(&self, purpose: &str, payload: &[u8]) -> Option<String> {
        let key = self.keys.first()?;
        LocalToken::encrypt(&key.key, payload, Some(key.id.as_bytes()), Some(&self.assertion(purpose))).ok()
    }

    /// The payload of a token that this environment issued for this purpose; `None` for anything else.
    pub fn open(&self, purpose: &str, token: &str) -> Option<Vec<u8>> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let untrusted = UntrustedToken::<Local, V4>::try_from(token).ok()?;
        let key = self.keys.iter().find(|key| key.id.as_bytes() == untrusted.untrusted_footer())?;
        let trusted =
            LocalToken::decrypt(&key.key, &untrusted, Some(key.id.as_bytes()), Some(&self.assertion(purpose))).ok()?;
        Some(trusted.payload().as_bytes().to_vec())
    }

    fn assertion(&self, purpose: &str) -> Vec<u8> {
        format!("backline/{}/{purpose}", self.environment).into_bytes()
    }
}

impl std::fmt::Debug for Paseto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[test]
    fn a_token_opens_only_for_its_purpose_environment_and_key() {
        let ours = Paseto::new(&[[1; 32]], "here").unwrap();
        let token = ours.issue("access", b"{}").unwrap();
        assert_eq!(ours.open("access", &token).unwrap(), b"{}");
        assert!(ours.open("refresh", &token).is_none());
        assert!(Paseto::new(&[[1; 32]], "there").unwrap().open("access", &token).is_none());
        assert!(Paseto::new(&[[2; 32]], "here").unwrap().open("access", &token).is_none());
        let rotated = Paseto::new(&[[2; 32], [1; 32]], "here").unwrap();
        assert_eq!(rotated.open("access", &token).unwrap(), b"{}");
        assert!(ours.open("access", &format!("{token}A")).is_none());
        assert!(ours.open("access", &"v4.local.".repeat(1000)).is_none());
    }

    #[derive(Deserialize)]
    struct Vectors {
        tests: Vec<Vector>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Vector {
        name: String,
        expect_fail: bool,
        key: Option<String>,
        token: String,
        payload: Option<String>,
        footer: String,
        implicit_assertion: String,
    }

    #[test]
    fn the_specification_s_vectors_hold() {
        let vectors: Vectors = serde_json::from_str(include_str!("../../tests/vectors/paseto_v4_local.json")).unwrap();
        assert!(vectors.tests.len() >= 10);
        for vector in vectors.tests {
            let opened = vector.key.and_then(|key| {
                let key = SymmetricKey::<V4>::from(&hex::decode(key).ok()?).ok()?;
                let token = UntrustedToken::<Local, V4>::try_from(vector.token.as_str()).ok()?;
                let assertion = vector.implicit_assertion.as_bytes();
                let footer = Some(vector.footer.as_bytes()).filter(|footer| !footer.is_empty());
                LocalToken::decrypt(&key, &token, footer, Some(assertion)).ok()
            });
            match opened {
                Some(token) => {
                    assert!(!vector.expect_fail, "{}", vector.name);
                    assert_eq!(Some(token.payload()), vector.payload.as_deref(), "{}", vector.name);
                }
                None => assert!(vector.expect_fail, "{}", vector.name),
            }
        }
    }
}
