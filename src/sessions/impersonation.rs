//! Seeing the service through a person's eyes: a session of theirs that a member of staff holds, which only reads.
//!
//! It has no refresh token, so it ends by itself. Its owner sees it among their sessions and may end it.

use std::time::Duration;

use super::{
    Error,
    access::{self, Issued},
    end, store,
    store::Impersonations,
};
use crate::{
    app::App,
    audit,
    db::WriteTx,
    entity::{
        account,
        session::{self, EndCause, Transport},
    },
    kernel::{
        Caller, Digest, Facts, Principal, Timestamp,
        ids::{AccountId, Id, SessionId},
    },
};

/// How long one look lasts.
const LIFE: Duration = Duration::from_mins(15);

/// Opens a session of `account` for a member of staff, in the caller's transaction. Who may, and through whose eyes, is
/// the caller's to decide; so is the audit row.
///
/// # Errors
/// When the database fails, or the system has no random bytes.
pub async fn impersonate(
    tx: &WriteTx,
    app: &App,
    facts: &Facts,
    account: &account::Model,
    staff: AccountId,
) -> Result<(session::Model, Issued), Error> {
    let now = app.clock.now();
    let session = session::Model {
        id: SessionId::new(now, &app.dice),
        account_id: account.id,
        device_name: String::new(),
        user_agent: facts.user_agent.clone(),
        address: facts.address.expose(),
        address_prefix: facts.address.prefix(),
        remember_device: false,
        transport: Transport::Bearer,
        device_id: None,
        impersonator_id: Some(staff),
        created_at: now,
        authenticated_at: now,
        second_factor_at: None,
        second_factor_by: None,
        last_used_at: now,
        idle_expires_at: now + LIFE,
        absolute_expires_at: now + LIFE,
        generation: 0,
        // Of a token that nobody has.
        refresh_sha256: Digest::from_bytes(app.dice.bytes()),
        previous_sha256: None,
        rotated_at: None,
        successor_sealed: None,
        successor_used_at: None,
        ended_at: None,
        end_cause: None,
    };
    let access = access::issue(app, &session, account)?;
    store::insert(tx, &session).await?;
    Ok((session, access))
}

/// Ends what staff see through this account's eyes, and what its owner sees through others': for whose roles change while
/// their sessions go on. Returns how many.
///
/// # Errors
/// When the database fails.
pub async fn end_impersonations_around(
    tx: &WriteTx,
    app: &App,
    account: AccountId,
    now: Timestamp,
) -> Result<usize, Error> {
    end_which(tx, app, Impersonations::Around(account), now).await.map(|ended| ended.len())
}

async fn end_which(
    tx: &WriteTx,
    app: &App,
    which: Impersonations,
    now: Timestamp,
) -> Result<Vec<session::Model>, Error> {
    let ended = store::update_impersonations_ended(tx, which, now).await?;
    let ids = ended.iter().map(|session| session.id).collect();
    end::refuse_tokens(tx, app, ids, EndCause::ImpersonationOver, now);
    Ok(ended)
}

/// Ends one that `staff` began, in the caller's transaction. Repeating is harmless.
///
/// # Errors
/// [`Error::NotFound`] for any other session.
pub async fn end_impersonation(
    tx: &WriteTx,
    app: &App,
    facts: &Facts,
    session: SessionId,
    staff: AccountId,
) -> Result<Vec<SessionId>, Error> {
    let ended = end_which(tx, app, Impersonations::One { session, by: staff }, app.clock.now()).await?;
    for session in &ended {
        let event = audit::Event::new(Principal::Account(staff), "impersonation_ended", "account", session.account_id)
            .with(serde_json::json!({ "session": session.id }));
        audit::write(tx, app, Some(facts), event).await?;
    }
    if ended.is_empty() {
        store::find_impersonation(tx, session, staff).await?.ok_or(Error::NotFound)?;
    }
    Ok(ended.into_iter().map(|session| session.id).collect())
}

/// Ends the look that the call itself is.
pub(super) async fn leave(app: &App, caller: &Caller, staff: AccountId) -> Result<Vec<SessionId>, Error> {
    let tx = app.db.begin_write().await?;
    let ended = end_impersonation(&tx, app, &caller.facts, caller.session, staff).await?;
    tx.commit().await?;
    Ok(ended)
}
