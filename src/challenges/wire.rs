//! Challenges on the wire.

use super::{Challenge, Solution};
use crate::{
    config::ChallengeKind,
    pb,
    rpc::{Fields, convert},
};

const MAX_SOLUTION: usize = 8192;

/// Reads the solution that a request may carry in `challenge_solution`.
pub fn solution(fields: &mut Fields, message: Option<&pb::ChallengeSolution>) -> Option<Solution> {
    let message = message?;
    let kind = match pb::ChallengeKind::try_from(message.kind) {
        Ok(pb::ChallengeKind::Pow) => Some(ChallengeKind::Pow),
        Ok(pb::ChallengeKind::Turnstile) => Some(ChallengeKind::Turnstile),
        Ok(pb::ChallengeKind::Hcaptcha) => Some(ChallengeKind::Hcaptcha),
        Ok(pb::ChallengeKind::Unspecified) | Err(_) => {
            fields.refuse("challenge_solution.kind", "must be POW, TURNSTILE or HCAPTCHA");
            None
        }
    };
    let fits = (1..=MAX_SOLUTION).contains(&message.solution.len());
    fields.expect(fits, "challenge_solution.solution", "must have 1 to 8192 characters");
    Some(Solution { kind: kind?, text: message.solution.clone() })
}

pub fn proto(challenge: &Challenge) -> pb::Challenge {
    let kind = match challenge.kind {
        ChallengeKind::Pow => pb::ChallengeKind::Pow,
        ChallengeKind::Turnstile => pb::ChallengeKind::Turnstile,
        ChallengeKind::Hcaptcha => pb::ChallengeKind::Hcaptcha,
    };
    pb::Challenge {
        kind: kind.into(),
        challenge: challenge.text.clone(),
        lifetime: Some(convert::duration(challenge.life)),
    }
}
