//! Chance, from one place: the operating system's generator, or a seeded one in tests.
//!
//! Everything unguessable in Backline (tokens, codes, nonces, keys, ids) is thrown here.

use std::sync::Arc;

use parking_lot::Mutex;
use rand::{Rng, SeedableRng, TryRng, rngs::StdRng};

/// Throws bytes.
#[derive(Clone, Debug)]
pub enum Dice {
    /// The operating system's cryptographic generator.
    System,
    /// The same throws each run, for snapshots and replays. Never in production.
    Seeded(Arc<Mutex<StdRng>>),
}

impl Dice {
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// Fills `out` with unpredictable bytes.
    pub fn fill(&self, out: &mut [u8]) {
        match self {
            Self::System => {
                rand::rngs::SysRng
                    .try_fill_bytes(out)
                    .expect("the operating system always has random bytes after boot");
            }
            Self::Seeded(rng) => rng.lock().fill_bytes(out),
        }
    }

    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// A number in `0..bound`, evenly spread (rejection sampling).
    ///
    /// `bound` must not be zero.
    pub fn below(&self, bound: u32) -> u32 {
        let limit = u32::MAX - u32::MAX % bound;
        loop {
            let throw = u32::from_le_bytes(self.bytes());
            if throw < limit {
                return throw % bound;
            }
        }
    }
}
