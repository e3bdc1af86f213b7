//! Tracks: an artist's recordings, and what a label needs to know of them.
//!
//! Owns the table `track`. It promises that
//!
//! - only a draft is changed, and only by members of its artist who may do more than look;
//! - a track that a submission holds, or that is published, is neither changed nor deleted;
//! - of all tracks that are not deleted, one carries an ISRC;
//! - to whom may not see it, a track does not exist.
//!
//! A track's way from draft to published is a submission's: [`hold`], [`lock`], [`release`] and [`publish`] are for
//! [`crate::submissions`] and [`crate::review`]. The bytes are storage's; a track only names its uploads.

mod domain;
mod error;
mod hot;
mod isrc;
mod language;
mod lifecycle;
mod service;
mod states;
mod store;
mod wire;

pub use self::{
    error::Error,
    hot::changed,
    lifecycle::{hold, lock, publish, release},
    service::TrackRpc,
    states::{Act, allows},
    store::{SeenTrack, Track, find, find_many, find_seen},
    wire::proto,
};
