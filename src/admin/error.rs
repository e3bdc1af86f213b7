//! What can go wrong in the care of accounts.

use std::collections::HashMap;

use sea_orm::DbErr;
use tonic::Code;
use tonic_types::ErrorDetails;

use crate::{
    kernel::Permission,
    pb::ErrorReason,
    privacy,
    rpc::{Fault, Refusal, Transition, fault},
    security, sessions,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such account")]
    NotFound,
    #[error("this is the last administrator; make another one first")]
    LastAdmin,
    #[error("the account has changed meanwhile; read it again")]
    Changed,
    #[error("this is your own account; another administrator can do it")]
    TargetIsSelf,
    #[error("the account belongs to a member of staff; take the roles away first")]
    TargetIsStaff,
    #[error("the account is an internal tool's, and this is for people's")]
    TargetIsService,
    #[error("this needs the permission {}, which was taken away meanwhile", .0.name())]
    PermissionGone(Permission),
    #[error("{0}")]
    IllegalTransition(Transition),
    #[error(transparent)]
    Session(#[from] sessions::Error),
    #[error(transparent)]
    Privacy(#[from] privacy::Error),
    #[error(transparent)]
    Security(#[from] security::Error),
    #[error("the database failed")]
    Database(#[from] DbErr),
}

impl Fault for Error {
    fn class(&self) -> (Code, ErrorReason) {
        match self {
            Self::NotFound => (Code::NotFound, ErrorReason::ResourceNotFound),
            Self::LastAdmin => (Code::FailedPrecondition, ErrorReason::LastAdmin),
            Self::Changed => (Code::Aborted, ErrorReason::EtagMismatch),
            Self::TargetIsSelf => (Code::FailedPrecondition, ErrorReason::TargetIsSelf),
            Self::TargetIsStaff => (Code::FailedPrecondition, ErrorReason::TargetIsStaff),
            Self::TargetIsService => (Code::FailedPrecondition, ErrorReason::TargetIsService),
            Self::PermissionGone(_) => (Code::PermissionDenied, ErrorReason::PermissionMissing),
            Self::IllegalTransition(_) => (Code::FailedPrecondition, ErrorReason::InvalidStateTransition),
            Self::Session(error) => error.class(),
            Self::Privacy(error) => error.class(),
            Self::Security(error) => error.class(),
            Self::Database(error) => fault::database(error),
        }
    }

    fn facts(&self) -> HashMap<String, String> {
        match self {
            Self::PermissionGone(permission) => Refusal::PermissionMissing(*permission).facts(),
            Self::IllegalTransition(transition) => transition.facts(),
            Self::Session(error) => error.facts(),
            Self::Privacy(error) => error.facts(),
            Self::Security(error) => error.facts(),
            _ => HashMap::new(),
        }
    }

    fn describe(&self, details: &mut ErrorDetails) {
        let kind = match self {
            Self::NotFound => {
                details.set_resource_info("account", "", "", self.to_string());
                return;
            }
            Self::IllegalTransition(transition) => return transition.describe(details),
            Self::Session(error) => return error.describe(details),
            Self::Privacy(error) => return error.describe(details),
            Self::Security(error) => return error.describe(details),
            Self::LastAdmin => "LAST_ADMIN",
            Self::TargetIsSelf => "TARGET_IS_SELF",
            Self::TargetIsStaff => "TARGET_IS_STAFF",
            Self::TargetIsService => "TARGET_IS_SERVICE",
            Self::Changed | Self::PermissionGone(_) | Self::Database(_) => return,
        };
        details.add_precondition_failure_violation(kind, "account", self.to_string());
    }

    fn database(&self) -> Option<&DbErr> {
        match self {
            Self::Database(error) => Some(error),
            Self::Session(error) => error.database(),
            Self::Privacy(error) => error.database(),
            Self::Security(error) => error.database(),
            _ => None,
        }
    }
}

fault::status_from!(Error);
