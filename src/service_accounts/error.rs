//! What can go wrong with tools and their keys.

use std::{collections::HashMap, time::Duration};

use sea_orm::DbErr;
use tonic::Code;
use tonic_types::ErrorDetails;

use crate::{
    kernel::Permission,
    pb::ErrorReason,
    rpc::{Fault, Refusal, Transition, fault},
    vault::Unhashed,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such key")]
    NotFound,
    #[error("this needs the permission {}, which was taken away meanwhile", .0.name())]
    PermissionGone(Permission),
    #[error("{0}")]
    IllegalTransition(Transition),
    #[error("{0}")]
    Unhashed(#[from] Unhashed),
    #[error("the tool's address is none")]
    NoAddress,
    #[error("the database failed")]
    Database(#[from] DbErr),
}

impl Fault for Error {
    fn class(&self) -> (Code, ErrorReason) {
        match self {
            Self::NotFound => (Code::NotFound, ErrorReason::ResourceNotFound),
            Self::PermissionGone(_) => (Code::PermissionDenied, ErrorReason::PermissionMissing),
            Self::IllegalTransition(_) => (Code::FailedPrecondition, ErrorReason::InvalidStateTransition),
            Self::Unhashed(Unhashed::Full { .. }) => (Code::ResourceExhausted, ErrorReason::ServerBusy),
            Self::Unhashed(Unhashed::Failed) => (Code::Internal, ErrorReason::Internal),
            Self::NoAddress => (Code::Internal, ErrorReason::Internal),
            Self::Database(error) => fault::database(error),
        }
    }

    fn facts(&self) -> HashMap<String, String> {
        match self {
            Self::PermissionGone(permission) => Refusal::PermissionMissing(*permission).facts(),
            Self::IllegalTransition(transition) => transition.facts(),
            _ => HashMap::new(),
        }
    }

    fn describe(&self, details: &mut ErrorDetails) {
        match self {
            Self::NotFound => {
                details.set_resource_info("api_key", "", "", self.to_string());
            }
            Self::IllegalTransition(transition) => transition.describe(details),
            Self::Unhashed(Unhashed::Full { .. }) => {
                details.set_retry_info(Some(Duration::from_secs(2)));
            }
            Self::Unhashed(Unhashed::Failed) | Self::PermissionGone(_) | Self::NoAddress | Self::Database(_) => {}
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
