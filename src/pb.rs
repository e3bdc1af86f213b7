//! The generated messages and services of `proto/`: the only place that includes them.

#![allow(clippy::all, clippy::pedantic, missing_docs, rustdoc::all, reason = "generated code")]

include!(concat!(env!("OUT_DIR"), "/backline.v1.rs"));

/// The encoded descriptor set, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bare.bin"));

/// The same with all comments, for tools that document the API.
#[cfg(feature = "client")]
pub const COMMENTED_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/commented.bin"));
