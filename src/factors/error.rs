//! What can go wrong with a second factor.

use std::{collections::HashMap, time::Duration};

use sea_orm::DbErr;
use tonic::Code;
use tonic_types::ErrorDetails;

use super::MOST;
use crate::{
    pb::ErrorReason,
    rpc::{Fault, fault},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the code is wrong, was used, or is too old")]
    WrongCode,
    #[error("the passkey's answer does not hold; begin again, or use another factor")]
    PasskeyRejected,
    #[error("this flow is not one of yours, is over, or is too old; begin again")]
    FlowOver,
    #[error("this flow has used up its tries; begin again")]
    TriesUsed,
    #[error("there were too many wrong codes; wait, or use another factor")]
    Locked { retry_after: Duration },
    #[error("there were too many wrong codes in a row; use another factor")]
    Off,
    #[error("there is no such factor, or it is not yours")]
    NotFound,
    #[error("there are {MOST} factors already; remove one first")]
    Limit,
    #[error("staff must have a second factor; add another one first")]
    LastRequired,
    #[error("the database failed")]
    Database(#[from] DbErr),
}

impl Fault for Error {
    fn class(&self) -> (Code, ErrorReason) {
        match self {
            Self::WrongCode => (Code::Unauthenticated, ErrorReason::InvalidCredentials),
            Self::PasskeyRejected => (Code::InvalidArgument, ErrorReason::PasskeyRejected),
            Self::FlowOver => (Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired),
            Self::TriesUsed | Self::Locked { .. } | Self::Off => {
                (Code::FailedPrecondition, ErrorReason::AttemptsExhausted)
            }
            Self::NotFound => (Code::NotFound, ErrorReason::ResourceNotFound),
            Self::Limit => (Code::ResourceExhausted, ErrorReason::FactorLimit),
            Self::LastRequired => (Code::FailedPrecondition, ErrorReason::LastRequiredFactor),
            Self::Database(error) => fault::database(error),
        }
    }

    fn facts(&self) -> HashMap<String, String> {
        match self {
            Self::Limit => HashMap::from([("limit".to_owned(), MOST.to_string())]),
            _ => HashMap::new(),
        }
    }

    fn describe(&self, details: &mut ErrorDetails) {
        match self {
            Self::Locked { retry_after } => {
                details.set_retry_info(Some(*retry_after));
            }
            Self::NotFound => {
                details.set_resource_info("factor", "", "", "it does not exist, or is not yours");
            }
            Self::Limit => {
                details.add_quota_failure_violation("factors", format!("at most {MOST}"));
            }
            Self::LastRequired => {
                details.add_precondition_failure_violation("FACTOR", "account", "staff must have a second factor");
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
