//! What can go wrong in the care of accounts.

use sea_orm::DbErr;
use tonic::Code;
use tonic_types::{ErrorDetails, FieldViolation};

use crate::{
    pb::ErrorReason,
    rpc::{Fault, fault},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such account")]
    NotFound,
    #[error("say why, in 1 to 500 characters: the reason is kept in the audit trail")]
    ReasonRequired,
    #[error("this is the last administrator; make another one first")]
    LastAdmin,
    #[error("the account's roles have changed meanwhile; read it again")]
    Changed,
    #[error("the database failed")]
    Database(#[from] DbErr),
}

impl Fault for Error {
    fn class(&self) -> (Code, ErrorReason) {
        match self {
            Self::NotFound => (Code::NotFound, ErrorReason::ResourceNotFound),
            Self::ReasonRequired => (Code::InvalidArgument, ErrorReason::ReasonRequired),
            Self::LastAdmin => (Code::FailedPrecondition, ErrorReason::LastAdmin),
            Self::Changed => (Code::Aborted, ErrorReason::EtagMismatch),
            Self::Database(error) => fault::database(error),
        }
    }

    fn describe(&self, details: &mut ErrorDetails) {
        match self {
            Self::NotFound => {
                details.set_resource_info("account", "", "", self.to_string());
            }
            Self::ReasonRequired => {
                details.set_bad_request(vec![FieldViolation::new("reason", self.to_string())]);
            }
            Self::LastAdmin => {
                details.add_precondition_failure_violation("LAST_ADMIN", "account", self.to_string());
            }
            Self::Changed | Self::Database(_) => {}
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
