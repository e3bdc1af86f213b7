//! The one road from a failure to what the client receives.
//!
//! Features describe their failures (`impl Fault`); this module builds the `Status`. Nobody else does.

use std::{collections::HashMap, time::Duration};

use sea_orm::DbErr;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tracing::error;

use crate::{
    db::{self, Trouble},
    pb::ErrorReason,
    vault::Unhashed,
};

/// The `domain` of every `ErrorInfo`.
pub const ERROR_DOMAIN: &str = "backline";

/// A failure that knows how to present itself.
///
/// Its `Display` is written for the client: what is true, and what to do. It never quotes its source.
pub trait Fault: std::error::Error {
    /// The gRPC code, and the reason that clients tell failures apart by.
    fn class(&self) -> (Code, ErrorReason);

    /// The `metadata` of `ErrorInfo`, as `error_reason.proto` documents it for the reason.
    fn facts(&self) -> HashMap<String, String> {
        HashMap::new()
    }

    /// Adds further details: field violations, a retry delay, a quota.
    fn describe(&self, _: &mut ErrorDetails) {}

    /// The database error behind this failure, if one is.
    fn database(&self) -> Option<&DbErr> {
        None
    }
}

/// Turns a fault into what the client receives.
///
/// The fault's source goes to the log: here, once.
pub fn status<F: Fault>(fault: &F) -> Status {
    let (code, reason) = fault.class();
    if matches!(code, Code::Internal | Code::Unavailable) {
        error!(error = causes(fault), "request failed");
    }
    let mut details = ErrorDetails::with_error_info(short_name(reason), ERROR_DOMAIN, fault.facts());
    fault.describe(&mut details);
    if fault.database().is_some_and(|error| db::classify(error) != Trouble::Broken) {
        details.set_retry_info(Some(Duration::from_secs(1)));
    }
    Status::with_error_details(code, fault.to_string(), details)
}

/// A failure and what is behind it, in one line for the log.
///
/// Never written by `Debug`: PostgreSQL's driver quotes there the row that it stumbled over, with all that is personal in
/// it.
pub fn causes(error: &(dyn std::error::Error + '_)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

/// `ERROR_REASON_ETAG_MISMATCH` → `ETAG_MISMATCH`: what stands in `ErrorInfo.reason`.
pub fn short_name(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

/// How a database failure is classed in any feature.
pub fn database(error: &DbErr) -> (Code, ErrorReason) {
    match db::classify(error) {
        Trouble::Unavailable => (Code::Unavailable, ErrorReason::DependencyDown),
        Trouble::Timeout => (Code::DeadlineExceeded, ErrorReason::DeadlineExceeded),
        Trouble::Conflict => (Code::Unavailable, ErrorReason::DependencyDown),
        Trouble::Broken => (Code::Internal, ErrorReason::Internal),
    }
}

/// How a password that could not be hashed is classed in any feature.
pub fn unhashed(why: Unhashed) -> (Code, ErrorReason) {
    match why {
        Unhashed::Full { .. } => (Code::ResourceExhausted, ErrorReason::LoginCapacity),
        Unhashed::Failed => (Code::Internal, ErrorReason::Internal),
    }
}

/// `?` in a service turns a feature's error into a `Status`.
macro_rules! status_from {
    ($error:ty) => {
        impl From<$error> for tonic::Status {
            fn from(error: $error) -> Self {
                $crate::rpc::fault::status(&error)
            }
        }
    };
}
pub(crate) use status_from;
