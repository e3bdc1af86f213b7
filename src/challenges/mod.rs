//! Challenges: what a flood of calls must solve and a person hardly notices.
//!
//! Owns the table `spent_challenge`. One kind is configured: proof of work by the ALTCHA scheme, version 2, which needs
//! nobody else; or Turnstile or hCaptcha, whose tokens are verified on their servers. It promises that
//!
//! - a solution is taken once, whichever instance takes it, over restarts too: the database knows which are spent, and not
//!   Redis, which may forget or be away;
//! - a proof of work is only taken from a server with the same keys, before it expires, at the demanded cost or above;
//! - while a vendor is away nobody passes: `DEPENDENCY_DOWN`.
//!
//! When a challenge is wanted is for those who call [`require`] to say; nothing here knows them.

mod domain;
mod error;
mod jobs;
mod pow;
mod store;
mod vendor;
mod wire;

pub use self::{
    domain::{Challenge, Level, Solution, offer, require},
    error::Error,
    jobs::SweepChallenges,
    wire::{proto, solution},
};
