//! What can go wrong with signing in and staying so.

use std::collections::HashMap;

use sea_orm::DbErr;
use tonic::Code;
use tonic_types::ErrorDetails;

use crate::{
    challenges, factors,
    pb::ErrorReason,
    rpc::{Fault, Refusal, fault},
    vault::Unhashed,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the address or the password is wrong")]
    InvalidCredentials,
    #[error("the address is not confirmed yet; open the link of the letter, or ask for a new one")]
    NotVerified,
    #[error("the account is suspended")]
    Suspended,
    #[error("the account was changed while this sign-in was under way; sign in again")]
    Overtaken,
    #[error("the refresh token is not one of ours; sign in again")]
    RefreshInvalid,
    #[error("the session has expired; sign in again")]
    RefreshExpired,
    #[error("the refresh token was used before, so the session was ended; sign in again")]
    RefreshReused,
    #[error("the session has ended; sign in again")]
    Ended { cause: String },
    #[error("a session that looks through another person's eyes only reads")]
    ReadsOnly,
    #[error("a call that carries the session's cookie wants the header x-backline-csrf, with any value")]
    CsrfHeaderMissing,
    #[error("there is no such session, or it is not yours")]
    NotFound,
    #[error("there is no such device, or it is not yours")]
    NoDevice,
    #[error("{0}")]
    Challenge(#[from] challenges::Error),
    #[error("you have a stronger proof than that; give the one that the methods name, or a recovery code")]
    StrongerWanted { methods: String },
    #[error("{0}")]
    Factor(#[from] factors::Error),
    #[error("{0}")]
    Unhashed(#[from] Unhashed),
    #[error("no token could be made")]
    NoToken,
    #[error("the database failed")]
    Database(#[from] DbErr),
}

impl Fault for Error {
    fn class(&self) -> (Code, ErrorReason) {
        match self {
            Self::InvalidCredentials => (Code::Unauthenticated, ErrorReason::InvalidCredentials),
            Self::NotVerified => (Code::PermissionDenied, ErrorReason::AccountNotVerified),
            Self::Suspended => (Code::PermissionDenied, ErrorReason::AccountSuspended),
            Self::Overtaken => (Code::Aborted, ErrorReason::EtagMismatch),
            Self::RefreshInvalid => (Code::Unauthenticated, ErrorReason::RefreshTokenInvalid),
            Self::RefreshExpired => (Code::Unauthenticated, ErrorReason::RefreshTokenExpired),
            Self::RefreshReused => (Code::Unauthenticated, ErrorReason::RefreshTokenReused),
            Self::Ended { .. } => (Code::Unauthenticated, ErrorReason::SessionRevoked),
            Self::ReadsOnly => (Code::PermissionDenied, ErrorReason::ImpersonationReadsOnly),
            Self::CsrfHeaderMissing => (Code::PermissionDenied, ErrorReason::CsrfHeaderMissing),
            Self::NotFound | Self::NoDevice => (Code::NotFound, ErrorReason::ResourceNotFound),
            Self::StrongerWanted { .. } => (Code::FailedPrecondition, ErrorReason::StepUpRequired),
            Self::Factor(error) => error.class(),
            Self::Challenge(error) => error.class(),
            Self::Unhashed(error) => fault::unhashed(*error),
            Self::NoToken => (Code::Internal, ErrorReason::Internal),
            Self::Database(error) => fault::database(error),
        }
    }

    fn facts(&self) -> HashMap<String, String> {
        match self {
            Self::Ended { cause } => HashMap::from([("cause".to_owned(), cause.clone())]),
            Self::Challenge(error) => error.facts(),
            Self::StrongerWanted { methods } => step_up(methods).facts(),
            Self::Factor(error) => error.facts(),
            _ => HashMap::new(),
        }
    }

    fn describe(&self, details: &mut ErrorDetails) {
        match self {
            Self::Unhashed(Unhashed::Full { retry_after }) => {
                details.set_retry_info(Some(*retry_after));
            }
            Self::Challenge(error) => error.describe(details),
            Self::NoDevice => {
                details.set_resource_info("device", "", "", "it does not exist, or is not yours");
            }
            Self::StrongerWanted { methods } => step_up(methods).describe(details),
            Self::Factor(error) => error.describe(details),
            Self::NotFound => {
                details.set_resource_info("session", "", "", "it does not exist, or is not yours");
            }
            _ => {}
        }
    }

    fn database(&self) -> Option<&DbErr> {
        match self {
            Self::Database(error) => Some(error),
            Self::Challenge(error) => error.database(),
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
