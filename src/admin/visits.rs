//! Sessions in the hands of staff: ending a person's, and seeing the service through a person's eyes.

use serde_json::json;

use super::{
    Error,
    care::{refuse_deleted, refuse_service},
};
use crate::{
    accounts,
    app::App,
    audit,
    entity::{
        account::{Model, Status},
        session::{self, EndCause},
    },
    kernel::{
        Caller, Permission, Principal, Timestamp,
        ids::{AccountId, SessionId},
    },
    rpc::{
        Transition,
        once::Record,
        page::{self, Page, Slice, id_key},
    },
    sessions::{self, Issued, Which},
};

/// A page of an account's live sessions, newest first.
pub async fn list(app: &App, id: AccountId, page: &Page) -> Result<Slice<session::Model>, Error> {
    accounts::find(&app.db, id).await?.ok_or(Error::NotFound)?;
    // A key of another shape cannot come out of our own tokens; it reads as the first page.
    let after = page::after_id(page).unwrap_or_default();
    let rows = sessions::list_live(&app.db, id, page, after, app.clock.now()).await?;
    Ok(Slice::cut(rows, page, |row| id_key(row.id)))
}

/// Ends one of an account's sessions, or all. Returns how many.
pub async fn revoke(
    app: &App,
    caller: &Caller,
    id: AccountId,
    which: Option<SessionId>,
    reason: &str,
    once: &impl Record<usize>,
) -> Result<usize, Error> {
    match which {
        Some(session) => drop(sessions::find_of(&app.db, id, session).await?.ok_or(sessions::Error::NotFound)?),
        None => drop(accounts::find(&app.db, id).await?.ok_or(Error::NotFound)?),
    }
    let tx = app.db.begin_write().await?;
    let wanted = which.as_ref().map_or(Which::All, |session| Which::These(std::slice::from_ref(session)));
    let ended = sessions::end(&tx, app, id, wanted, EndCause::EndedByStaff, app.clock.now()).await?;
    if !ended.is_empty() {
        let event = audit::Event::new(Principal::Account(caller.account), "authn_sessions_ended", "account", id)
            .because(reason)
            .with(json!({ "ended": ended }));
        audit::write(&tx, app, Some(&caller.facts), event).await?;
    }
    once.record(&tx, &ended.len()).await?;
    tx.commit().await?;
    Ok(ended.len())
}

/// A look through a person's eyes.
pub struct Impersonation {
    pub session: session::Model,
    pub access: Issued,
}

/// Begins one.
pub async fn impersonate(
    app: &App,
    caller: &Caller,
    id: AccountId,
    reason: &str,
    once: &impl Record<Impersonation>,
) -> Result<Impersonation, Error> {
    let (now, permission) = (app.clock.now(), Permission::Impersonate);
    // Two of staff are told apart before either is held: they would wait for each other.
    may_be_seen_through(&accounts::find(&app.db, id).await?.ok_or(Error::NotFound)?, now)?;
    let tx = app.db.begin_write().await?;
    if !accounts::still_may(&tx, caller.account, permission, now).await? {
        return Err(Error::PermissionGone(permission));
    }
    // Held until the commit: whoever suspends the account or makes it staff's either sees this session or is seen here.
    let account = accounts::hold(&tx, id).await?.ok_or(Error::NotFound)?;
    may_be_seen_through(&account, now)?;
    let (session, access) = sessions::impersonate(&tx, app, &caller.facts, &account, caller.account).await?;
    // About the account, so that the person finds it among what happened to theirs.
    let event = audit::Event::new(Principal::Account(caller.account), "impersonation_started", "account", id)
        .because(reason)
        .with(json!({ "session": session.id }));
    audit::write(&tx, app, Some(&caller.facts), event).await?;
    let begun = Impersonation { session, access };
    once.record(&tx, &begun).await?;
    tx.commit().await?;
    Ok(begun)
}

fn may_be_seen_through(account: &Model, now: Timestamp) -> Result<(), Error> {
    refuse_service(account)?;
    if account.roles.is_staff() {
        return Err(Error::TargetIsStaff);
    }
    match account.status_at(now) {
        Status::Active => Ok(()),
        Status::Deleted => Err(refuse_deleted("StartImpersonation")),
        Status::Suspended => Err(Error::IllegalTransition(Transition {
            subject: "account",
            from: "SUSPENDED".to_owned(),
            attempted: "StartImpersonation",
            allowed: vec!["ReinstateAccount"],
        })),
    }
}

/// Ends one that the caller began.
pub async fn leave(app: &App, caller: &Caller, session: SessionId, once: &impl Record<()>) -> Result<(), Error> {
    let tx = app.db.begin_write().await?;
    sessions::end_impersonation(&tx, app, &caller.facts, session, caller.account).await?;
    once.record(&tx, &()).await?;
    tx.commit().await?;
    Ok(())
}
