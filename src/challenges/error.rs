//! Why a call does not pass.

use std::{collections::HashMap, time::Duration};

use sea_orm::DbErr;
use tonic::Code;
use tonic_types::ErrorDetails;

use super::Challenge;
use crate::{
    config::ChallengeKind,
    outgoing,
    pb::ErrorReason,
    rpc::{Fault, fault},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("solve the challenge and repeat the call with the solution")]
    Required { challenge: Challenge, rejected: Option<Rejected> },
    #[error("the service that verifies challenges is away; try again")]
    VendorAway(#[source] VendorFault),
    #[error("no challenge could be made")]
    NoChallenge,
    #[error("the database failed")]
    Database(#[from] DbErr),
}

/// Why a solution was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Damaged, of another kind or server, or no solution at all.
    Wrong,
    Expired,
    /// Taken before.
    Spent,
    /// Of an easier challenge than is wanted by now.
    TooEasy,
}

impl Rejected {
    const fn name(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Expired => "expired",
            Self::Spent => "spent",
            Self::TooEasy => "too_easy",
        }
    }
}

/// What is wrong with a vendor.
#[derive(Debug, thiserror::Error)]
pub enum VendorFault {
    #[error("{0}")]
    Failed(#[from] outgoing::Failed),
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("its answer is no verdict")]
    Garbage,
    #[error("it does not accept our secret; check challenges.secret")]
    SecretRefused,
}

/// The name in `CHALLENGE_REQUIRED`'s metadata.
const fn kind_name(kind: ChallengeKind) -> &'static str {
    match kind {
        ChallengeKind::Pow => "POW",
        ChallengeKind::Turnstile => "TURNSTILE",
        ChallengeKind::Hcaptcha => "HCAPTCHA",
    }
}

impl Fault for Error {
    fn class(&self) -> (Code, ErrorReason) {
        match self {
            Self::Required { .. } => (Code::FailedPrecondition, ErrorReason::ChallengeRequired),
            Self::VendorAway(_) => (Code::Unavailable, ErrorReason::DependencyDown),
            Self::NoChallenge => (Code::Internal, ErrorReason::Internal),
            Self::Database(error) => fault::database(error),
        }
    }

    fn facts(&self) -> HashMap<String, String> {
        let Self::Required { challenge, rejected } = self else { return HashMap::new() };
        let mut facts = HashMap::from([
            ("kind".to_owned(), kind_name(challenge.kind).to_owned()),
            ("challenge".to_owned(), challenge.text.clone()),
        ]);
        if let Some(rejected) = rejected {
            facts.insert("rejected".to_owned(), rejected.name().to_owned());
        }
        facts
    }

    fn describe(&self, details: &mut ErrorDetails) {
        match self {
            Self::Required { challenge, .. } => {
                let what = "repeat the call with challenge_solution";
                details.add_precondition_failure_violation("CHALLENGE", kind_name(challenge.kind), what);
            }
            Self::VendorAway(_) => {
                details.set_retry_info(Some(Duration::from_secs(1)));
            }
            _ => {}
        }
    }

    fn database(&self) -> Option<&DbErr> {
        match self {
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

fault::status_from!(Error);
