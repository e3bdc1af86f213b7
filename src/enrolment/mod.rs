//! Enrolment: what people do with their own second factors.
//!
//! Owns no table: the factors are [`crate::factors`]'s, the sessions [`crate::sessions`]'. It promises that
//!
//! - adding, removing and new recovery codes end every other session, tell the owner by letter with a way back, and
//!   stand in the trail: all in one transaction;
//! - the session that did it goes on, with an access token that knows of it;
//! - secrets and recovery codes are shown once;
//! - staff do not remove their last factor.

mod domain;
mod error;
mod passkey;
mod service;
mod totp;
mod wire;

pub use self::{error::Error, service::FactorRpc};
