//! Service accounts: internal tools, and the keys they call with.
//!
//! Owns the table `api_key`; a tool's account is a row of [`crate::accounts`] of kind `service`. It promises that
//!
//! - a key is shown once, and stored as a digest only; a damaged or forged one is refused without the database;
//! - a key does what its scopes say and no more, whatever roles its account might hold; what wants a fresh check of a
//!   person, and what people do with what is their own, is beyond any key;
//! - a revoked or expired key, and any key of a suspended account, is refused within two seconds on every instance, at
//!   one look-up a second and key, not one per call;
//! - its last use is known to the minute.
//!
//! The gRPC methods are part of `AdminService`: [`crate::admin`] hands them over to [`service`].

mod domain;
mod error;
mod jobs;
mod key;
pub mod service;
mod store;
mod verify;
mod wire;

pub use self::{
    domain::{Made, NewServiceAccount, create},
    error::Error,
    jobs::SweepKeys,
    key::is_key,
    verify::ApiKeys,
};

use std::{ops::RangeInclusive, time::Duration};

/// How long a key may live.
pub const LIFE: RangeInclusive<Duration> = Duration::from_hours(1)..=Duration::from_hours(365 * 24);
/// How long it lives if nobody says.
pub const DEFAULT_LIFE: Duration = Duration::from_hours(90 * 24);
/// How long a replaced key may live on beside the new one.
const OVERLAP: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24);
/// Longest name of a tool, in characters.
pub const MAX_NAME: usize = 100;
