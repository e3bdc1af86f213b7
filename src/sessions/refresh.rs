//! Refreshing: rotation that survives lost replies and still catches a stolen token.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Error,
    access::{self, Issued},
    begin::{self, Tokens},
    end,
    refresh_token::RefreshToken,
    store,
};
use crate::{
    accounts,
    app::App,
    audit,
    entity::{
        account,
        session::{self, EndCause, Transport},
    },
    kernel::{Facts, Principal, Timestamp, ids::SessionId},
    mail::Letter,
    notifications,
    vault::Sealer,
};

/// A session that goes on.
pub struct Refreshed {
    pub tokens: Tokens,
    pub session: SessionId,
    pub at: Timestamp,
    pub transport: Transport,
    /// The reply to an earlier refresh was lost, and this is it again.
    pub replayed: bool,
}

/// Exchanges a refresh token for a new pair.
///
/// The current token rotates, by one guarded statement. The one before it, for 30 s and only while its successor is
/// unused, returns the very same successor. Anything older was copied by somebody: the session ends.
///
/// A token that came `by` the other transport than its session's is none: what a script can hold is not worth a cookie,
/// nor the other way round.
pub async fn refresh(app: &App, facts: &Facts, presented: &str, by: Transport) -> Result<Refreshed, Error> {
    let presented = RefreshToken::parse(app, presented).ok_or(Error::RefreshInvalid)?;
    // The second round is for whoever lost the race of the first: by then the row names the winner.
    for _ in 0..2 {
        let found = store::find_with_account(&app.db, presented.session).await?;
        let found = found.filter(|(session, _)| session.transport == by);
        let (session, account) = found.ok_or(Error::RefreshInvalid)?;
        let now = app.clock.now();
        refuse_if_over(&session, &account, now)?;

        if session.refresh_sha256 == presented.digest() {
            if let Some(refreshed) = rotate(app, facts, &session, &account, &presented, now).await? {
                return Ok(refreshed);
            }
            continue;
        }
        if let Some(tokens) = repeat(app, &session, &presented, now) {
            return Ok(Refreshed { tokens, session: session.id, transport: by, at: now, replayed: true });
        }
        end_copied(app, facts, &session, &account, now).await?;
        return Err(Error::RefreshReused);
    }
    Err(Error::RefreshReused)
}

fn refuse_if_over(session: &session::Model, account: &account::Model, now: Timestamp) -> Result<(), Error> {
    match session.end_cause {
        Some(EndCause::RefreshReuse) => return Err(Error::RefreshReused),
        Some(EndCause::Expired) => return Err(Error::RefreshExpired),
        Some(cause) => return Err(Error::Ended { cause: end::cause_name(cause).to_owned() }),
        None => {}
    }
    // Nobody was given its token, so nobody can have it.
    if session.impersonator_id.is_some() {
        return Err(Error::RefreshInvalid);
    }
    if session.idle_expires_at <= now || session.absolute_expires_at <= now {
        return Err(Error::RefreshExpired);
    }
    if !account.is_active_at(now) {
        return Err(Error::Ended { cause: account.status.to_string() });
    }
    Ok(())
}

/// Puts a new pair in the place of the presented one. `None` if another refresh was faster.
async fn rotate(
    app: &App,
    facts: &Facts,
    session: &session::Model,
    account: &account::Model,
    presented: &RefreshToken,
    now: Timestamp,
) -> Result<Option<Refreshed>, Error> {
    let (idle, _) = begin::lives(app, account.roles);
    let mut next = session.clone();
    next.generation += 1;
    next.last_used_at = now;
    next.idle_expires_at = (now + idle).min(session.absolute_expires_at);
    next.address = facts.address.expose();
    next.address_prefix = facts.address.prefix();
    let successor = RefreshToken::new(app, session.id, next.generation);
    let tokens = Tokens {
        access: access::issue(app, &next, account)?,
        refresh: successor.expose().to_owned(),
        refresh_lifetime: next.idle_expires_at.since(now),
    };
    next.previous_sha256 = Some(session.refresh_sha256);
    next.refresh_sha256 = successor.digest();
    next.rotated_at = Some(now);
    next.successor_sealed = Some(seal(app, session.id, presented, &tokens));
    next.successor_used_at = None;

    let rotated = store::update_rotated(&app.db, session, &next).await?;
    let transport = session.transport;
    Ok(rotated.then_some(Refreshed { tokens, session: session.id, transport, at: now, replayed: false }))
}

/// The successor of the presented token, if its reply may have been lost.
fn repeat(app: &App, session: &session::Model, presented: &RefreshToken, now: Timestamp) -> Option<Tokens> {
    let grace = app.config.sessions.refresh_grace;
    let in_grace = session.previous_sha256 == Some(presented.digest())
        && session.successor_used_at.is_none()
        && session.rotated_at.is_some_and(|at| now < at + grace);
    if !in_grace {
        return None;
    }
    open(app, session.id, presented, session.successor_sealed.as_deref()?)
}

/// Ends a session whose refresh token somebody copied, and tells its owner.
async fn end_copied(
    app: &App,
    facts: &Facts,
    session: &session::Model,
    account: &account::Model,
    now: Timestamp,
) -> Result<(), Error> {
    let tx = app.db.begin_write().await?;
    let which = store::Which::These(std::slice::from_ref(&session.id));
    let ended = end::end(&tx, app, session.account_id, which, EndCause::RefreshReuse, now).await?;
    if !ended.is_empty() {
        let event = audit::Event::new(Principal::Anonymous, "authn_token_reuse", "session", session.id)
            .about(session.account_id);
        audit::write(&tx, app, Some(facts), event).await?;
        let undo = accounts::undo_link(&tx, app, account.id, &accounts::Change::SessionReused).await?;
        let letter = Letter::SessionReused { device_name: session.device_name.clone(), undo };
        notifications::post(&tx, app, &format!("session_reused/{}", session.id), account, &letter).await?;
    }
    tx.commit().await?;
    Ok(())
}

#[derive(Serialize, Deserialize)]
struct Kept {
    access: String,
    access_ms: u64,
    refresh: String,
    refresh_ms: u64,
}

/// Only who holds the old token can open what was sealed for it: a stolen database cannot.
fn sealer(app: &App, presented: &RefreshToken) -> Sealer {
    Sealer::derived(presented.expose().as_bytes(), b"refresh grace", app.dice.clone())
}

fn seal(app: &App, session: SessionId, presented: &RefreshToken, tokens: &Tokens) -> Vec<u8> {
    let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let kept = Kept {
        access: tokens.access.token.clone(),
        access_ms: ms(tokens.access.lifetime),
        refresh: tokens.refresh.clone(),
        refresh_ms: ms(tokens.refresh_lifetime),
    };
    let plain = serde_json::to_vec(&kept).unwrap_or_default();
    sealer(app, presented).seal(session.to_string().as_bytes(), &plain)
}

fn open(app: &App, session: SessionId, presented: &RefreshToken, sealed: &[u8]) -> Option<Tokens> {
    let plain = sealer(app, presented).open(session.to_string().as_bytes(), sealed)?;
    let kept: Kept = serde_json::from_slice(&plain).ok()?;
    Some(Tokens {
        access: Issued { token: kept.access, lifetime: Duration::from_millis(kept.access_ms) },
        refresh: kept.refresh,
        refresh_lifetime: Duration::from_millis(kept.refresh_ms),
    })
}
