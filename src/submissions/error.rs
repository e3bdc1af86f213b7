//! What can go wrong with a submission.

use std::{collections::HashMap, time::Duration};

use sea_orm::DbErr;
use tonic::Code;
use tonic_types::{ErrorDetails, PreconditionViolation};

use crate::{
    entity::account::Tier,
    kernel::ids::{SubmissionId, UploadId},
    pb::ErrorReason,
    rpc::{Fault, Transition, fault},
};

/// In words its artist understands.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such submission")]
    NotFound,
    #[error("there is no such track")]
    TrackNotFound,
    #[error("there is no such artist")]
    ArtistNotFound,
    /// A member who only looks, or an artist that is not active.
    #[error("this needs the permission artists.edit, and an active artist for anything new")]
    MayNotEdit,
    #[error("{0}")]
    Transition(Transition),
    #[error("the submission has been changed by someone else; read it again")]
    Changed,
    #[error("the track is being submitted already; go on with that submission")]
    ActiveSubmissionExists(Option<SubmissionId>),
    #[error("an upload of the track is {state}; wait until it is FINALIZED, or replace it")]
    UploadNotFinalized { upload: UploadId, state: String },
    #[error("at most {limit} submissions can be handed in within an hour; wait as told")]
    TooMany { tier: Tier, limit: u32, retry_after: Duration },
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
            Self::NotFound | Self::TrackNotFound | Self::ArtistNotFound => {
                (Code::NotFound, ErrorReason::ResourceNotFound)
            }
            Self::MayNotEdit => (Code::PermissionDenied, ErrorReason::PermissionMissing),
            Self::Transition(_) => (Code::FailedPrecondition, ErrorReason::InvalidStateTransition),
            Self::Changed => (Code::Aborted, ErrorReason::EtagMismatch),
            Self::ActiveSubmissionExists(_) => (Code::AlreadyExists, ErrorReason::ActiveSubmissionExists),
            Self::UploadNotFinalized { .. } => (Code::FailedPrecondition, ErrorReason::UploadNotFinalized),
            Self::TooMany { .. } => (Code::ResourceExhausted, ErrorReason::RateLimited),
            Self::Database(error) => fault::database(error),
        }
    }

    fn facts(&self) -> HashMap<String, String> {
        let fact = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        match self {
            Self::MayNotEdit => HashMap::from([fact("permission", "artists.edit")]),
            Self::Transition(refused) => refused.facts(),
            Self::UploadNotFinalized { upload, state } => {
                HashMap::from([fact("upload_id", &upload.to_string()), fact("state", state)])
            }
            Self::TooMany { tier, limit, .. } => HashMap::from([
                fact("scope", "submissions.submit"),
                fact("limit", &limit.to_string()),
                fact("tier", &tier.to_string()),
            ]),
            _ => HashMap::new(),
        }
    }

    fn describe(&self, details: &mut ErrorDetails) {
        match self {
            Self::NotFound => {
                details.set_resource_info("submission", "", "", self.to_string());
            }
            Self::TrackNotFound => {
                details.set_resource_info("track", "", "", self.to_string());
            }
            Self::ArtistNotFound => {
                details.set_resource_info("artist", "", "", self.to_string());
            }
            Self::ActiveSubmissionExists(id) => {
                let id = id.map(|id| id.to_string()).unwrap_or_default();
                details.set_resource_info("submission", id, "", self.to_string());
            }
            Self::Transition(refused) => refused.describe(details),
            Self::UploadNotFinalized { upload, .. } => {
                let violation = PreconditionViolation::new("UPLOAD", upload.to_string(), self.to_string());
                details.set_precondition_failure(vec![violation]);
            }
            Self::TooMany { retry_after, .. } => {
                details.add_quota_failure_violation("submissions.submit", self.to_string());
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
