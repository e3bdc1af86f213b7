//! Second factors: what they are, and whether what somebody gives is one.
//!
//! Owns the tables `factor`, `recovery_code` and `factor_flow`. It promises that
//!
//! - a secret is sealed, and counts for nothing before its first right code; a recovery code is kept as a keyed hash;
//! - each code of an app, each recovery code and each challenge serves once, whoever is faster;
//! - tries are counted before an answer is judged: five a flow, ten in a quarter of an hour a factor, a hundred in a row
//!   before another factor must be shown. What is locked is the factor, never the account, and the owner hears of it;
//! - a passkey that counts backwards is refused and written down;
//! - `account.factor_kinds` says what is in force, from the same transaction on.
//!
//! What opens a session by a factor is [`crate::sessions`]; adding and removing one's own is [`crate::enrolment`].

mod change;
mod check;
mod codes;
mod error;
mod flow;
mod guessing;
mod jobs;
mod store;
pub mod wire;

pub use self::{
    change::{
        MOST, Removal, activate, add, hold, prepare, remove, rename, reset, settle_added, undo_added, undo_removed,
        waiting,
    },
    check::{Given, Passed, check, credential_ids, first_step, owner_of, sample},
    codes::{RecoveryCodes, renew_codes, void_codes},
    error::Error,
    flow::{
        Answered, FlowKind, FlowStart, Taken, answer_flow, begin_flow, begin_or_keep_flow, client_mac, finish_flow,
        give_try_back, void_flows,
    },
    guessing::is_off,
    jobs::SweepFactors,
    store::{count_codes_left, list_active},
};
