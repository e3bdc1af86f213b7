//! What can go wrong with an account.

use std::collections::HashMap;

use sea_orm::DbErr;
use tonic::Code;
use tonic_types::{ErrorDetails, FieldViolation};

use super::password::Rejected;
use crate::{
    pb::ErrorReason,
    rpc::{Fault, fault, limit::Exceeded},
    vault::Unhashed,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the password was refused: {0}")]
    PasswordRejected(Rejected),
    #[error("the link or code is wrong, was used, or is too old; ask for a new letter")]
    TokenInvalid,
    #[error("the code was tried too often; ask for a new letter")]
    AttemptsExhausted,
    #[error("this address was registered more than once; give the password of this registration, too")]
    PasswordWanted,
    #[error("the account has changed meanwhile; read it again")]
    Changed,
    #[error("the session has ended; sign in again")]
    Gone,
    #[error("the mailbox has been sent enough letters for now; wait as told")]
    TooManyLetters(#[from] Exceeded),
    #[error("{0}")]
    Unhashed(#[from] Unhashed),
    #[error("the database failed")]
    Database(#[from] DbErr),
}

impl Fault for Error {
    fn class(&self) -> (Code, ErrorReason) {
        match self {
            Self::PasswordRejected(_) => (Code::InvalidArgument, ErrorReason::PasswordRejected),
            Self::TokenInvalid => (Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired),
            Self::AttemptsExhausted => (Code::FailedPrecondition, ErrorReason::AttemptsExhausted),
            Self::PasswordWanted => (Code::InvalidArgument, ErrorReason::FieldInvalid),
            Self::Changed => (Code::Aborted, ErrorReason::EtagMismatch),
            Self::Gone => (Code::Unauthenticated, ErrorReason::SessionRevoked),
            Self::TooManyLetters(_) => (Code::ResourceExhausted, ErrorReason::RateLimited),
            Self::Unhashed(error) => fault::unhashed(*error),
            Self::Database(error) => fault::database(error),
        }
    }

    fn facts(&self) -> HashMap<String, String> {
        match self {
            Self::PasswordRejected(why) => why.facts(),
            Self::TooManyLetters(exceeded) => exceeded.facts(),
            Self::Gone => HashMap::from([("cause".to_owned(), "account_deleted".to_owned())]),
            _ => HashMap::new(),
        }
    }

    fn describe(&self, details: &mut ErrorDetails) {
        match self {
            Self::PasswordRejected(why) => why.describe("password", details),
            Self::PasswordWanted => {
                details.set_bad_request(vec![FieldViolation::new("password", self.to_string())]);
            }
            Self::TooManyLetters(exceeded) => exceeded.describe(details),
            Self::Unhashed(Unhashed::Full { retry_after }) => {
                details.set_retry_info(Some(*retry_after));
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
