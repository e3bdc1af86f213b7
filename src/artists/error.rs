//! What can go wrong with an artist.

use sea_orm::DbErr;
use tonic::Code;
use tonic_types::ErrorDetails;

use crate::{
    pb::ErrorReason,
    rpc::{Fault, fault},
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such artist, or it is not for you to see")]
    NotFound,
    #[error("the database failed")]
    Database(#[from] DbErr),
}

impl Fault for Error {
    fn class(&self) -> (Code, ErrorReason) {
        match self {
            Self::NotFound => (Code::NotFound, ErrorReason::ResourceNotFound),
            Self::Database(error) => fault::database(error),
        }
    }

    fn describe(&self, details: &mut ErrorDetails) {
        if matches!(self, Self::NotFound) {
            details.set_resource_info("artist", "", "", self.to_string());
        }
    }

    fn database(&self) -> Option<&DbErr> {
        match self {
            Self::Database(error) => Some(error),
            Self::NotFound => None,
        }
    }
}

fault::status_from!(Error);
