//! Failures that any RPC can have, whatever its feature.

use std::{collections::HashMap, time::Duration};

use sea_orm::DbErr;
use tonic::Code;
use tonic_types::{ErrorDetails, FieldViolation};

use super::{
    fault::{self, Fault},
    limit::Exceeded,
};
use crate::{
    kernel::{Permission, Proof},
    pb::ErrorReason,
};

/// Why a call was refused before, or instead of, its feature.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("this method wants an access token: send metadata authorization: Bearer <access token>")]
    AccessTokenMissing,
    #[error("the access token has expired; refresh the session")]
    AccessTokenExpired,
    #[error("the access token is not one of ours; sign in again")]
    AccessTokenInvalid,
    #[error("the session has ended; sign in again")]
    SessionRevoked { cause: &'static str },
    #[error("this needs the permission {}", .0.name())]
    PermissionMissing(Permission),
    #[error("this act wants a fresher check of who you are; call StepUp with one of the methods, then repeat")]
    StepUpRequired { methods: String },
    #[error("a session that looks through another person's eyes only reads")]
    ImpersonationReadsOnly,
    #[error("there is no such method")]
    MethodUnknown,
    #[error("there is nothing of this name")]
    NotFound,
    #[error("the message is larger than the method allows")]
    MessageTooLarge { max_bytes: String },
    #[error("the message cannot be decoded as the method's request")]
    MessageMalformed,
    #[error("the request has malformed fields")]
    FieldInvalid(Vec<FieldViolation>),
    #[error("the page token is not one of this query's; start again without one")]
    PageTokenInvalid,
    #[error("the filter is malformed: {0}")]
    FilterInvalid(String),
    #[error("the update mask is malformed: {0}")]
    UpdateMaskInvalid(String),
    #[error("the request id was used for another request; make a new one")]
    RequestIdReused,
    #[error("{0}")]
    RateLimited(#[from] Exceeded),
    #[error("the server is busy; try again shortly")]
    ServerBusy,
    #[error("the deadline has passed; what was done is complete or undone, never half")]
    DeadlineExceeded,
    #[error("the call was cancelled")]
    Cancelled,
    #[error("something went wrong on our side; it has been logged under the request id")]
    Internal,
    #[error("something we depend on is away; try again")]
    DependencyDown,
    #[error("the database failed")]
    Database(#[from] DbErr),
}

impl Fault for Refusal {
    fn class(&self) -> (Code, ErrorReason) {
        match self {
            Self::AccessTokenMissing => (Code::Unauthenticated, ErrorReason::AccessTokenMissing),
            Self::AccessTokenExpired => (Code::Unauthenticated, ErrorReason::AccessTokenExpired),
            Self::AccessTokenInvalid => (Code::Unauthenticated, ErrorReason::AccessTokenInvalid),
            Self::SessionRevoked { .. } => (Code::Unauthenticated, ErrorReason::SessionRevoked),
            Self::PermissionMissing(_) => (Code::PermissionDenied, ErrorReason::PermissionMissing),
            Self::StepUpRequired { .. } => (Code::FailedPrecondition, ErrorReason::StepUpRequired),
            Self::ImpersonationReadsOnly => (Code::PermissionDenied, ErrorReason::ImpersonationReadsOnly),
            Self::MethodUnknown => (Code::Unimplemented, ErrorReason::MethodUnknown),
            Self::NotFound => (Code::NotFound, ErrorReason::ResourceNotFound),
            Self::MessageTooLarge { .. } => (Code::ResourceExhausted, ErrorReason::MessageTooLarge),
            Self::MessageMalformed => (Code::InvalidArgument, ErrorReason::MessageMalformed),
            Self::FieldInvalid(_) => (Code::InvalidArgument, ErrorReason::FieldInvalid),
            Self::PageTokenInvalid => (Code::InvalidArgument, ErrorReason::PageTokenInvalid),
            Self::FilterInvalid(_) => (Code::InvalidArgument, ErrorReason::FilterInvalid),
            Self::UpdateMaskInvalid(_) => (Code::InvalidArgument, ErrorReason::UpdateMaskInvalid),
            Self::RequestIdReused => (Code::InvalidArgument, ErrorReason::RequestIdReused),
            Self::RateLimited(_) => (Code::ResourceExhausted, ErrorReason::RateLimited),
            Self::ServerBusy => (Code::ResourceExhausted, ErrorReason::ServerBusy),
            Self::DeadlineExceeded => (Code::DeadlineExceeded, ErrorReason::DeadlineExceeded),
            Self::Cancelled => (Code::Cancelled, ErrorReason::Cancelled),
            Self::Internal => (Code::Internal, ErrorReason::Internal),
            Self::DependencyDown => (Code::Unavailable, ErrorReason::DependencyDown),
            Self::Database(error) => fault::database(error),
        }
    }

    fn facts(&self) -> HashMap<String, String> {
        let fact = |key: &str, value: &str| HashMap::from([(key.to_owned(), value.to_owned())]);
        match self {
            Self::SessionRevoked { cause } => fact("cause", cause),
            Self::PermissionMissing(permission) => fact("permission", permission.name()),
            Self::StepUpRequired { methods } => HashMap::from([
                ("methods".to_owned(), methods.clone()),
                ("max_age".to_owned(), Proof::MAX_AGE.as_secs().to_string()),
            ]),
            Self::RateLimited(exceeded) => exceeded.facts(),
            Self::MessageTooLarge { max_bytes } => fact("max_bytes", max_bytes),
            _ => HashMap::new(),
        }
    }

    fn describe(&self, details: &mut ErrorDetails) {
        match self {
            Self::FieldInvalid(violations) => {
                details.set_bad_request(violations.clone());
            }
            Self::RateLimited(exceeded) => exceeded.describe(details),
            Self::StepUpRequired { methods } => {
                details.add_precondition_failure_violation("STEP_UP", methods, "call SessionService.StepUp first");
            }
            Self::ServerBusy | Self::DependencyDown => {
                details.set_retry_info(Some(Duration::from_secs(1)));
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

fault::status_from!(Refusal);
