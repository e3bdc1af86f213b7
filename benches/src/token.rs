//! What the gate pays for each signed-in call.

use std::{hint::black_box, time::Instant};

use anyhow::Context;
use backline::vault::{Paseto, Ring};

const ROUNDS: u32 = 200_000;

pub fn measure() -> anyhow::Result<()> {
    let paseto = Paseto::new(Ring::fixed(&[[7; 32]]), "bench");
    let payload = [b'c'; 200];
    let token = paseto.issue("access/v1", &payload).context("no token")?;
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        black_box(paseto.open("access/v1", black_box(&token)).context("the token does not open")?);
    }
    println!("opening an access token: {:.2} µs", begun.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS));
    Ok(())
}
