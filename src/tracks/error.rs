//! What can go wrong with a track.

use std::collections::HashMap;

use sea_orm::DbErr;
use tonic::Code;
use tonic_types::{ErrorDetails, FieldViolation};

use crate::{
    pb::ErrorReason,
    rpc::{Fault, Transition, fault},
};

/// In words its artist understands.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such track")]
    NotFound,
    #[error("there is no such artist")]
    ArtistNotFound,
    #[error("there is no such upload")]
    UploadNotFound,
    /// Uploads that are there, but cannot be what they are given for.
    #[error("the request names uploads that cannot be used")]
    UploadUnusable(Vec<FieldViolation>),
    /// A member who only looks, or an artist that is not active.
    #[error("this needs the permission artists.edit, and an active artist for anything new")]
    MayNotEdit,
    #[error("{0}")]
    Transition(Transition),
    #[error("the track has been changed by someone else; read it again")]
    Changed,
    #[error("another track has this ISRC; check the code")]
    IsrcInUse,
    #[error("the database failed")]
    Database(#[from] DbErr),
}

impl From<Transition> for Error {
    fn from(refused: Transition) -> Self {
        Self::Transition(refused)
    }
}

impl Fault for Error {
    fn class(&self) -> (Code, ErrorReason) {
        match self {
            Self::NotFound | Self::ArtistNotFound | Self::UploadNotFound => {
                (Code::NotFound, ErrorReason::ResourceNotFound)
            }
            Self::UploadUnusable(_) => (Code::InvalidArgument, ErrorReason::FieldInvalid),
            Self::MayNotEdit => (Code::PermissionDenied, ErrorReason::PermissionMissing),
            Self::Transition(_) => (Code::FailedPrecondition, ErrorReason::InvalidStateTransition),
            Self::Changed => (Code::Aborted, ErrorReason::EtagMismatch),
            Self::IsrcInUse => (Code::AlreadyExists, ErrorReason::IsrcInUse),
            Self::Database(error) => fault::database(error),
        }
    }

    fn facts(&self) -> HashMap<String, String> {
        match self {
            Self::MayNotEdit => HashMap::from([("permission".to_owned(), "artists.edit".to_owned())]),
            Self::Transition(refused) => refused.facts(),
            _ => HashMap::new(),
        }
    }

    fn describe(&self, details: &mut ErrorDetails) {
        match self {
            Self::NotFound => {
                details.set_resource_info("track", "", "", self.to_string());
            }
            Self::ArtistNotFound => {
                details.set_resource_info("artist", "", "", self.to_string());
            }
            Self::UploadNotFound => {
                details.set_resource_info("upload", "", "", self.to_string());
            }
            Self::UploadUnusable(violations) => {
                details.set_bad_request(violations.clone());
            }
            Self::Transition(refused) => refused.describe(details),
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
