//! What can go wrong with the safety of an account.

use std::{collections::HashMap, time::Duration};

use sea_orm::DbErr;
use tonic::Code;
use tonic_types::{ErrorDetails, FieldViolation};

use crate::{
    accounts::password::Rejected,
    entity::session::EndCause,
    pb::ErrorReason,
    rpc::{Fault, Refusal, fault, limit::Exceeded},
    sessions,
    vault::Unhashed,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the new password was refused: {0}")]
    PasswordRejected(Rejected),
    #[error("the current password is wrong")]
    WrongPassword,
    #[error("the current password was wrong too often; wait as told")]
    TooManyTries { limit: i64, retry_after: Duration },
    #[error("the mailbox has been sent enough letters for now; wait as told")]
    TooManyLetters(#[from] Exceeded),
    #[error("the link or code is wrong, was used, or is too old; ask for a new letter")]
    TokenInvalid,
    #[error("the code was tried too often; ask for a new letter")]
    AttemptsExhausted,
    #[error("this account has a second factor; prove that too")]
    FactorWanted { methods: String },
    #[error("{0}")]
    Factor(#[from] sessions::Error),
    #[error("this is your address already")]
    SameAddress,
    #[error("the account has changed meanwhile; read it again")]
    Changed,
    #[error("the session has ended; sign in again")]
    AccountGone,
    #[error("the session has ended; sign in again")]
    SessionEnded(Option<EndCause>),
    #[error("the address of this account was to be changed often enough for now; wait as told")]
    TooManyChanges(Exceeded),
    #[error("{0}")]
    Unhashed(#[from] Unhashed),
    #[error("the database failed")]
    Database(#[from] DbErr),
}

/// What `RATE_LIMITED` names.
const SCOPE: &str = "current_password";

impl Fault for Error {
    fn class(&self) -> (Code, ErrorReason) {
        match self {
            Self::PasswordRejected(_) => (Code::InvalidArgument, ErrorReason::PasswordRejected),
            Self::WrongPassword => (Code::Unauthenticated, ErrorReason::InvalidCredentials),
            Self::TooManyTries { .. } | Self::TooManyLetters(_) | Self::TooManyChanges(_) => {
                (Code::ResourceExhausted, ErrorReason::RateLimited)
            }
            Self::TokenInvalid => (Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired),
            Self::AttemptsExhausted => (Code::FailedPrecondition, ErrorReason::AttemptsExhausted),
            Self::FactorWanted { .. } => (Code::FailedPrecondition, ErrorReason::StepUpRequired),
            Self::Factor(error) => error.class(),
            Self::SameAddress => (Code::InvalidArgument, ErrorReason::FieldInvalid),
            Self::Changed => (Code::Aborted, ErrorReason::EtagMismatch),
            Self::AccountGone | Self::SessionEnded(_) => (Code::Unauthenticated, ErrorReason::SessionRevoked),
            Self::Unhashed(error) => fault::unhashed(*error),
            Self::Database(error) => fault::database(error),
        }
    }

    fn facts(&self) -> HashMap<String, String> {
        let fact = |key: &str, value: &str| HashMap::from([(key.to_owned(), value.to_owned())]);
        match self {
            Self::PasswordRejected(why) => why.facts(),
            Self::TooManyTries { limit, .. } => {
                HashMap::from([("scope".to_owned(), SCOPE.to_owned()), ("limit".to_owned(), limit.to_string())])
            }
            Self::TooManyLetters(exceeded) | Self::TooManyChanges(exceeded) => exceeded.facts(),
            Self::FactorWanted { methods } => step_up(methods).facts(),
            Self::Factor(error) => error.facts(),
            Self::AccountGone => fact("cause", "account_deleted"),
            Self::SessionEnded(cause) => fact("cause", &cause.map_or_else(String::new, |cause| cause.to_string())),
            _ => HashMap::new(),
        }
    }

    fn describe(&self, details: &mut ErrorDetails) {
        match self {
            Self::PasswordRejected(why) => why.describe("new_password", details),
            Self::FactorWanted { methods } => step_up(methods).describe(details),
            Self::Factor(error) => error.describe(details),
            Self::SameAddress => {
                details.set_bad_request(vec![FieldViolation::new("new_email", self.to_string())]);
            }
            Self::TooManyTries { limit, retry_after } => {
                details.add_quota_failure_violation(SCOPE, format!("at most {limit} in the window"));
                details.set_retry_info(Some(*retry_after));
            }
            Self::TooManyLetters(exceeded) | Self::TooManyChanges(exceeded) => exceeded.describe(details),
            Self::Unhashed(Unhashed::Full { retry_after }) => {
                details.set_retry_info(Some(*retry_after));
            }
            _ => {}
        }
    }

    fn database(&self) -> Option<&DbErr> {
        match self {
            Self::Database(error) => Some(error),
            Self::Factor(error) => error.database(),
            _ => None,
        }
    }
}

/// The same answer as the gate's.
fn step_up(methods: &str) -> Refusal {
    Refusal::StepUpRequired { methods: methods.to_owned() }
}

fault::status_from!(Error);
