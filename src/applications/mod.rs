//! Applications: the way from listener to artist.
//!
//! Owns the table `artist_application`. It promises that
//!
//! - a person has one open application at most (a partial unique index says so on both databases);
//! - states change only along the table in `states.rs`, and each statement repeats the table's guard;
//! - approval makes the artist, its owner and the owner's role in one transaction, or nothing of it;
//! - nobody decides on their own application, and drafts are seen by nobody else;
//! - every decision is followed by a letter, written in its transaction.

mod domain;
mod error;
mod service;
mod states;
mod store;
mod wire;

pub use self::{error::Error, service::ApplicationRpc, states::Act};
