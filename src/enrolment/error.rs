//! What can go wrong with one's own factors.

use std::collections::HashMap;

use sea_orm::DbErr;
use tonic::Code;
use tonic_types::ErrorDetails;

use crate::{
    factors,
    pb::ErrorReason,
    rpc::{Fault, fault},
    sessions,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Factor(#[from] factors::Error),
    #[error("{0}")]
    Session(#[from] sessions::Error),
    #[error("no challenge could be made")]
    NoChallenge,
    #[error("the database failed")]
    Database(#[from] DbErr),
}

impl Fault for Error {
    fn class(&self) -> (Code, ErrorReason) {
        match self {
            Self::Factor(error) => error.class(),
            Self::Session(error) => error.class(),
            Self::NoChallenge => (Code::Internal, ErrorReason::Internal),
            Self::Database(error) => fault::database(error),
        }
    }

    fn facts(&self) -> HashMap<String, String> {
        match self {
            Self::Factor(error) => error.facts(),
            Self::Session(error) => error.facts(),
            _ => HashMap::new(),
        }
    }

    fn describe(&self, details: &mut ErrorDetails) {
        match self {
            Self::Factor(error) => error.describe(details),
            Self::Session(error) => error.describe(details),
            _ => {}
        }
    }

    fn database(&self) -> Option<&DbErr> {
        match self {
            Self::Factor(error) => error.database(),
            Self::Session(error) => error.database(),
            Self::Database(error) => Some(error),
            Self::NoChallenge => None,
        }
    }
}

fault::status_from!(Error);
