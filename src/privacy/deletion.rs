//! Closing an account, and taking that back.

use sea_orm::DbErr;

use super::{Error, ends};
use crate::{
    accounts::{self, Change, DELETION_GRACE, count_other_admins},
    app::App,
    audit,
    db::WriteTx,
    entity::{account, session::EndCause},
    kernel::{Caller, Facts, Principal, Role, Timestamp, ids::AccountId},
    mail::Letter,
    notifications,
    rpc::{convert, once::Record},
    sessions::{self, Which},
};

/// Closes the caller's account. It is erased when the grace is over.
pub async fn delete(
    app: &App,
    caller: &Caller,
    reason: &str,
    once: &impl Record<Timestamp>,
) -> Result<Timestamp, Error> {
    let now = app.clock.now();
    let purge_at = now + DELETION_GRACE;
    // The row knows the roles. The caller's are without those of staff as long as a second factor is missing.
    let looked = accounts::find(&app.db, caller.account).await?.ok_or(Error::Changed)?;
    let tx = app.db.begin_write().await?;
    // Administrators are held first and together: two who leave at once wait for one another here.
    if looked.roles.has(Role::Admin) && count_other_admins(&tx, caller.account).await? == 0 {
        tx.rollback().await?;
        return Err(Error::LastAdmin);
    }
    let account = ends::update_closed_by_owner(&tx, caller.account, purge_at, now).await?.ok_or(Error::Changed)?;
    if account.roles.has(Role::Admin) && !looked.roles.has(Role::Admin) {
        tx.rollback().await?;
        return Err(Error::Changed);
    }
    // A call of a session that was ended while it was under way closes nothing.
    if sessions::find_of(&tx, account.id, caller.session).await?.is_none_or(|session| session.ended_at.is_some()) {
        tx.rollback().await?;
        return Err(Error::Changed);
    }
    sessions::end(&tx, app, account.id, Which::All, EndCause::Deleted, now).await?;
    let undo = accounts::undo_link(&tx, app, account.id, &Change::DeletionStarted).await?;
    let letter = Letter::DeletionStarted { purge_date: date(purge_at), undo };
    let occasion = format!("deletion_started/{}/{}", account.id, account.row_version);
    notifications::post(&tx, app, &occasion, &account, &letter).await?;
    let mut event =
        audit::Event::new(Principal::Account(caller.account), "user_deletion_started", "account", account.id);
    event.reason = Some(reason).filter(|reason| !reason.is_empty());
    audit::write(&tx, app, Some(&caller.facts), event).await?;
    once.record(&tx, &purge_at).await?;
    tx.commit().await?;
    Ok(purge_at)
}

/// Takes a deletion back for whoever holds the letter's token.
pub async fn cancel(app: &App, facts: &Facts, token: &str, once: &impl Record<()>) -> Result<(), Error> {
    let tx = app.db.begin_write().await?;
    let Some(account) = accounts::spend_deletion_link(&tx, app, token).await? else {
        tx.rollback().await?;
        return Err(Error::TokenInvalid);
    };
    if !cancel_deletion(&tx, app, account, Principal::Anonymous, Some(facts)).await? {
        tx.rollback().await?;
        return Err(Error::TokenInvalid);
    }
    once.record(&tx, &()).await?;
    tx.commit().await?;
    Ok(())
}

/// Opens a deleted account again, in the caller's transaction: for the links of letters. `false` if it is not deleted, or
/// its time is over. One that staff suspended meanwhile comes back suspended.
///
/// # Errors
/// When the database fails.
pub async fn cancel_deletion(
    tx: &WriteTx,
    app: &App,
    account: AccountId,
    by: Principal,
    facts: Option<&Facts>,
) -> Result<bool, DbErr> {
    let Some(account) = ends::update_reopened(tx, account, app.clock.now()).await? else { return Ok(false) };
    let occasion = format!("deletion_cancelled/{}/{}", account.id, account.row_version);
    notifications::post(tx, app, &occasion, &account, &Letter::DeletionCancelled).await?;
    let event = audit::Event::new(by, "user_deletion_cancelled", "account", account.id);
    audit::write(tx, app, facts, event).await?;
    Ok(true)
}

/// Suspends an account that waits to be erased, in the transaction of the staff who do so: it stays closed, and is
/// suspended once its owner takes the deletion back. `None` if it does not wait.
///
/// # Errors
/// When the database fails.
pub async fn bar(
    tx: &WriteTx,
    id: AccountId,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<account::Model>, DbErr> {
    ends::update_barred(tx, id, until, now).await
}

/// Takes such a suspension away again. `None` if there is none.
///
/// # Errors
/// When the database fails.
pub async fn unbar(tx: &WriteTx, id: AccountId, now: Timestamp) -> Result<Option<account::Model>, DbErr> {
    ends::update_unbarred(tx, id, now).await
}

/// A day as every reader of English understands it: `2026-03-15`.
fn date(at: Timestamp) -> String {
    convert::timestamp(at).to_string().chars().take(10).collect()
}
