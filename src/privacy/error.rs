//! What can go wrong with a copy or an end.

use std::{collections::HashMap, time::Duration};

use sea_orm::DbErr;
use tonic::Code;
use tonic_types::{ErrorDetails, FieldViolation};

use crate::{
    entity::data_export::State,
    objects::ObjectError,
    pb::ErrorReason,
    rpc::{Fault, fault},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such export, or it is not yours")]
    ExportNotFound,
    #[error("an export is being gathered; wait for the letter")]
    ExportExists,
    #[error("the export is {0}; only a ready one can be downloaded")]
    ExportNotReady(State),
    #[error("{MAX_EXPORTS} exports were asked for within 24 hours; ask again later")]
    TooManyExports { wait: Duration },
    #[error("the export has {size_bytes} bytes; begin within them")]
    BeyondEnd { size_bytes: i64 },
    #[error("this is the last administrator; make another one first")]
    LastAdmin,
    #[error("the account has changed meanwhile; read it again")]
    Changed,
    #[error("the link is wrong, was used, or is too old")]
    TokenInvalid,
    #[error("a file of the account is being checked, or is held for a backup")]
    StillChecking,
    #[error("the copy could not be written")]
    Archive(#[source] std::io::Error),
    #[error("the object store failed")]
    Store(#[from] ObjectError),
    #[error("a file could not be let go of")]
    Files(#[from] crate::storage::Error),
    #[error("the database failed")]
    Database(#[from] DbErr),
}

/// Exports that one person may ask for within 24 hours.
pub const MAX_EXPORTS: u64 = 3;

impl Fault for Error {
    fn class(&self) -> (Code, ErrorReason) {
        match self {
            Self::ExportNotFound => (Code::NotFound, ErrorReason::ResourceNotFound),
            Self::ExportExists => (Code::AlreadyExists, ErrorReason::DataExportExists),
            Self::ExportNotReady(_) => (Code::FailedPrecondition, ErrorReason::DataExportNotReady),
            Self::TooManyExports { .. } => (Code::ResourceExhausted, ErrorReason::RateLimited),
            Self::BeyondEnd { .. } => (Code::InvalidArgument, ErrorReason::FieldInvalid),
            Self::LastAdmin => (Code::FailedPrecondition, ErrorReason::LastAdmin),
            Self::Changed => (Code::Aborted, ErrorReason::EtagMismatch),
            Self::TokenInvalid => (Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired),
            Self::StillChecking => (Code::Unavailable, ErrorReason::DependencyDown),
            Self::Archive(_) => (Code::Internal, ErrorReason::Internal),
            Self::Store(ObjectError::Missing) => (Code::Internal, ErrorReason::Internal),
            Self::Store(_) => (Code::Unavailable, ErrorReason::DependencyDown),
            Self::Files(error) => error.class(),
            Self::Database(error) => fault::database(error),
        }
    }

    fn facts(&self) -> HashMap<String, String> {
        match self {
            Self::ExportNotReady(state) => HashMap::from([("state".to_owned(), state.to_string().to_uppercase())]),
            Self::TooManyExports { .. } => HashMap::from([("scope".to_owned(), "data_exports".to_owned())]),
            _ => HashMap::new(),
        }
    }

    fn describe(&self, details: &mut ErrorDetails) {
        match self {
            Self::ExportNotFound | Self::ExportExists => {
                details.set_resource_info("data_export", "", "", self.to_string());
            }
            Self::ExportNotReady(_) => {
                details.add_precondition_failure_violation("DATA_EXPORT_NOT_READY", "data_export", self.to_string());
            }
            Self::TooManyExports { wait } => {
                details.add_quota_failure_violation("data_exports", self.to_string());
                details.set_retry_info(Some(*wait));
            }
            Self::BeyondEnd { .. } => {
                details.set_bad_request(vec![FieldViolation::new("offset", self.to_string())]);
            }
            Self::LastAdmin => {
                details.add_precondition_failure_violation("LAST_ADMIN", "account", self.to_string());
            }
            _ => {}
        }
    }

    fn database(&self) -> Option<&DbErr> {
        match self {
            Self::Database(error) => Some(error),
            Self::Files(error) => error.database(),
            _ => None,
        }
    }
}

fault::status_from!(Error);
