//! Submissions: tracks that someone wants published.
//!
//! A submission is a draft until a member of the artist hands it in; from then on the reviewers move it. Owns the
//! tables `submission`, `submission_revision` and `submission_history`; [`crate::review`] changes them only by a
//! [`Move`]. It promises that
//!
//! - of a track's submissions one is under way at most;
//! - what is handed in is frozen: the track is locked, and the revision names its bytes by their digests;
//! - every change of state stands in the table of [`states`], leaves one history row and one audit row in its own
//!   transaction, and is told to whoever watches;
//! - to all but the artist's members a submission does not exist before it is handed in.
//!
//! Nothing analyses files yet: handing in passes through PROCESSING to SUBMITTED at once, with both rows in the
//! history.

mod allowance;
mod domain;
mod error;
mod moves;
mod read;
mod service;
mod snapshot;
pub mod states;
mod store;
mod watch;
mod wire;

pub use self::{
    error::Error,
    moves::{Move, settle},
    read::as_reviewer,
    service::SubmissionRpc,
    states::Method,
    store::SeenSubmission,
    wire::{proto, submission_id},
};
