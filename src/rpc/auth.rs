//! Who is calling.

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, header::AUTHORIZATION};
use tonic::{Request, Status};

use super::{Refusal, access::Who};
use crate::kernel::{Caller, Facts};

/// Verifies access tokens. Implemented by the sessions feature; the gate knows only this.
#[async_trait]
pub trait Authenticate: Send + Sync + 'static {
    /// The caller that `token` stands for.
    ///
    /// # Errors
    /// Expired, forged or foreign tokens, ended sessions.
    async fn authenticate(&self, token: &str, facts: Facts) -> Result<Caller, Refusal>;

    /// The same caller a while later, with the roles of now. Asked often, so it may be as late as other instances are.
    ///
    /// # Errors
    /// The session or the key has ended.
    async fn again(&self, caller: &Caller) -> Result<Caller, Refusal>;
}

/// Who opened a stream, and whether they still may read it. Streams ask between two pages or looks.
#[derive(Clone)]
pub struct Standing {
    authenticate: Arc<dyn Authenticate>,
    who: Who,
    caller: Caller,
}

impl Standing {
    pub fn new(authenticate: Arc<dyn Authenticate>, who: Who, caller: Caller) -> Self {
        Self { authenticate, who, caller }
    }

    /// As the gate decided for this call.
    ///
    /// # Errors
    /// `ACCESS_TOKEN_MISSING` when nobody is signed in.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        request.extensions().get::<Self>().cloned().ok_or_else(|| Refusal::AccessTokenMissing.into())
    }

    /// As they were at the last check.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Looks again.
    ///
    /// # Errors
    /// The session or the key has ended, or the permission is gone.
    pub async fn check(&mut self) -> Result<(), Refusal> {
        self.caller = self.authenticate.again(&self.caller).await?;
        match self.who {
            Who::With(permission) if !self.caller.may(permission) => Err(Refusal::PermissionMissing(permission)),
            _ => Ok(()),
        }
    }
}

/// The bearer token of a call, if it carries one.
///
/// # Errors
/// `ACCESS_TOKEN_INVALID` for an `authorization` header of another shape.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(header) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let text = header.to_str().map_err(|_| Refusal::AccessTokenInvalid)?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(Refusal::AccessTokenInvalid),
    }
}

/// The person who makes this call. The gate has put it there for every method that wants one.
///
/// # Errors
/// `ACCESS_TOKEN_MISSING` in a method that anyone may call, when nobody is signed in.
pub fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    request.extensions().get::<Caller>().cloned().ok_or_else(|| Refusal::AccessTokenMissing.into())
}

/// What is known of this call, signed in or not.
pub fn facts<T>(request: &Request<T>) -> Facts {
    request.extensions().get::<Facts>().cloned().unwrap_or_else(Facts::none)
}
