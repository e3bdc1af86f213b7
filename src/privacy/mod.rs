//! A person's rights over what is held of them: a copy, and an end.
//!
//! Owns the tables `data_export` and `erasure_receipt`, and the [`register`] of everything that is held of people. Erasure
//! is the one place that deletes rows of other features: which, the register says, and a test holds it against the
//! schema, so that no table can be forgotten. Besides, this folder closes and opens an `account`, and notes in
//! `registration` and `login_attempt` whose a former address was. It promises that
//!
//! - an export has everything the register names, and is gone after seven days;
//! - a deleted account signs in nowhere and waits 14 days, in which the letter's link brings it back whole;
//! - an erasure may be killed anywhere and goes on where it stopped; at its end the person's key is destroyed, what is
//!   sealed under it is unreadable in every copy, and a receipt that names no one says how much was erased;
//! - ended sessions stay without a word of the person until they are swept, because access tokens are refused by them;
//! - works that were published keep their facts and files, withdrawn, under the artist's name; everything else goes.
//!
//! What replies to other people's calls tell of an erased person (a reviewer's, a fellow member's) is kept for repeats for
//! 24 hours, sealed under the vault's key; those to staff who care for the account go with it.
//!
//! On the wire it is a part of `AccountService`, which [`crate::security`] puts together from here.

mod addresses;
mod archive;
mod deletion;
mod ends;
mod erasure;
mod error;
mod export;
mod jobs;
pub mod register;
mod rows;
pub mod service;
mod store;
mod wire;
mod works;

pub use self::{
    addresses::note_former_address,
    deletion::{bar, cancel_deletion, unbar},
    erasure::erase,
    error::Error,
    export::forget_copies,
    jobs::{BuildExport, EraseAccount, EraseDue, SweepExports},
};
