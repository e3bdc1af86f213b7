//! Backups: copies of everything, the way back, and the proof that both work.
//!
//! A place for backups is a store of its own: `objects/` has each content once, by its SHA-256, shared by all backups;
//! `backups/<name>/` has a copy of the database, the lists of what that copy names, the pieces of unfinished uploads, and
//! last of all `manifest.json`. One place belongs to one installation. It promises that
//!
//! - what was acknowledged before a backup began is in it, files included: the database is copied first, and until the
//!   objects are copied as well nothing is deleted that the copy may name ([`crate::storage::hold`]);
//! - a backup without its manifest does not exist; the next one clears up what an interrupted one left;
//! - objects that some manifest names stay, however many backups are dropped;
//! - a restore goes into an empty place only, and takes nothing whose SHA-256 is not that of the manifest;
//! - no key is in a backup: it has their identifiers, by which a restore tells beforehand that one is missing.
//!
//! Not in a backup: copies that people asked for of their data (they may ask again, and would otherwise outlive their
//! seven days), letters that were delivered into a folder, and what lies in Redis.
//!
//! [`verify()`] reads everything and says what is wrong; [`drill()`] does the same with a backup.

mod drill;
mod error;
mod jobs;
mod list;
mod make;
mod manifest;
mod metrics;
mod place;
mod progress;
mod prune;
mod restore;
mod samples;
mod store;
mod transfer;
mod verify;

pub use self::{
    drill::drill,
    error::Error,
    jobs::{DrillBackup, MakeBackup, due},
    make::{Wanted, make},
    manifest::{Manifest, Name},
    metrics::follow,
    place::Place,
    progress::{Progress, size},
    prune::prune,
    restore::{Restored, restore},
    verify::{Bytes, Report, verify},
};
