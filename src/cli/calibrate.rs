//! `backline calibrate`: what password hashes may cost on this machine.

use std::time::Duration;

use crate::{config::Config, vault};

/// Measures, and prints the settings to use.
pub async fn run(config: &Config, target: Duration) {
    let permits = match config.passwords.permits {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        permits => permits,
    };
    let proposal = vault::calibrate(target, permits).await;
    let cost_ms = proposal.cost.as_secs_f64() * 1000.0;
    println!(
        "# One hash takes {cost_ms:.0} ms here beside {} others, of {} ms asked for.",
        permits - 1,
        target.as_millis()
    );
    if proposal.cost > target {
        println!("# This is the least that is safe (OWASP); it is not lowered for a slow machine.");
    }
    println!(
        "# With {permits} at once: {:.0} sign-ins a second at most, in {} MiB.",
        proposal.per_second(permits),
        u64::from(proposal.memory_kib) * permits as u64 / 1024
    );
    println!("[passwords]\nmemory_kib = {}\npasses = {}", proposal.memory_kib, proposal.passes);
}
