//! Administration: what staff do to accounts.
//!
//! Owns no table: accounts change only through what [`crate::accounts`] exports, sessions through [`crate::sessions`],
//! tools and keys through [`crate::service_accounts`]. It promises that
//!
//! - every change has a reason and an audit row in its transaction;
//! - the last administrator stays one, however many calls run at once, and nobody shuts themselves out;
//! - the role of artist follows membership and is not given or taken here;
//! - whoever gains an office signs in anew: no session from before carries it;
//! - nobody sees the service through a member of staff's eyes, and who looks through a person's eyes only reads, for a
//!   quarter of an hour, under the eyes of that person.

mod care;
mod domain;
mod error;
mod first;
mod jobs;
mod service;
mod store;
mod visits;
mod wire;

pub use self::{
    error::Error,
    first::{NewStaff, create_administrator},
    jobs::EndSuspensions,
    service::AdminRpc,
};
