//! Setting challenges and taking solutions.

use std::time::Duration;

use super::{
    Error,
    error::Rejected,
    pow, store,
    vendor::{self, Vendor},
};
use crate::{app::App, config::ChallengeKind, kernel::Digest};

/// How hard: each step doubles the work of the one before. Vendors judge that by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(pub u8);

impl Level {
    /// Steps beyond this one would hurt old phones more than machines that guess.
    const HIGHEST: u8 = 3;

    pub(super) fn cost(self, base: u32) -> u32 {
        base.saturating_mul(1 << self.0.min(Self::HIGHEST))
    }
}

/// Something to solve.
#[derive(Clone, Debug)]
pub struct Challenge {
    pub kind: ChallengeKind,
    /// The ALTCHA challenge as JSON, or the site key.
    pub text: String,
    /// How long it can be solved.
    pub life: Duration,
}

/// What a client says is the answer. It cannot print itself: a vendor's token is a secret until it is spent.
#[derive(Clone)]
pub struct Solution {
    pub kind: ChallengeKind,
    pub text: String,
}

impl std::fmt::Debug for Solution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Solution").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A challenge of the configured kind. Nothing is stored: giving one away costs nothing.
///
/// # Errors
/// [`Error::NoChallenge`], if the signature fails, which it does not.
pub fn offer(app: &App, level: Level) -> Result<Challenge, Error> {
    let config = &app.config.challenges;
    let text = match config.kind {
        ChallengeKind::Pow => pow::make(app, level).ok_or(Error::NoChallenge)?,
        ChallengeKind::Turnstile | ChallengeKind::Hcaptcha => config.site_key.clone(),
    };
    Ok(Challenge { kind: config.kind, text, life: config.life })
}

/// Lets a call pass that brings a good solution, and spends it.
///
/// # Errors
/// [`Error::Required`] with a new challenge when there is no solution or it is not good, and why;
/// [`Error::VendorAway`] when nobody can tell.
pub async fn require(app: &App, solution: Option<&Solution>, level: Level) -> Result<(), Error> {
    let Some(solution) = solution else { return Err(demand(app, level, None)) };
    let judged = if solution.kind == app.config.challenges.kind {
        judge(app, solution, level).await?
    } else {
        Err(Rejected::Wrong)
    };
    let outcome = judged.map_or_else(|rejected| format!("{rejected:?}").to_lowercase(), |()| "passed".to_owned());
    metrics::counter!("backline_challenge_solutions_total", "outcome" => outcome).increment(1);
    judged.map_err(|rejected| demand(app, level, Some(rejected)))
}

fn demand(app: &App, level: Level, rejected: Option<Rejected>) -> Error {
    match offer(app, level) {
        Ok(challenge) => Error::Required { challenge, rejected },
        Err(error) => error,
    }
}

async fn judge(app: &App, solution: &Solution, level: Level) -> Result<Result<(), Rejected>, Error> {
    let vendor = match solution.kind {
        ChallengeKind::Pow => return judge_work(app, solution, level).await,
        ChallengeKind::Turnstile => Vendor::Turnstile,
        ChallengeKind::Hcaptcha => Vendor::Hcaptcha,
    };
    vendor::verify(app, vendor, &solution.text).await.map_err(Error::VendorAway)
}

async fn judge_work(app: &App, solution: &Solution, level: Level) -> Result<Result<(), Rejected>, Error> {
    // One try of the same work, some milliseconds of a core.
    let (at, text) = (app.clone(), solution.text.clone());
    let checked = tokio::task::spawn_blocking(move || pow::check(&at, &text, level)).await;
    let work = match checked.map_err(|_| Error::NoChallenge)? {
        Ok(work) => work,
        Err(rejected) => return Ok(Err(rejected)),
    };
    // Only what is right is remembered: a flood of nonsense fills no table.
    let first = store::insert_spent(&app.db, Digest::sha256(work.nonce.as_bytes()), work.expires_at).await?;
    Ok(if first { Ok(()) } else { Err(Rejected::Spent) })
}
