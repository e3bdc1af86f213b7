//! Sessions: devices that are signed in, and the tokens that keep them so.
//!
//! Owns the tables `session`, `login_attempt`, `login_guard` and `device`. It promises that
//!
//! - an unknown address, a wrong password, a locked one and an account that is not yet verified cost the same and answer
//!   the same;
//! - every attempt to sign in leaves a row, and those rows are what limits and locks count: no restart forgets them, and
//!   all instances share them;
//! - strangers who guess lock out strangers: never a known device, a passkey or a reset;
//! - a device token is stored as a hash, and proves nothing but that the device is known;
//! - refresh tokens are stored as hashes and rotate on each use; N refreshes at once give one new pair; a lost reply can be
//!   fetched again for 30 s with the old token; any other use of an old token ends the session and tells its owner;
//! - who has a second factor gives it after the password, or a passkey instead of both; a device that is trusted is not
//!   asked; what is in between is a flow of five minutes and five tries, which opens nothing by itself;
//! - a session that ended is refused by its access tokens at once on this instance, within two seconds on the others,
//!   without a database read per call;
//! - a browser's refresh token never meets a script: it travels in a cookie, which only `RefreshSession` and `Logout` read,
//!   and is worth nothing in a message; nor is an app's token in a cookie.

mod access;
mod attempts;
mod begin;
mod cookie;
mod device_store;
mod device_token;
pub mod devices;
mod end;
mod error;
mod flow;
mod follow;
mod guard;
mod guessing;
mod impersonation;
mod jobs;
mod login;
mod own;
pub mod page;
mod refresh;
mod refresh_token;
mod service;
mod step_up;
mod store;
mod watch;
mod wire;

pub use self::{
    access::{AccessTokens, Issued},
    attempts::identifier_mac,
    begin::Opening,
    end::end,
    error::Error,
    flow::{Required, begin_passkey, show_factor},
    follow::follow_changes,
    guard::{PasswordStanding, forget_guesses, password_reset, password_standing, turn_password_off, unlock},
    impersonation::{end_impersonation, end_impersonations_around, impersonate},
    jobs::{FollowUpLock, SweepSessions},
    login::DeviceTokenText,
    service::SessionRpc,
    step_up::{CarriedOn, carry_on},
    store::{Which, find_of, list_live},
    wire::{device_token, of_another as proto, transport},
};
