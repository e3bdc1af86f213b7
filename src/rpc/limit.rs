//! How often each method may be called: which limit it falls under, and how a refusal looks.
//!
//! Methods without a caller are limited by the address they come from, all others by account or session. The numbers stand in the
//! configuration, the counting in [`crate::limits`].

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use tonic::Request;
use tonic_types::ErrorDetails;

use super::{
    Rpc,
    access::{self, Access, Cost, Who},
};
use crate::kernel::{
    Caller, ClientAddress,
    ids::{AccountId, SessionId},
};

/// What shares one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Anyone's reads.
    OpenRead,
    /// Anyone's acts that send a letter or take up an address: a challenge first, a refusal later.
    Costly,
    /// Anyone's acts that spend a code, a link or a token.
    Try,
    Login,
    Refresh,
    Read,
    Write,
    /// A signed-in person's acts that check or set a password; by session.
    PasswordCheck,
    Chunk,
    Transfer,
    Watch,
}

/// The limit of a method. A method that is new falls under the limit of its kind.
pub const fn class(rpc: Rpc) -> Class {
    match (rpc, access::of(rpc)) {
        (Rpc::SessionLogin, _) => Class::Login,
        (Rpc::SessionRefreshSession, _) => Class::Refresh,
        (Rpc::AccountRegister | Rpc::AccountResendVerification | Rpc::AccountStartPasswordReset, _) => Class::Costly,
        (_, Access { who: Who::Anyone, cost: Cost::Read, .. }) => Class::OpenRead,
        (_, Access { who: Who::Anyone, .. }) => Class::Try,
        (_, Access { cost: Cost::Read, .. }) => Class::Read,
        (_, Access { cost: Cost::Write, .. }) => Class::Write,
        (_, Access { cost: Cost::Password, .. }) => Class::PasswordCheck,
        (_, Access { cost: Cost::Chunk, .. }) => Class::Chunk,
        (_, Access { cost: Cost::Transfer | Cost::Export, .. }) => Class::Transfer,
        (_, Access { cost: Cost::Watch, .. }) => Class::Watch,
    }
}

/// Whom a call is counted for.
#[derive(Clone, Copy, Debug)]
pub enum Payer {
    Address(ClientAddress),
    Account(AccountId),
    /// For checks of a password: whoever stole one session's token must not use up its owner's.
    Session(SessionId),
}

impl Payer {
    /// Whom a signed-in caller's call is counted for.
    pub fn of(caller: &Caller, class: Class) -> Self {
        match class {
            Class::PasswordCheck => Self::Session(caller.session),
            _ => Self::Account(caller.account),
        }
    }
}

/// Counts calls. The gate knows only this.
#[async_trait]
pub trait Limit: Send + Sync + 'static {
    /// Counts one more call, unless there were too many.
    ///
    /// # Errors
    /// [`Exceeded`], and the call is not counted.
    async fn admit(&self, class: Class, payer: Payer) -> Result<Admitted, Exceeded>;
}

/// A call that may go on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Admitted {
    /// There were so many of its kind that a person should show to be one. In the request's extensions.
    pub wants_challenge: bool,
}

/// Whether this call must bring a solved challenge.
pub fn wants_challenge<T>(request: &Request<T>) -> bool {
    request.extensions().get::<Admitted>().is_some_and(|admitted| admitted.wants_challenge)
}

/// Too many in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at most {limit} are allowed in the window; wait as told")]
pub struct Exceeded {
    /// Which limit, as clients are told: `writes`, `letters`.
    pub scope: &'static str,
    pub limit: u32,
    pub retry_after: Duration,
}

impl Exceeded {
    /// The metadata of `RATE_LIMITED`.
    pub fn facts(&self) -> HashMap<String, String> {
        HashMap::from([("scope".to_owned(), self.scope.to_owned()), ("limit".to_owned(), self.limit.to_string())])
    }

    /// The details of `RATE_LIMITED`.
    pub fn describe(&self, details: &mut ErrorDetails) {
        details.add_quota_failure_violation(self.scope, self.to_string());
        details.set_retry_info(Some(self.retry_after));
    }
}
