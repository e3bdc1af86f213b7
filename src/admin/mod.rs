//! Administration: what staff do to accounts.
//!
//! Owns no table: accounts change only through what [`crate::accounts`] exports. It promises that
//!
//! - every change has a reason and an audit row in its transaction;
//! - the last administrator stays one, however many calls run at once;
//! - the role of artist follows membership and is not given or taken here.

mod domain;
mod error;
mod service;
mod store;
mod wire;

pub use self::{error::Error, service::AdminRpc};
