//! Password hashes: argon2id, a few at a time.
//!
//! One hash takes about 25 ms of a core and 19 MiB. Left alone, a login storm would run hundreds at once on the blocking
//! pool; here a semaphore of (cores) permits bounds them, a short queue waits, and a call whose deadline cannot be met is
//! refused at once. The permit belongs to the blocking job: a caller that goes away does not free it early. Working
//! memory is kept and used again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::{
    config::PasswordsConfig,
    kernel::{Dice, Password, StoredHash},
};

const OUTPUT_BYTES: usize = 32;
const SALT_BYTES: usize = 16;

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

/// Too many are waiting already.
#[derive(Debug, thiserror::Error)]
#[error("too many people are signing in at once; try again in a moment")]
pub struct Full;

/// The pool. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Hasher {
    params: Params,
    dice: Dice,
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    most_waiting: usize,
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
    /// What unknown users are compared with, so that they cost the same as known ones.
    dummy: StoredHash,
}

/// How long a call may wait for its turn, at most: its own deadline is 5 s.
const PATIENCE: Duration = Duration::from_secs(3);

impl Hasher {
    /// # Panics
    /// If the parameters are out of argon2's range, which [`PasswordsConfig`] has checked.
    pub fn new(config: &PasswordsConfig, dice: Dice) -> Self {
        let params = Params::new(config.memory_kib, config.passes, 1, Some(OUTPUT_BYTES))
            .expect("the configuration checked the parameters");
        let permits = match config.permits {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            permits => permits,
        };
        let mut hasher = Self {
            params,
            permits: Arc::new(Semaphore::new(permits)),
            waiting: Arc::default(),
            most_waiting: 4 * permits,
            memory: Arc::default(),
            dummy: StoredHash::from_phc(""),
            dice,
        };
        // No password has this hash: its output is random. Comparing with it costs what any comparison costs.
        hasher.dummy = phc(&hasher.params, &hasher.dice.bytes::<SALT_BYTES>(), &hasher.dice.bytes());
        hasher
    }

    /// Hashes a password for storing.
    ///
    /// # Errors
    /// [`Full`] when the queue is full or the turn does not come in time.
    pub async fn hash(&self, password: &Password) -> Result<StoredHash, Full> {
        let salt: [u8; SALT_BYTES] = self.dice.bytes();
        let params = self.params.clone();
        let password = password.clone();
        let output = self.run(params.clone(), salt.to_vec(), password).await?;
        Ok(phc(&params, &salt, &output))
    }

    /// Compares a password with a stored hash, or with the dummy when there is none.
    ///
    /// # Errors
    /// [`Full`] when the queue is full or the turn does not come in time.
    pub async fn verify(&self, password: &Password, stored: Option<&StoredHash>) -> Result<Verdict, Full> {
        let parsed = stored.and_then(parse).or_else(|| parse(&self.dummy));
        let Some((params, salt, expected)) = parsed else { return Ok(Verdict { matches: false, outdated: false }) };
        let output = self.run(params.clone(), salt, password.clone()).await?;
        let matches = bool::from(output.ct_eq(&expected)) && stored.is_some();
        let same = |old: &Params, new: &Params| {
            (old.m_cost(), old.t_cost(), old.p_cost()) == (new.m_cost(), new.t_cost(), new.p_cost())
        };
        Ok(Verdict { matches, outdated: matches && !same(&params, &self.params) })
    }

    async fn run(&self, params: Params, salt: Vec<u8>, password: Password) -> Result<[u8; OUTPUT_BYTES], Full> {
        let place = Place::take(&self.waiting, self.most_waiting)?;
        let permit = tokio::time::timeout(PATIENCE, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_| Full)?
            .map_err(|_| Full)?;
        drop(place);

        let memory = Arc::clone(&self.memory);
        let job = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut blocks = memory.lock().pop().unwrap_or_default();
            blocks.resize(params.block_count(), Block::default());
            let mut output = [0; OUTPUT_BYTES];
            let hashed = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
                password.expose().as_bytes(),
                &salt,
                &mut output,
                &mut blocks,
            );
            memory.lock().push(blocks);
            hashed.map(|()| output)
        });
        job.await.ok().and_then(Result::ok).ok_or(Full)
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").field("most_waiting", &self.most_waiting).finish_non_exhaustive()
    }
}

/// A place in the queue, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, most: usize) -> Result<Self, Full> {
        if waiting.fetch_add(1, Ordering::AcqRel) >= most {
            waiting.fetch_sub(1, Ordering::AcqRel);
            return Err(Full);
        }
        Ok(Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
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
        Hasher::new(&PasswordsConfig { memory_kib, passes: 1, permits: 1, breached_file: None }, Dice::seeded(1))
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

    #[tokio::test]
    async fn older_parameters_are_noticed_and_absurd_ones_refused() {
        let stored = hasher(32).hash(&Password::new("correct horse battery")).await.unwrap();
        let verdict = hasher(64).verify(&Password::new("correct horse battery"), Some(&stored)).await.unwrap();
        assert_eq!(verdict, Verdict { matches: true, outdated: true });
        let planted = StoredHash::from_phc(stored.phc().replace("m=32", "m=2000000000"));
        assert!(!hasher(64).verify(&Password::new("correct horse battery"), Some(&planted)).await.unwrap().matches);
    }
}
