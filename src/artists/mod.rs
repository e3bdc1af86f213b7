//! Artists: the names under which tracks are published, and the people who act for them.
//!
//! Owns the tables `artist` and `artist_member`. It promises that
//!
//! - an artist always has an owner, who is also a member: both are made in one transaction ([`found`]);
//! - an artist that is not active exists only for its members and for staff; to others it is as absent as one that never
//!   was.
//!
//! How one becomes an artist is [`crate::applications`]; being found by search is [`crate::search`].

mod domain;
mod error;
mod service;
mod standing;
mod store;
mod wire;

pub use self::{
    domain::{NewArtist, changed, found},
    error::Error,
    service::ArtistRpc,
    standing::{Standing, find_standing, with_standing},
    store::{find, is_member, list_active_by_ids},
    wire::{links, proto},
};
