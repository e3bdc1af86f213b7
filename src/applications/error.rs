//! What can go wrong with an application.

use std::collections::HashMap;

use sea_orm::DbErr;
use tonic::Code;
use tonic_types::ErrorDetails;

use crate::{
    kernel::{Permission, ids::ApplicationId},
    pb::ErrorReason,
    rpc::{Fault, Transition, fault},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such application, or it is not for you to see")]
    NotFound,
    #[error("you have an open application already; go on with that one")]
    Exists { open: Option<ApplicationId> },
    #[error("nobody decides on their own application; leave it to someone else")]
    Own,
    #[error("{0}")]
    State(Transition),
    #[error("the applicant's account has changed meanwhile; read the application again")]
    Changed,
    #[error("the database failed")]
    Database(#[from] DbErr),
}

impl From<Transition> for Error {
    fn from(transition: Transition) -> Self {
        Self::State(transition)
    }
}

impl Fault for Error {
    fn class(&self) -> (Code, ErrorReason) {
        match self {
            Self::NotFound => (Code::NotFound, ErrorReason::ResourceNotFound),
            Self::Exists { .. } => (Code::AlreadyExists, ErrorReason::ApplicationExists),
            Self::Own => (Code::PermissionDenied, ErrorReason::PermissionMissing),
            Self::State(_) => (Code::FailedPrecondition, ErrorReason::InvalidStateTransition),
            Self::Changed => (Code::Aborted, ErrorReason::EtagMismatch),
            Self::Database(error) => fault::database(error),
        }
    }

    fn facts(&self) -> HashMap<String, String> {
        match self {
            Self::Own => HashMap::from([("permission".to_owned(), Permission::ReviewApplications.name().to_owned())]),
            Self::State(transition) => transition.facts(),
            _ => HashMap::new(),
        }
    }

    fn describe(&self, details: &mut ErrorDetails) {
        match self {
            Self::NotFound => {
                details.set_resource_info("application", "", "", self.to_string());
            }
            Self::Exists { open } => {
                let name = open.map(|id| id.to_string()).unwrap_or_default();
                details.set_resource_info("application", name, "", self.to_string());
            }
            Self::State(transition) => transition.describe(details),
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
