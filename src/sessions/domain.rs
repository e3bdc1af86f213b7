//! Signing in, and ending sessions.

use std::time::Duration;

use super::{
    Error,
    access::{self, Issued},
    refresh_token::RefreshToken,
    store,
};
use crate::{
    accounts,
    app::App,
    audit,
    cache::Revoked,
    db::WriteTx,
    entity::{
        account,
        login_attempt::Outcome,
        registration,
        session::{self, EndCause},
    },
    kernel::{
        Caller, Digest, EmailAddress, Facts, Password, Principal, Role, Roles, Timestamp,
        ids::{AccountId, Id, SessionId},
    },
};

/// What a person gives to sign in.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub email: EmailAddress,
    pub password: Password,
    pub device_name: String,
    pub remember_device: bool,
}

/// A pair of tokens, and how long each lives.
#[derive(Clone)]
pub struct Tokens {
    pub access: Issued,
    pub refresh: String,
    pub refresh_lifetime: Duration,
}

/// A session that has begun.
pub struct SignedIn {
    pub tokens: Tokens,
    pub session: session::Model,
    pub account: account::Model,
    pub ended: Vec<SessionId>,
    pub at: Timestamp,
}

/// How long a session of these roles lives: unused, and at most.
pub(super) fn lives(app: &App, roles: Roles) -> (Duration, Duration) {
    let config = &app.config.sessions;
    if roles.is_staff() {
        (config.staff_idle_life, config.staff_absolute_life)
    } else {
        (config.idle_life, config.absolute_life)
    }
}

fn most_sessions(app: &App, roles: Roles) -> u64 {
    let config = &app.config.sessions;
    u64::from(if roles.has(Role::Admin) {
        config.max_admin_sessions
    } else if roles.has(Role::Reviewer) {
        config.max_reviewer_sessions
    } else {
        config.max_sessions
    })
}

/// Signs a person in, or says no in the same time and words whatever the reason.
pub async fn login(app: &App, facts: &Facts, given: Credentials) -> Result<SignedIn, Error> {
    // Both look-ups, always: an address without an account must not answer faster.
    let account = accounts::find_by_email(&app.db, &given.email).await?;
    let pending = accounts::newest_pending(app, &given.email).await?;
    let stored = account.as_ref().map(|row| &row.password_hash).or(pending.as_ref().map(|row| &row.password_hash));
    let verdict = app.hasher.verify(&given.password, stored).await;

    let outcome = match (&verdict, &account, &pending) {
        (Err(_), ..) => Outcome::Capacity,
        (Ok(verdict), Some(account), _) => judge_account(account, verdict.matches),
        (Ok(verdict), None, Some(pending)) => judge_pending(pending, verdict.matches),
        (Ok(_), None, None) => Outcome::UnknownAccount,
    };
    let attempt = store::Attempt {
        account: account.as_ref().map(|account| account.id),
        identifier: identifier_mac(app, &given.email),
        outcome,
        session: None,
    };
    match (outcome, account) {
        (Outcome::Succeeded, Some(account)) => {
            let outdated = verdict.is_ok_and(|verdict| verdict.outdated);
            let rehashed = if outdated { app.hasher.hash(&given.password).await.ok() } else { None };
            begin(app, facts, given, account, attempt, rehashed).await
        }
        (outcome, _) => {
            store::insert_attempt(&app.db.write_one(), app, facts, attempt).await?;
            Err(match outcome {
                Outcome::NotVerified => Error::NotVerified,
                Outcome::Suspended => Error::Suspended,
                Outcome::Capacity => Error::Capacity(crate::vault::Full),
                _ => Error::InvalidCredentials,
            })
        }
    }
}

fn judge_account(account: &account::Model, matches: bool) -> Outcome {
    match (matches, account.status) {
        (false, _) | (true, account::Status::Deleted) => Outcome::WrongCredentials,
        (true, account::Status::Suspended) => Outcome::Suspended,
        (true, account::Status::Active) => Outcome::Succeeded,
    }
}

/// Only the right password hears that the address waits to be confirmed.
fn judge_pending(pending: &registration::Model, matches: bool) -> Outcome {
    match pending.kind {
        registration::Kind::New if matches => Outcome::NotVerified,
        _ => Outcome::UnknownAccount,
    }
}

/// What counts attempts on one identifier, known or not, without storing it in clear.
fn identifier_mac(app: &App, email: &EmailAddress) -> Digest {
    Digest::mac(&app.keys.derived("login identifiers"), &[email.expose().as_bytes()])
}

/// Opens a session: the row, its attempt, room for it, the trail, in one transaction.
async fn begin(
    app: &App,
    facts: &Facts,
    given: Credentials,
    account: account::Model,
    attempt: store::Attempt,
    rehashed: Option<crate::kernel::StoredHash>,
) -> Result<SignedIn, Error> {
    let now = app.clock.now();
    let id = SessionId::new(now, &app.dice);
    let refresh = RefreshToken::new(app, id, 0);
    let (idle, absolute) = lives(app, account.roles);
    let session = session::Model {
        id,
        account_id: account.id,
        device_name: given.device_name,
        user_agent: facts.user_agent.clone(),
        address: facts.address.expose(),
        address_prefix: facts.address.prefix(),
        remember_device: given.remember_device,
        created_at: now,
        authenticated_at: now,
        last_used_at: now,
        idle_expires_at: now + idle,
        absolute_expires_at: now + absolute,
        generation: 0,
        refresh_sha256: refresh.digest(),
        previous_sha256: None,
        rotated_at: None,
        successor_sealed: None,
        successor_used_at: None,
        ended_at: None,
        end_cause: None,
    };
    let access = access::issue(app, &session, account.roles, account.roles_version)?;

    let tx = app.db.begin_write().await?;
    accounts::touch(&tx, account.id, now).await?;
    if let Some(new) = rehashed {
        accounts::update_password_hash(&tx, account.id, &account.password_hash, new).await?;
    }
    store::insert(&tx, &session).await?;
    store::insert_attempt(&tx, app, facts, store::Attempt { session: Some(id), ..attempt }).await?;
    let ended = make_room(&tx, app, &account, id, now).await?;
    let event = audit::Event::new(Principal::Account(account.id), "authn_login_success", "session", id)
        .with(serde_json::json!({ "ended": ended.len() }));
    audit::write(&tx, app, Some(facts), event).await?;
    tx.commit().await?;
    let tokens = Tokens { access, refresh: refresh.expose().to_owned(), refresh_lifetime: idle };
    Ok(SignedIn { tokens, session, account, ended, at: now })
}

/// Ends the least recently used sessions of an account that has too many.
async fn make_room(
    tx: &WriteTx,
    app: &App,
    account: &account::Model,
    current: SessionId,
    now: Timestamp,
) -> Result<Vec<SessionId>, Error> {
    let surplus = store::list_beyond(tx, account.id, current, most_sessions(app, account.roles), now).await?;
    if surplus.is_empty() {
        return Ok(surplus);
    }
    end(tx, app, account.id, store::Which::These(&surplus), EndCause::Evicted, now).await
}

/// Ends sessions; their access tokens are refused from the commit on.
pub(super) async fn end(
    tx: &WriteTx,
    app: &App,
    account: AccountId,
    which: store::Which<'_>,
    cause: EndCause,
    now: Timestamp,
) -> Result<Vec<SessionId>, Error> {
    let ended = store::update_ended(tx, account, which, cause, now).await?;
    let (cache, ids) = (app.cache.clone(), ended.clone());
    tx.after_commit(move || {
        for id in ids {
            cache.revoke(id, Revoked { cause: cause_name(cause), at: now });
        }
    });
    Ok(ended)
}

/// The cause in `SESSION_REVOKED`'s metadata.
pub(super) fn cause_name(cause: EndCause) -> &'static str {
    match cause {
        EndCause::Logout => "logout",
        EndCause::Revoked => "revoked",
        EndCause::Evicted => "evicted",
        EndCause::RefreshReuse => "refresh_reuse",
        EndCause::Expired => "expired",
        EndCause::Suspended => "suspended",
        EndCause::PasswordChanged => "password_changed",
    }
}

/// Which of one's own sessions a logout is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    This,
    Others,
    All,
}

/// Signs out. Returns how many sessions ended; repeating ends none.
pub async fn logout(app: &App, caller: &Caller, scope: Scope) -> Result<usize, Error> {
    let which = match scope {
        Scope::This => store::Which::These(std::slice::from_ref(&caller.session)),
        Scope::Others => store::Which::AllBut(caller.session),
        Scope::All => store::Which::All,
    };
    end_own(app, caller, which, EndCause::Logout).await
}

/// Ends one of one's own sessions; one that has ended stays ended.
pub async fn revoke(app: &App, caller: &Caller, id: SessionId) -> Result<(), Error> {
    store::find_of(&app.db, caller.account, id).await?.ok_or(Error::NotFound)?;
    end_own(app, caller, store::Which::These(&[id]), EndCause::Revoked).await.map(drop)
}

async fn end_own(app: &App, caller: &Caller, which: store::Which<'_>, cause: EndCause) -> Result<usize, Error> {
    let tx = app.db.begin_write().await?;
    let ended = end(&tx, app, caller.account, which, cause, app.clock.now()).await?;
    if !ended.is_empty() {
        let event = audit::Event::new(Principal::Account(caller.account), "authn_logout", "session", caller.session)
            .with(serde_json::json!({ "cause": cause_name(cause), "ended": ended }));
        audit::write(&tx, app, Some(&caller.facts), event).await?;
    }
    tx.commit().await?;
    Ok(ended.len())
}
