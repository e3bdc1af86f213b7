//! What can go wrong in review.

use std::collections::HashMap;

use sea_orm::DbErr;
use tonic::Code;
use tonic_types::ErrorDetails;

use crate::{
    kernel::Permission,
    pb::ErrorReason,
    rpc::{Fault, fault},
    submissions,
};

/// In words a reviewer understands.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("nobody decides on a track of their own artist; leave it to someone else")]
    OwnArtist,
    #[error(transparent)]
    Submission(#[from] submissions::Error),
    #[error("the database failed")]
    Database(#[from] DbErr),
}

impl Fault for Error {
    fn class(&self) -> (Code, ErrorReason) {
        match self {
            Self::OwnArtist => (Code::PermissionDenied, ErrorReason::PermissionMissing),
            Self::Submission(error) => error.class(),
            Self::Database(error) => fault::database(error),
        }
    }

    fn facts(&self) -> HashMap<String, String> {
        match self {
            Self::OwnArtist => {
                HashMap::from([("permission".to_owned(), Permission::ReviewSubmissions.name().to_owned())])
            }
            Self::Submission(error) => error.facts(),
            Self::Database(_) => HashMap::new(),
        }
    }

    fn describe(&self, details: &mut ErrorDetails) {
        if let Self::Submission(error) = self {
            error.describe(details);
        }
    }

    fn database(&self) -> Option<&DbErr> {
        match self {
            Self::OwnArtist => None,
            Self::Submission(error) => error.database(),
            Self::Database(error) => Some(error),
        }
    }
}

fault::status_from!(Error);
