//! What can go wrong with reading the trail.

use sea_orm::DbErr;
use tonic::Code;
use tonic_types::{ErrorDetails, FieldViolation};

use crate::{
    pb::ErrorReason,
    rpc::{Fault, fault},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("say why, in 1 to 500 characters: the reason is kept in the audit trail")]
    ReasonRequired,
    #[error("the database failed")]
    Database(#[from] DbErr),
}

impl Fault for Error {
    fn class(&self) -> (Code, ErrorReason) {
        match self {
            Self::ReasonRequired => (Code::InvalidArgument, ErrorReason::ReasonRequired),
            Self::Database(error) => fault::database(error),
        }
    }

    fn describe(&self, details: &mut ErrorDetails) {
        if matches!(self, Self::ReasonRequired) {
            details.set_bad_request(vec![FieldViolation::new("reason", self.to_string())]);
        }
    }

    fn database(&self) -> Option<&DbErr> {
        match self {
            Self::Database(error) => Some(error),
            Self::ReasonRequired => None,
        }
    }
}

fault::status_from!(Error);
