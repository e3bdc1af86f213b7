//! Proof of work by the ALTCHA scheme, version 2.
//!
//! The client looks for a counter whose key, derived from the challenge's nonce and salt by PBKDF2, begins with a zero
//! byte; we derive that one key. The challenge travels with the solution and carries our signature, so nothing is stored
//! until it is solved. The library reads the machine's clock and throws its own dice; here the parameters are made with
//! ours, and the expiry is judged by ours.

use std::time::Duration;

use altcha::{Challenge, ChallengeParameters, HmacAlgorithm, Payload, VerifySolutionOptions, sign_challenge};
use base64::{Engine, prelude::BASE64_STANDARD};
use subtle::ConstantTimeEq;

use super::{Level, error::Rejected};
use crate::{app::App, kernel::Timestamp};

const ALGORITHM: &str = "PBKDF2/SHA-256";
/// Bytes of the derived key.
const KEY_LENGTH: usize = 32;
/// A zero byte: one try in 256 succeeds.
const KEY_PREFIX: &str = "00";

/// What was solved.
pub struct Work {
    pub nonce: String,
    pub expires_at: Timestamp,
}

/// A signed challenge as JSON.
pub fn make(app: &App, level: Level) -> Option<String> {
    let config = &app.config.challenges;
    let expires_at = app.clock.now() + config.life;
    let mut parameters = ChallengeParameters {
        algorithm: ALGORITHM.to_owned(),
        cost: level.cost(config.cost),
        data: None,
        expires_at: Some(expires_at.millis() / 1000),
        key_length: KEY_LENGTH,
        key_prefix: KEY_PREFIX.to_owned(),
        key_signature: None,
        memory_cost: None,
        nonce: hex::encode(app.dice.bytes::<16>()),
        parallelism: None,
        salt: hex::encode(app.dice.bytes::<16>()),
    };
    let signed = sign_challenge(&HmacAlgorithm::Sha256, &mut parameters, None, &secret(app), None).ok()?;
    serde_json::to_string(&signed).ok()
}

/// Judges what a client sent. Costs one try of the work; call it off the async threads.
pub fn check(app: &App, text: &str, level: Level) -> Result<Work, Rejected> {
    let json = BASE64_STANDARD.decode(text).map_err(|_| Rejected::Wrong)?;
    let Payload { challenge, solution } = serde_json::from_slice(&json).map_err(|_| Rejected::Wrong)?;
    let parameters = challenge.parameters;
    // Nothing of it is believed, and no work is done, before the signature.
    if !is_ours(app, &parameters, challenge.signature.as_deref().unwrap_or_default()) {
        return Err(Rejected::Wrong);
    }
    let seconds = parameters.expires_at.and_then(|at| u64::try_from(at).ok()).ok_or(Rejected::Wrong)?;
    let expires_at = Timestamp::from_micros(0) + Duration::from_secs(seconds);
    if expires_at <= app.clock.now() {
        return Err(Rejected::Expired);
    }
    if parameters.cost < level.cost(app.config.challenges.cost) {
        return Err(Rejected::TooEasy);
    }
    let nonce = parameters.nonce.clone();
    // The library would judge the expiry by the machine's clock: it is shown the challenge without one.
    let undated = sign(app, ChallengeParameters { expires_at: None, ..parameters }).ok_or(Rejected::Wrong)?;
    let judged = altcha::verify_solution(VerifySolutionOptions::new(&undated, &solution, secret(app)));
    if judged.is_ok_and(|result| result.verified) { Ok(Work { nonce, expires_at }) } else { Err(Rejected::Wrong) }
}

fn is_ours(app: &App, parameters: &ChallengeParameters, signature: &str) -> bool {
    let expected = sign(app, parameters.clone()).and_then(|signed| signed.signature);
    expected.is_some_and(|expected| bool::from(expected.as_bytes().ct_eq(signature.as_bytes())))
}

fn sign(app: &App, mut parameters: ChallengeParameters) -> Option<Challenge> {
    sign_challenge(&HmacAlgorithm::Sha256, &mut parameters, None, &secret(app), None).ok()
}

fn secret(app: &App) -> String {
    hex::encode(app.keys.derived("challenges"))
}
