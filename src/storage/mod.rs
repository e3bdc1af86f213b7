//! Files: how they come in, how they are checked, how they go out.
//!
//! Owns the tables `upload`, `upload_segment`, `stored_blob`, `object_reference` and `object_hold`, and everything in the
//! object store.
//! It promises that
//!
//! - what a reply calls persisted survives a crash: bytes are durable before the row that names them;
//! - the prefix of an upload has no gaps and never changes; repeats are harmless, other bytes are refused;
//! - one writer at a time: whoever takes over raises the generation, and the one before commits nothing more;
//! - an object's digest, type and bytes come from the same read; equal contents are stored once, and no owner learns of
//!   another;
//! - a process killed anywhere leaves nothing that the next run or the sweeper does not mend;
//! - while a backup holds the objects, nothing that a copy of the database may name is deleted.
//!
//! Virus scans, decoding and renditions are not here yet.

mod catalog;
mod domain;
mod error;
pub mod hold;
pub mod http;
mod http_parts;
pub mod jobs;
mod kinds;
mod part;
mod prefix;
mod pump;
mod range;
mod service;
mod signature;
mod sniff;
mod store;
#[cfg(test)]
mod tests;
mod wire;

pub use self::{
    domain::{Released, give_up, open, release},
    error::Error,
    service::StorageRpc,
};
