//! Sealed values: what the database keeps and cannot read.
//!
//! XChaCha20-Poly1305 with a random nonce. The additional data names the place a value belongs to, so a sealed value
//! moved to another row or column does not open. Layout: version (1), key id (4), nonce (24), ciphertext and tag.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use sha2::Sha256;

use super::Ring;
use crate::kernel::Dice;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

/// Seals with the ring's active key, opens with any.
#[derive(Clone)]
pub struct Sealer {
    keys: Ring,
    dice: Dice,
}

impl Sealer {
    pub fn new(keys: Ring, dice: Dice) -> Self {
        Self { keys, dice }
    }

    /// A sealer whose only key is derived (HKDF-SHA-256) from a secret that the caller presented.
    pub fn derived(secret: &[u8], purpose: &[u8], dice: Dice) -> Self {
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(None, secret)
            .expand(purpose, &mut key)
            .expect("32 bytes are within what HKDF-SHA-256 can expand");
        Self::new(Ring::fixed(&[key]), dice)
    }

    pub fn seal(&self, place: &[u8], plain: &[u8]) -> Vec<u8> {
        let key = self.keys.active();
        let nonce: [u8; NONCE_BYTES] = self.dice.bytes();
        let sealed = XChaCha20Poly1305::new(key.bytes().into())
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: place })
            .expect("in-memory sealing fails only beyond 256 GiB");
        let mut out = Vec::with_capacity(1 + 4 + NONCE_BYTES + sealed.len());
        out.push(VERSION);
        out.extend_from_slice(&key.short_id());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        out
    }

    /// The plain bytes; `None` if the value was sealed elsewhere, under an unknown key, or was changed.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (version, rest) = sealed.split_first()?;
        let (id, rest) = rest.split_at_checked(4)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>()?;
        if *version != VERSION {
            return None;
        }
        let key = self.keys.find(|key| key.short_id() == id)?;
        let payload = Payload { msg: ciphertext, aad: place };
        XChaCha20Poly1305::new(key.bytes().into()).decrypt(&XNonce::from(*nonce), payload).ok()
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_in_its_place_and_under_its_key() {
        let old = Sealer::new(Ring::fixed(&[[1; 32]]), Dice::seeded(1));
        let rotated = Sealer::new(Ring::fixed(&[[2; 32], [1; 32]]), Dice::seeded(2));
        let sealed = old.seal(b"letter 1", b"hello");

        assert_eq!(old.open(b"letter 1", &sealed).unwrap(), b"hello");
        assert_eq!(rotated.open(b"letter 1", &sealed).unwrap(), b"hello");
        assert!(old.open(b"letter 2", &sealed).is_none());
        assert!(old.open(b"letter 1", &rotated.seal(b"letter 1", b"hello")).is_none());
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(old.open(b"letter 1", &changed).is_none());
            assert!(old.open(b"letter 1", &sealed[..place]).is_none());
        }
    }
}
