//! Access tokens: issued at login and refresh, verified at the gate. API keys come by the same door.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{Error, store};
use crate::{
    app::App,
    cache::Halves,
    entity::{
        account,
        session::{self, SecondFactor},
    },
    kernel::{
        Caller, CheckedBy, FactorKinds, Facts, Impersonator, Proof, Roles, Timestamp,
        ids::{AccountId, SessionId},
    },
    rpc::{Refusal, auth::Authenticate},
    service_accounts::{self, ApiKeys},
};

/// The purpose that the token is bound to.
const PURPOSE: &str = "access/v1";

/// What a token says. Short names: it travels with every call.
#[derive(Serialize, Deserialize)]
struct Claims {
    #[serde(rename = "a")]
    account: AccountId,
    #[serde(rename = "s")]
    session: SessionId,
    /// Of the session: how often it was refreshed.
    #[serde(rename = "g")]
    generation: i64,
    #[serde(rename = "r")]
    roles: u8,
    #[serde(rename = "v")]
    roles_version: i64,
    /// Microseconds since the epoch, as all times here.
    #[serde(rename = "t")]
    authenticated_at: i64,
    #[serde(rename = "e")]
    expires_at: i64,
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    second_factor_at: Option<i64>,
    /// Absent from tokens of a release that did not note it.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    second_factor_by: Option<SecondFactor>,
    /// The kinds of factors that the account has, as bits.
    #[serde(rename = "k", default)]
    factor_kinds: u8,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    impersonator: Option<AccountId>,
}

/// A token, and how long it lives.
#[derive(Clone)]
pub struct Issued {
    pub token: String,
    pub lifetime: Duration,
}

/// Issues and verifies access tokens.
#[derive(Clone, Debug)]
pub struct AccessTokens {
    app: App,
    keys: ApiKeys,
    /// Sessions whose current generation was seen in use: the refresh that made it cannot be repeated any more.
    used: Arc<Mutex<Halves<SessionId, i64>>>,
}

/// Sessions of each half. One that is forgotten costs a statement that changes nothing.
const USED_AT_MOST: usize = 100_000;

/// Issues a token for a session as it is in the row.
///
/// # Errors
/// If the system has no random bytes.
pub(super) fn issue(app: &App, session: &session::Model, account: &account::Model) -> Result<Issued, Error> {
    // Shortened by up to 5 % at random, so that clients do not refresh in step.
    let life = app.config.sessions.access_token_life;
    let lifetime = life.saturating_sub(life.mul_f64(f64::from(app.dice.below(1000)) / 20_000.0));
    // Nothing outlives its session: not every session can be refreshed.
    let lifetime = lifetime.min(session.absolute_expires_at.since(app.clock.now()));
    let claims = Claims {
        account: session.account_id,
        session: session.id,
        generation: session.generation,
        roles: account.roles.bits(),
        roles_version: account.roles_version,
        authenticated_at: session.authenticated_at.micros(),
        expires_at: (app.clock.now() + lifetime).micros(),
        second_factor_at: session.second_factor_at.map(Timestamp::micros),
        second_factor_by: session.second_factor_by,
        factor_kinds: account.factor_kinds.bits(),
        impersonator: session.impersonator_id,
    };
    let payload = serde_json::to_vec(&claims).map_err(|_| Error::NoToken)?;
    let token = app.paseto.issue(PURPOSE, &payload).ok_or(Error::NoToken)?;
    Ok(Issued { token, lifetime })
}

impl AccessTokens {
    pub fn new(app: App) -> Self {
        Self { keys: ApiKeys::new(app.clone()), app, used: Arc::new(Mutex::new(Halves::new(USED_AT_MOST))) }
    }

    /// Whether this is staff who must have a second factor first.
    fn must_enroll(&self, roles: Roles, factors: FactorKinds) -> bool {
        roles.is_staff() && factors.is_empty() && self.app.config.staff_must_have_factor()
    }

    /// Notes the first use of a refreshed pair: from here on the old refresh token is an intruder's.
    ///
    /// One statement per refresh, not per call. When the database is away the call goes on without it.
    async fn note_use(&self, claims: &Claims, now: Timestamp) {
        let fresh = claims.generation > 0 && {
            let mut used = self.used.lock();
            let newest = used.entry(claims.session);
            let unseen = *newest < claims.generation;
            *newest = claims.generation.max(*newest);
            unseen
        };
        if fresh
            && let Err(error) = store::update_successor_used(&self.app.db, claims.session, claims.generation, now).await
        {
            self.used.lock().remove(&claims.session);
            tracing::warn!(%error, "the first use of a refreshed session was not noted");
        }
    }
}

#[async_trait]
impl Authenticate for AccessTokens {
    async fn authenticate(&self, token: &str, facts: Facts) -> Result<Caller, Refusal> {
        if service_accounts::is_key(token) {
            return self.keys.authenticate(token, facts).await;
        }
        let payload = self.app.paseto.open(PURPOSE, token).ok_or(Refusal::AccessTokenInvalid)?;
        let claims: Claims = serde_json::from_slice(&payload).map_err(|_| Refusal::AccessTokenInvalid)?;
        let now = self.app.clock.now();
        if claims.expires_at <= now.micros() {
            return Err(Refusal::AccessTokenExpired);
        }
        if let Some(revoked) = self.app.cache.revoked(claims.session) {
            return Err(Refusal::SessionRevoked { cause: revoked.cause });
        }
        self.note_use(&claims, now).await;
        let roles = match self.app.cache.roles(claims.account) {
            Some(current) if current.version > claims.roles_version => current.roles,
            _ => Roles::from_bits(claims.roles),
        };
        let must_enroll = self.must_enroll(roles, FactorKinds::from_bits(claims.factor_kinds));
        Ok(claims.caller(roles, must_enroll, now, facts))
    }

    async fn again(&self, caller: &Caller) -> Result<Caller, Refusal> {
        if let Some(key) = caller.key {
            self.keys.still_good(key.id).await?;
            return Ok(caller.clone());
        }
        if let Some(revoked) = self.app.cache.revoked(caller.session) {
            return Err(Refusal::SessionRevoked { cause: revoked.cause });
        }
        let newer = self.app.cache.roles(caller.account).filter(|current| current.version > caller.roles_version);
        let Some(current) = newer else { return Ok(caller.clone()) };
        let looks = caller.impersonator.is_some();
        let must_enroll = !looks && self.must_enroll(current.roles, caller.proof.factor_kinds);
        Ok(Caller { roles: counting(current.roles, looks || must_enroll), must_enroll, ..caller.clone() })
    }
}

/// The roles that count: without the office, of whoever may not use it.
fn counting(roles: Roles, without_office: bool) -> Roles {
    if without_office { roles.without_staff() } else { roles }
}

impl Claims {
    /// Who calls, with the roles of the moment.
    fn caller(&self, roles: Roles, must_enroll: bool, now: Timestamp, facts: Facts) -> Caller {
        // Whoever looks through another's eyes proved nothing as that person, and gains no right of staff by it.
        let looks = self.impersonator.is_some();
        let proof = Proof {
            authenticated_at: Timestamp::from_micros(self.authenticated_at),
            second_factor_at: self.second_factor_at.map(Timestamp::from_micros),
            second_factor_by: self.second_factor_by.map(CheckedBy::from).unwrap_or_default(),
            factor_kinds: FactorKinds::from_bits(self.factor_kinds),
            now,
        };
        Caller {
            account: self.account,
            session: self.session,
            roles: counting(roles, looks || must_enroll),
            roles_version: self.roles_version,
            must_enroll: must_enroll && !looks,
            proof: if looks { Proof::never(now) } else { proof },
            impersonator: self.impersonator.map(|account| {
                let until = Timestamp::from_micros(self.expires_at);
                Impersonator { account, until }
            }),
            key: None,
            facts,
        }
    }
}
