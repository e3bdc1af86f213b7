//! What can go wrong with files, as a closed list.

use std::{collections::HashMap, time::Duration};

use sea_orm::DbErr;
use tonic::Code;
use tonic_types::ErrorDetails;

use super::{kinds, prefix::Misplaced};
use crate::{
    entity::upload::{Purpose, State},
    objects::ObjectError,
    pb::ErrorReason,
    rpc::fault::{self, Fault},
};

/// Why a file was not taken or not given.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("the file is too large; at most {max_bytes} bytes")]
    TooLarge { size_bytes: i64, max_bytes: i64 },
    #[error("files of this media type are not taken here; take one of those in allowed")]
    TypeNotAllowed(Purpose),
    #[error("too much is being uploaded at once; finish or cancel an upload first")]
    Quota { quota: &'static str, limit: i64 },
    #[error("the server has no room for a file of this size now; try again later")]
    NoRoom,
    #[error("the upload continues at byte {expected}")]
    Gap { expected: i64, provided: i64 },
    #[error("other bytes are stored at this offset; is it the same file?")]
    Conflict { offset: i64 },
    #[error("the chunk does not match its CRC32C; send it again")]
    Checksum { offset: i64 },
    #[error("another writer has taken over")]
    Superseded { generation: i64 },
    #[error("the upload was left unfinished for too long; create another one")]
    Expired,
    #[error("the upload was cancelled; create another one")]
    Cancelled,
    #[error("the upload is {0} and takes no more changes")]
    AlreadyCompleted(State),
    #[error("bytes are missing from {from} on; send them and complete again")]
    Incomplete { from: i64, to: i64 },
    #[error("the digest is not the one declared")]
    Digest,
    #[error("the file is declared with {declared} bytes")]
    Size { declared: i64 },
    #[error("the object has {size_bytes} bytes; the offset lies beyond")]
    BeyondEnd { size_bytes: i64 },
    #[error("the object store failed; try again")]
    Store(#[from] ObjectError),
    #[error("a step of the work broke off")]
    BrokenOff(#[from] tokio::task::JoinError),
    #[error("the database failed")]
    Database(#[from] DbErr),
}

impl Error {
    /// For a chunk without a place.
    pub fn misplaced(why: Misplaced, expected: i64, provided: i64, declared: i64) -> Self {
        match why {
            Misplaced::TooLong => Self::Size { declared },
            Misplaced::Gap => Self::Gap { expected, provided },
        }
    }
}

impl Fault for Error {
    fn class(&self) -> (Code, ErrorReason) {
        match self {
            Self::NotFound(_) => (Code::NotFound, ErrorReason::ResourceNotFound),
            Self::TooLarge { .. } => (Code::InvalidArgument, ErrorReason::UploadTooLarge),
            Self::TypeNotAllowed(_) => (Code::InvalidArgument, ErrorReason::MediaTypeNotAllowed),
            Self::Quota { .. } => (Code::ResourceExhausted, ErrorReason::QuotaExceeded),
            Self::NoRoom => (Code::Unavailable, ErrorReason::DependencyDown),
            Self::Gap { .. } => (Code::OutOfRange, ErrorReason::OffsetGap),
            Self::Conflict { .. } => (Code::Aborted, ErrorReason::ChunkConflict),
            Self::Checksum { .. } => (Code::InvalidArgument, ErrorReason::ChunkChecksumMismatch),
            Self::Superseded { .. } => (Code::Aborted, ErrorReason::WriterSuperseded),
            Self::Expired => (Code::FailedPrecondition, ErrorReason::UploadExpired),
            Self::Cancelled => (Code::FailedPrecondition, ErrorReason::UploadCancelled),
            Self::AlreadyCompleted(_) => (Code::FailedPrecondition, ErrorReason::UploadAlreadyCompleted),
            Self::Incomplete { .. } => (Code::FailedPrecondition, ErrorReason::UploadIncomplete),
            Self::Digest => (Code::FailedPrecondition, ErrorReason::DigestMismatch),
            Self::Size { .. } => (Code::FailedPrecondition, ErrorReason::SizeMismatch),
            Self::BeyondEnd { .. } => (Code::InvalidArgument, ErrorReason::FieldInvalid),
            Self::Store(ObjectError::Missing) | Self::BrokenOff(_) => (Code::Internal, ErrorReason::Internal),
            Self::Store(_) => (Code::Unavailable, ErrorReason::DependencyDown),
            Self::Database(error) => fault::database(error),
        }
    }

    fn facts(&self) -> HashMap<String, String> {
        let pairs: Vec<(&str, String)> = match self {
            Self::TooLarge { size_bytes, max_bytes } => {
                vec![("max_bytes", max_bytes.to_string()), ("size_bytes", size_bytes.to_string())]
            }
            Self::TypeNotAllowed(purpose) => vec![("allowed", allowed(*purpose))],
            Self::Quota { quota, limit } => vec![("quota", (*quota).to_owned()), ("limit", limit.to_string())],
            Self::Gap { expected, provided } => {
                vec![("expected", expected.to_string()), ("provided", provided.to_string())]
            }
            Self::Conflict { offset } | Self::Checksum { offset } => vec![("offset", offset.to_string())],
            Self::Superseded { generation } => vec![("writer_generation", generation.to_string())],
            Self::AlreadyCompleted(state) => vec![("state", state.to_string().to_uppercase())],
            Self::Incomplete { from, to } => vec![("missing", format!("{from}-{to}"))],
            Self::Size { declared } => vec![("size_bytes", declared.to_string())],
            _ => Vec::new(),
        };
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    fn describe(&self, details: &mut ErrorDetails) {
        match self {
            Self::NotFound(kind) => {
                details.set_resource_info(*kind, "", "", "not there, or not for you");
            }
            Self::TooLarge { max_bytes, .. } => {
                details.add_bad_request_violation("size_bytes", format!("must be {max_bytes} or less"));
            }
            Self::TypeNotAllowed(purpose) => {
                details.add_bad_request_violation("media_type", format!("must be one of {}", allowed(*purpose)));
            }
            Self::Quota { quota, limit } => {
                details.add_quota_failure_violation(*quota, format!("at most {limit} for each account"));
            }
            Self::BeyondEnd { size_bytes } => {
                details.add_bad_request_violation("offset", format!("must be {size_bytes} or less"));
            }
            Self::Superseded { .. } | Self::Store(_) => {
                details.set_retry_info(Some(Duration::from_secs(1)));
            }
            Self::NoRoom => {
                details.set_retry_info(Some(Duration::from_mins(1)));
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

fn allowed(purpose: Purpose) -> String {
    kinds::allowed(purpose).collect::<Vec<_>>().join(",")
}

fault::status_from!(Error);
