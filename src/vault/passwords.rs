//! Password hashes: argon2id.
//!
//! One hash takes about 25 ms of a core and 19 MiB. Left alone, a login storm would run hundreds at once on the blocking
//! pool; here they go through [`Pool`].
//!
//! Unknown users cost what today's parameters cost. A stored hash that was cheaper is made up for, to within a few per
//! cent: what a pass costs depends a little on the memory it goes over. One that was dearer takes longer, and tells until
//! its owner signs in that the address is known: lower the parameters only if you must.
//!
//! Passwords and outputs are wiped once they were used, and so is what argon2 keeps itself. Its working memory is not:
//! the next hash overwrites it, and wiping it would cost a tenth of a hash.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Block, KeyId, Params, ParamsBuilder, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use secrecy::zeroize::Zeroizing;
use subtle::ConstantTimeEq;

use super::pool::{Pool, Unhashed};
use crate::{
    config::PasswordsConfig,
    kernel::{Dice, Digest, Password, StoredHash},
};

const OUTPUT_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
/// The least memory that argon2 takes for one lane (RFC 9106, 3.1).
const LEAST_KIB: u32 = 8;

/// Bounds on parameters read from storage: a planted hash must not eat the machine.
const MAX_STORED_MEMORY_KIB: u32 = 1024 * 1024;
const MAX_STORED_PASSES: u32 = 10;
const MAX_STORED_LANES: u32 = 16;

/// What a comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub matches: bool,
    /// The hash was made with other parameters than today's: make it anew while the password is at hand.
    pub outdated: bool,
}

/// A key outside the database that a hash was mixed with; the hash names it.
struct Pepper {
    id: KeyId,
    key: [u8; 32],
}

impl Pepper {
    fn new(key: [u8; 32]) -> Self {
        let name = Digest::mac(&key, &[b"pepper id"]);
        Self { id: KeyId::new(&name.as_bytes()[..6]).expect("a key id may have 8 bytes"), key }
    }
}

/// Identifiers of the keys that password hashes are mixed with; none of them is a key.
pub fn pepper_ids(config: &PasswordsConfig) -> Vec<String> {
    let peppers = config.peppers().unwrap_or_default().into_iter().map(Pepper::new);
    peppers.map(|pepper| hex::encode(pepper.id.as_bytes())).collect()
}

/// Hashes and compares. Cheap to clone; all clones share one pool.
#[derive(Clone)]
pub struct Hasher {
    params: Params,
    /// The first makes, all open.
    peppers: Arc<Vec<Pepper>>,
    dice: Dice,
    pool: Pool,
    /// What unknown users are compared with, so that they cost the same as known ones.
    dummy: StoredHash,
}

impl Hasher {
    /// # Panics
    /// If the parameters are out of argon2's range, which [`PasswordsConfig`] has checked.
    pub fn new(config: &PasswordsConfig, dice: Dice) -> Self {
        let peppers: Vec<Pepper> = config.peppers().unwrap_or_default().into_iter().map(Pepper::new).collect();
        let mut builder = ParamsBuilder::new();
        builder.m_cost(config.memory_kib).t_cost(config.passes).p_cost(1).output_len(OUTPUT_BYTES);
        if let Some(pepper) = peppers.first() {
            builder.keyid(pepper.id);
        }
        let params = builder.build().expect("the configuration checked the parameters");
        let permits = match config.permits {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            permits => permits,
        };
        let pool = Pool::new(permits, params.block_count(), dice.clone());
        let mut hasher = Self { params, peppers: Arc::new(peppers), pool, dummy: StoredHash::from_phc(""), dice };
        hasher.dummy = hasher.unusable();
        hasher
    }

    /// A hash that no password has: its output is random. Comparing with it costs what any comparison costs.
    pub fn unusable(&self) -> StoredHash {
        phc(&self.params, &self.dice.bytes::<SALT_BYTES>(), &self.dice.bytes())
    }

    /// Hashes a password for storing.
    ///
    /// # Errors
    /// [`Unhashed`] when the queue is full, the caller's deadline cannot be met, or argon2 fails.
    pub async fn hash(&self, password: &Password) -> Result<StoredHash, Unhashed> {
        let salt: [u8; SALT_BYTES] = self.dice.bytes();
        let output = self.run(self.params.clone(), salt.to_vec(), password.clone()).await?;
        Ok(phc(&self.params, &salt, &output))
    }

    /// Compares a password with a stored hash, or with the dummy when there is none.
    ///
    /// # Errors
    /// [`Unhashed`] when the queue is full, the caller's deadline cannot be met, or argon2 fails.
    pub async fn verify(&self, password: &Password, stored: Option<&StoredHash>) -> Result<Verdict, Unhashed> {
        // A hash whose pepper is gone matches nothing, and takes its time all the same.
        let known = stored.and_then(parse).filter(|(params, ..)| self.knows_pepper_of(params));
        let parsed = known.or_else(|| parse(&self.dummy));
        let Some((params, salt, expected)) = parsed else { return Ok(Verdict { matches: false, outdated: false }) };
        let output = self.run(params.clone(), salt, password.clone()).await?;
        let matches = bool::from(output.ct_eq(&expected)) && stored.is_some();
        let same = |old: &Params, new: &Params| {
            (old.m_cost(), old.t_cost(), old.p_cost(), old.keyid())
                == (new.m_cost(), new.t_cost(), new.p_cost(), new.keyid())
        };
        Ok(Verdict { matches, outdated: matches && !same(&params, &self.params) })
    }

    /// Hashes, at the cost of today's parameters at least.
    async fn run(&self, params: Params, salt: Vec<u8>, password: Password) -> Result<Output32, Unhashed> {
        let peppers = Arc::clone(&self.peppers);
        let missing = missing(&params, &self.params);
        let hashed = self.pool.run(move |memory| {
            let pepper = peppers.iter().find(|pepper| pepper.id.as_bytes() == params.keyid());
            let key = pepper.map(|pepper| pepper.key.as_slice()).unwrap_or_default();
            let mut output = Output32::default();
            // The last one counts.
            for params in missing.into_iter().chain([params]) {
                // Not a block more: the pool keeps what is not larger than usual.
                memory.reserve_exact(params.block_count().saturating_sub(memory.len()));
                memory.resize(params.block_count(), Block::default());
                Argon2::new_with_secret(key, Algorithm::Argon2id, Version::V0x13, params)?
                    .hash_password_into_with_memory(
                        password.expose().as_bytes(),
                        &salt,
                        &mut output[..],
                        memory.as_mut_slice(),
                    )?;
            }
            Ok(output)
        });
        hashed.await?.map_err(|error: argon2::Error| {
            tracing::error!(%error, "hashing a password failed");
            Unhashed::Failed
        })
    }

    fn knows_pepper_of(&self, params: &Params) -> bool {
        params.keyid().is_empty() || self.peppers.iter().any(|pepper| pepper.id.as_bytes() == params.keyid())
    }
}

/// What argon2 gives; wiped when dropped.
type Output32 = Zeroizing<[u8; OUTPUT_BYTES]>;

/// Parameters that cost together what `today`'s cost beyond the `stored` ones': a hash's cost is memory times passes.
fn missing(stored: &Params, today: &Params) -> Vec<Params> {
    let cost = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
    let missing = cost(today).saturating_sub(cost(stored));
    let in_u32 = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let memory = u64::from(today.m_cost());
    let whole = (today.m_cost(), in_u32(missing / memory));
    let rest = (in_u32(missing % memory), 1);
    let parts = [whole, rest].into_iter().filter(|(memory, passes)| *memory >= LEAST_KIB && *passes > 0);
    parts.filter_map(|(memory, passes)| Params::new(memory, passes, 1, Some(OUTPUT_BYTES)).ok()).collect()
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").finish_non_exhaustive()
    }
}

fn phc(params: &Params, salt: &[u8], output: &[u8; OUTPUT_BYTES]) -> StoredHash {
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).expect("argon2's own parameters fit its own PHC form"),
        salt: Some(Salt::new(salt).expect("16 bytes are a PHC salt")),
        hash: Some(Output::new(output).expect("32 bytes are a PHC output")),
    };
    StoredHash::from_phc(hash.to_string())
}

fn parse(stored: &StoredHash) -> Option<(Params, Vec<u8>, [u8; OUTPUT_BYTES])> {
    let hash = PasswordHash::new(stored.phc()).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let bounded = params.m_cost() <= MAX_STORED_MEMORY_KIB
        && params.t_cost() <= MAX_STORED_PASSES
        && params.p_cost() <= MAX_STORED_LANES
        && hash.algorithm == Algorithm::Argon2id.ident();
    let output: [u8; OUTPUT_BYTES] = hash.hash?.as_ref().try_into().ok()?;
    bounded.then(|| hash.salt.map(|salt| (params, salt.as_ref().to_vec(), output)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(memory_kib: u32) -> Hasher {
        Hasher::new(&PasswordsConfig { memory_kib, passes: 1, permits: 1, ..Default::default() }, Dice::seeded(1))
    }

    /// With keys of these bytes as pepper, the newest first.
    fn peppered(keys: &[u8]) -> Hasher {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let keys: Vec<String> = keys.iter().map(|byte| BASE64_STANDARD.encode([*byte; 32])).collect();
        let pepper = Some(keys.join("\n").into());
        let config = PasswordsConfig { memory_kib: 32, passes: 1, permits: 1, pepper, ..Default::default() };
        Hasher::new(&config, Dice::seeded(1))
    }

    #[tokio::test]
    async fn a_peppered_hash_opens_only_with_its_key_and_is_made_anew_with_the_newest() {
        let password = Password::new("correct horse battery");
        let old = peppered(&[1]).hash(&password).await.unwrap();
        assert!(old.phc().contains("keyid="), "{}", old.phc());
        let judged = async |hasher: Hasher, stored: &StoredHash| hasher.verify(&password, Some(stored)).await.unwrap();
        assert_eq!(judged(peppered(&[1]), &old).await, Verdict { matches: true, outdated: false });
        assert_eq!(judged(peppered(&[2, 1]), &old).await, Verdict { matches: true, outdated: true });
        assert!(!judged(peppered(&[2]), &old).await.matches);
        assert!(!judged(hasher(32), &old).await.matches);
        // A pepper may be introduced later.
        let bare = hasher(32).hash(&password).await.unwrap();
        assert_eq!(judged(peppered(&[1]), &bare).await, Verdict { matches: true, outdated: true });
        // Its name is no part of the hash's strength: taking it out opens nothing.
        let (before, rest) = old.phc().split_once(",keyid=").unwrap();
        let stripped = StoredHash::from_phc(format!("{before}{}", &rest[rest.find('$').unwrap()..]));
        assert!(!judged(peppered(&[1]), &stripped).await.matches);
    }

    #[tokio::test]
    async fn only_the_right_password_matches() {
        let hasher = hasher(64);
        let stored = hasher.hash(&Password::new("correct horse battery")).await.unwrap();
        let right = hasher.verify(&Password::new("correct horse battery"), Some(&stored)).await.unwrap();
        assert_eq!(right, Verdict { matches: true, outdated: false });
        assert!(!hasher.verify(&Password::new("Correct horse battery"), Some(&stored)).await.unwrap().matches);
        assert!(!hasher.verify(&Password::new("correct horse battery"), None).await.unwrap().matches);
        // The same text in another Unicode form is the same password.
        let stored = hasher.hash(&Password::new("cafe\u{301} cafe\u{301}")).await.unwrap();
        assert!(hasher.verify(&Password::new("café café"), Some(&stored)).await.unwrap().matches);
    }

    #[test]
    fn what_a_cheaper_hash_costs_less_is_made_up_for() {
        let params = |memory, passes| Params::new(memory, passes, 1, None).unwrap();
        let together = |stored, today| {
            let parts = missing(&stored, &today);
            parts.iter().map(|part| (part.m_cost(), part.t_cost())).collect::<Vec<_>>()
        };
        assert_eq!(together(params(19, 2), params(64, 3)), [(64, 2), (26, 1)]);
        assert_eq!(together(params(64, 1), params(64, 3)), [(64, 2)]);
        assert_eq!(together(params(60, 1), params(64, 1)), [], "less than argon2 can be asked for");
        assert_eq!(together(params(64, 3), params(64, 3)), []);
        assert_eq!(together(params(64, 3), params(19, 2)), [], "dearer ones cannot be made cheaper");
    }

    #[tokio::test]
    async fn what_argon2_refuses_is_a_fault_and_no_crowd() {
        let refused = hasher(32).run(hasher(32).params, Vec::new(), Password::new("a")).await;
        assert_eq!(refused.err(), Some(Unhashed::Failed), "no salt");
    }

    #[tokio::test]
    async fn older_parameters_are_noticed_and_absurd_ones_refused() {
        let stored = hasher(32).hash(&Password::new("correct horse battery")).await.unwrap();
        let verdict = hasher(64).verify(&Password::new("correct horse battery"), Some(&stored)).await.unwrap();
        assert_eq!(verdict, Verdict { matches: true, outdated: true });
        let planted = StoredHash::from_phc(stored.phc().replace("m=32", "m=2000000000"));
        assert!(!hasher(64).verify(&Password::new("correct horse battery"), Some(&planted)).await.unwrap().matches);
    }
}
