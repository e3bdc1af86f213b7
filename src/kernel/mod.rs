//! Small words everyone uses: ids, time, chance, callers, digests, addresses.
//!
//! Nothing here knows a feature, a database connection or a network. The types carry the rules that must hold
//! everywhere: an id of one kind is never another kind's, a personal value cannot print itself, and time and
//! randomness come from one place each, so that a test can hold both still.

pub mod caller;
pub mod clock;
pub mod deadline;
pub mod dice;
pub mod digest;
pub mod email;
pub mod factors;
pub mod ids;
pub mod net;
pub mod scopes;
pub mod secret;
pub mod text;
pub mod trace;

pub use self::{
    caller::{Caller, Facts, Impersonator, Permission, Principal, Proof, Role, Roles},
    clock::{Clock, Timestamp},
    dice::Dice,
    digest::Digest,
    email::EmailAddress,
    factors::{CheckedBy, FactorKind, FactorKinds},
    net::ClientAddress,
    scopes::{KeyInUse, Scopes},
    secret::{Password, StoredHash},
    trace::{RemoteSpan, Trace},
};
