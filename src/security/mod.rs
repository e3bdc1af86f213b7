//! The safety of an account: passwords, resets, a change of address, and taking changes back.
//!
//! Owns the tables `mail_proof`, `email_change` and `password_try`. It promises that
//!
//! - asking for a reset tells nobody whether an address is known: the call does not depend on it, a job does;
//! - opening a link spends nothing, and each link and code is spent once;
//! - a new password, a new address and a change taken back end the sessions that they should, in the same transaction;
//! - a wrong current password counts as a guess;
//! - every such change is told to the owner, with a link that takes it back;
//! - whatever changes an account holds its row first, so that changes follow each other and none waits in a circle.
//!
//! Also the gRPC face of [`crate::accounts`], because it stands above everything that such a change touches. Second
//! factors have a service of their own.

mod email;
mod error;
mod events;
mod jobs;
mod opening;
pub mod page;
mod password;
mod proofs;
mod reset;
mod service;
mod store;
mod undo;
mod wire;

pub use self::{
    error::Error,
    jobs::{SendReset, SweepProofs},
    password::replace as replace_password,
    reset::send as send_reset,
    service::AccountRpc,
};
