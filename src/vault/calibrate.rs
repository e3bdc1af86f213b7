//! Finding out what password hashes may cost on this machine.

use std::time::{Duration, Instant};

use futures::future::join_all;

use super::Hasher;
use crate::{
    config::PasswordsConfig,
    kernel::{Dice, Password},
};

/// OWASP's floor with two passes, in KiB: nothing below it is proposed.
const FLOOR_KIB: u32 = 19 * 1024;
/// More memory than this is not proposed: what a hash holds, others at the same time hold as well.
const MOST_KIB: u32 = 256 * 1024;
const FLOOR_PASSES: u32 = 2;
const MOST_PASSES: u32 = 10;
/// Hashes whose fastest is taken for the cost: everything slower waited for something else.
const ROUNDS: usize = 3;

/// Parameters, and what one hash with them costs here while all others run that may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    pub memory_kib: u32,
    pub passes: u32,
    pub cost: Duration,
}

impl Proposal {
    /// Hashes per second, with as many at once as there are `permits`.
    pub fn per_second(&self, permits: usize) -> f64 {
        f64::from(u32::try_from(permits).unwrap_or(u32::MAX)) / self.cost.as_secs_f64().max(f64::EPSILON)
    }
}

/// Measures argon2id from OWASP's floor upwards and returns the dearest parameters that cost at most `target`, with
/// `permits` hashes at once: they share the memory's bandwidth, and a storm is when it matters.
///
/// Memory is raised first: it is what an attacker's hardware cannot share. The floor is proposed even if it costs more.
pub async fn calibrate(target: Duration, permits: usize) -> Proposal {
    let measured =
        async |memory_kib, passes| Proposal { memory_kib, passes, cost: cost(memory_kib, passes, permits).await };
    dearest(target, measured).await
}

async fn dearest(target: Duration, measured: impl AsyncFn(u32, u32) -> Proposal) -> Proposal {
    let mut best = measured(FLOOR_KIB, FLOOR_PASSES).await;
    while best.memory_kib * 5 / 4 <= MOST_KIB {
        let next = measured(best.memory_kib * 5 / 4, FLOOR_PASSES).await;
        if next.cost > target {
            break;
        }
        best = next;
    }
    while best.passes < MOST_PASSES && best.cost < target {
        let next = measured(best.memory_kib, best.passes + 1).await;
        if next.cost > target {
            break;
        }
        best = next;
    }
    best
}

async fn cost(memory_kib: u32, passes: u32, permits: usize) -> Duration {
    let mut config = PasswordsConfig::default();
    (config.memory_kib, config.passes, config.permits) = (memory_kib, passes, permits);
    let hasher = Hasher::new(&config, Dice::System);
    let password = Password::new("a password of usual length");
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let made = join_all((0..permits).map(|_| hasher.hash(&password))).await;
        if made.iter().all(Result::is_ok) {
            best = best.min(begun.elapsed());
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that takes one millisecond for so many KiB and passes.
    async fn on_a_machine(kib_per_ms: u32, target_ms: u64) -> (u32, u32) {
        let measured = async |memory_kib: u32, passes: u32| Proposal {
            memory_kib,
            passes,
            cost: Duration::from_millis(u64::from(memory_kib * passes / kib_per_ms)),
        };
        let best = dearest(Duration::from_millis(target_ms), measured).await;
        (best.memory_kib, best.passes)
    }

    #[tokio::test]
    async fn memory_grows_before_passes_and_nothing_is_below_the_floor() {
        assert_eq!(on_a_machine(1024, 1).await, (FLOOR_KIB, 2), "a slow machine gets the floor");
        let (memory, passes) = on_a_machine(1536, 50).await;
        assert!(memory > FLOOR_KIB && passes == 2, "{memory} {passes}");
        let (memory, passes) = on_a_machine(100_000, 40).await;
        assert!((MOST_KIB * 4 / 5..=MOST_KIB).contains(&memory) && passes > 2, "{memory} {passes}");
    }

    #[test]
    fn a_proposal_tells_how_many_may_sign_in() {
        let proposal = Proposal { memory_kib: FLOOR_KIB, passes: 2, cost: Duration::from_millis(25) };
        assert!((proposal.per_second(2) - 80.0).abs() < 0.01);
    }
}
