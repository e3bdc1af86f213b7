//! Review: the staff's side of submissions.
//!
//! Owns no table: it moves submissions by a [`Move`](crate::submissions::Move), and tracks by the functions that
//! [`crate::tracks`] gives out. It promises that
//!
//! - nobody takes, decides or publishes a track of an artist they belong to, or that they handed in;
//! - a decision, its history, its audit row and the letter about it are one transaction;
//! - publishing makes the track public and findable in that same transaction.
//!
//! Whether the caller is staff at all was asked before, by the access table.

mod domain;
mod error;
mod publish;
mod queue;
mod service;
mod store;
mod wire;

pub use self::{error::Error, service::ReviewRpc};
