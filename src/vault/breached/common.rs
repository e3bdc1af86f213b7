//! The built-in list: a binary fuse filter over 64-bit hashes.
//!
//! It has no false negatives, and takes about 1 password in 65,000 (2⁻¹⁶) for a listed one. Entries are compared without
//! regard to case and in NFKC.

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;
use xorf::{BinaryFuse16, Descriptor, Filter};

const FILE: &[u8] = include_bytes!("common.bin");
/// What the file begins with: a name and a version.
const MARK: &[u8; 8] = b"BLCOMM01";

/// A set of passwords that answers «perhaps» or «no».
pub struct Common(BinaryFuse16);

impl Common {
    pub(super) fn built_in() -> Self {
        decode(FILE).map(Self).expect("common.bin was written by encode(), and a test reads it")
    }

    /// A set of these hashes. `None` if they are none, or more than a filter can hold.
    pub(super) fn of(mut keys: Vec<u64>) -> Option<Self> {
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return None;
        }
        BinaryFuse16::try_from(&keys).ok().map(Self)
    }

    pub fn has(&self, password: &str) -> bool {
        self.0.contains(&key(password))
    }
}

/// The first 64 bits of the SHA-256 of a password, lower-cased NFKC.
pub(super) fn key(password: &str) -> u64 {
    let normal = password.nfkc().collect::<String>().to_lowercase();
    let digest: [u8; 32] = Sha256::digest(normal.as_bytes()).into();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(first)
}

/// The file of a list: what `common.bin` is. `None` if the list is empty.
pub fn encode<'a>(passwords: impl Iterator<Item = &'a str>) -> Option<Vec<u8>> {
    let Common(filter) = Common::of(passwords.filter(|password| !password.is_empty()).map(key).collect())?;
    let of = &filter.descriptor;
    let mut out = MARK.to_vec();
    out.extend_from_slice(&of.seed.to_le_bytes());
    for number in [of.segment_length, of.segment_length_mask, of.segment_count_length] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend(filter.fingerprints.iter().flat_map(|fingerprint| fingerprint.to_le_bytes()));
    Some(out)
}

fn decode(file: &[u8]) -> Option<BinaryFuse16> {
    let rest = file.strip_prefix(MARK)?;
    let (seed, mut rest) = rest.split_first_chunk::<8>()?;
    let mut number = || {
        let (bytes, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        Some(u32::from_le_bytes(*bytes))
    };
    let descriptor = Descriptor {
        seed: u64::from_le_bytes(*seed),
        segment_length: number()?,
        segment_length_mask: number()?,
        segment_count_length: number()?,
    };
    let fingerprints = rest.as_chunks::<2>().0.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect();
    Some(BinaryFuse16 { descriptor, fingerprints })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Dice;

    #[test]
    fn long_common_passwords_are_known_in_any_case() {
        let common = Common::built_in();
        let sample = include_str!("sample.txt").lines().collect::<Vec<_>>();
        assert!(sample.len() > 50);
        for password in sample {
            assert!(password.chars().count() >= 12 && common.has(password), "{password}");
            assert!(common.has(&password.to_uppercase().to_lowercase()), "{password}");
        }
        assert!(common.has("PasswordPassword"));
        assert!(common.has("ｐａｓｓｗｏｒｄ"), "NFKC");
    }

    #[test]
    fn hardly_any_other_password_is_taken_for_one() {
        let (common, dice) = (Common::built_in(), Dice::seeded(3));
        let taken = (0..100_000).filter(|_| common.has(&hex::encode(dice.bytes::<12>()))).count();
        assert!(taken < 10, "{taken} of 100,000");
    }

    #[test]
    fn what_is_encoded_can_be_read() {
        let file = encode(["one", "two", "", "ONE"].into_iter()).unwrap();
        let common = Common(decode(&file).unwrap());
        assert!(common.has("One") && common.has("two"));
        assert!(encode([""].into_iter()).is_none());
        assert!(decode(b"something else").is_none());
    }
}
