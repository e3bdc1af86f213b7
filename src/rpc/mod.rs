//! What all RPCs share, knowing no feature.
//!
//! - [`gate`]: the path of every call: method, access, caller, deadline, own task, typed answer
//! - [`access`]: the table that says who may call what
//! - [`auth`]: from a bearer token to a [`crate::kernel::Caller`]
//! - [`convert`]: times on the wire
//! - [`fault`]: the one road from a failure to a `Status`
//! - [`fields`]: malformed input, all violations at once
//! - [`limit`]: how often a method may be called
//! - [`page`]: page sizes and opaque, authenticated page tokens
//! - [`once`]: repeats of a mutation with the same `request_id`
//! - [`watch`]: how long a stream of changes stays open
//! - [`Transition`]: refusing what a thing's state does not allow

pub mod access;
pub mod auth;
pub mod convert;
pub mod fault;
pub mod fields;
pub mod filter;
pub mod gate;
pub mod limit;
pub mod list;
pub mod once;
mod outcome;
mod outflow;
pub mod page;
pub mod refusal;
mod transition;
pub mod watch;

pub use self::{
    auth::{caller, facts},
    fault::Fault,
    fields::Fields,
    list::{Rpc, RpcRequest},
    once::Once,
    page::Page,
    refusal::Refusal,
    transition::Transition,
};
