//! Accounts: one per person, opened by whoever proves the mailbox.
//!
//! Owns the tables `account`, `registration` and `security_undo`. It promises that
//!
//! - registering tells nobody whether an address is known: same answer, same work, and the owner hears by letter;
//! - of several people who register one address, only the one who proves the mailbox gets the account and their password;
//!   while there are several, a link alone does not open it;
//! - links and codes are stored as hashes, live shortly, and are spent once;
//! - a change of roles is felt by access tokens that are already out.
//!
//! Signing in is [`crate::sessions`]; the safety of an account, and the gRPC face of all this, is [`crate::security`];
//! what staff do to accounts is [`crate::admin`].

mod care;
mod domain;
mod error;
mod jobs;
pub mod password;
pub mod proof;
pub mod registration;
mod roles;
mod staff;
mod store;
mod undo;
pub mod wire;

pub use self::{
    care::{Care, hold, still_may, update_care, update_suspensions_over},
    domain::update_profile,
    error::Error,
    jobs::SweepRegistrations,
    registration::{newest_pending, password_hint},
    roles::set_roles,
    staff::count_other_admins,
    store::{
        arrive, find, find_by_email, insert, list_roles_changed_since, none_is_staff, touch, update_email,
        update_factor_kinds, update_others_void, update_password, update_password_hash,
    },
    undo::{Change, DELETION_GRACE, Undone, sample, spend_deletion_link, take_undo, undo_link},
    wire::proto,
};
