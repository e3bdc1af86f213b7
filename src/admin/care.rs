//! The daily care of an account: its tier, and shutting it out and letting it in again.

use serde_json::json;

use super::{Error, store};
use crate::{
    accounts::{self, Care, Change},
    app::App,
    audit,
    db::WriteTx,
    entity::{
        account::{Kind, Model, Status, Tier},
        factor,
        session::EndCause,
    },
    factors,
    kernel::{Caller, Principal, Role, Timestamp, ids::AccountId},
    mail::Letter,
    notifications, privacy,
    rpc::{Transition, once::Record},
    security,
    sessions::{self, Which},
};

/// A new tier, and why.
#[derive(Clone, Debug)]
pub struct NewTier {
    pub tier: Tier,
    /// For the audit trail.
    pub reason: String,
}

/// Changes what an account pays for.
pub async fn set_tier(
    app: &App,
    caller: &Caller,
    id: AccountId,
    new: NewTier,
    once: &impl Record<Model>,
) -> Result<Model, Error> {
    let tx = app.db.begin_write().await?;
    let seen = hold_person(&tx, id, "SetTier").await?;
    let account = if seen.tier == new.tier {
        seen
    } else {
        let changed = accounts::update_care(&tx, id, Care::Tier(new.tier), app.clock.now()).await?;
        let account = changed.ok_or(Error::Changed)?;
        let event = audit::Event::new(Principal::Account(caller.account), "account_tier_changed", "account", id)
            .because(&new.reason)
            .with(json!({ "from": seen.tier.to_string(), "to": new.tier.to_string() }));
        audit::write(&tx, app, Some(&caller.facts), event).await?;
        account
    };
    once.record(&tx, &account).await?;
    tx.commit().await?;
    Ok(account)
}

/// Holds the account that something is done for: a person's, and not deleted.
async fn hold_person(tx: &WriteTx, id: AccountId, attempted: &'static str) -> Result<Model, Error> {
    let account = accounts::hold(tx, id).await?.ok_or(Error::NotFound)?;
    refuse_service(&account)?;
    if account.status == Status::Deleted {
        return Err(refuse_deleted(attempted));
    }
    Ok(account)
}

/// Refuses what is for people only.
pub(super) fn refuse_service(account: &Model) -> Result<(), Error> {
    if account.kind == Kind::Service { Err(Error::TargetIsService) } else { Ok(()) }
}

/// What is tried on a deleted account.
pub(super) fn refuse_deleted(attempted: &'static str) -> Error {
    Error::IllegalTransition(Transition {
        subject: "account",
        from: "DELETED".to_owned(),
        attempted,
        allowed: Vec::new(),
    })
}

/// A suspension.
#[derive(Clone, Debug)]
pub struct Suspension {
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// For the audit trail.
    pub reason: String,
}

/// A suspended account, and how many of its sessions ended.
#[derive(Clone, Debug)]
pub struct Suspended {
    pub account: Model,
    pub ended: usize,
}

/// Shuts an account out, or gives its suspension another end.
pub async fn suspend(
    app: &App,
    caller: &Caller,
    id: AccountId,
    new: Suspension,
    once: &impl Record<Suspended>,
) -> Result<Suspended, Error> {
    if id == caller.account {
        return Err(Error::TargetIsSelf);
    }
    let looked = accounts::find(&app.db, id).await?.ok_or(Error::NotFound)?;
    let tx = app.db.begin_write().await?;
    // Administrators are held first and together: two who suspend each other wait for one another here.
    if looked.roles.has(Role::Admin) && store::count_other_admins(&tx, id).await? == 0 {
        tx.rollback().await?;
        return Err(Error::LastAdmin);
    }
    let seen = accounts::hold(&tx, id).await?.ok_or(Error::NotFound)?;
    if seen.roles.has(Role::Admin) && !looked.roles.has(Role::Admin) {
        tx.rollback().await?;
        return Err(Error::Changed);
    }
    let is_shut_out = seen.status == Status::Suspended || seen.barred_at.is_some();
    let suspended = if is_shut_out && seen.suspended_until == new.until {
        Suspended { account: seen, ended: 0 }
    } else {
        shut_out(&tx, app, caller, id, &new).await?
    };
    once.record(&tx, &suspended).await?;
    tx.commit().await?;
    Ok(suspended)
}

async fn shut_out(
    tx: &WriteTx,
    app: &App,
    caller: &Caller,
    id: AccountId,
    new: &Suspension,
) -> Result<Suspended, Error> {
    let now = app.clock.now();
    let account = match accounts::update_care(tx, id, Care::Suspended(new.until), now).await? {
        Some(account) => account,
        None => privacy::bar(tx, id, new.until, now).await?.ok_or_else(|| refuse_deleted("SuspendAccount"))?,
    };
    let ended = sessions::end(tx, app, id, Which::All, EndCause::Suspended, now).await?.len();
    let event = audit::Event::new(Principal::Account(caller.account), "authn_account_suspended", "account", id)
        .because(&new.reason)
        .with(json!({ "until": new.until.map(Timestamp::micros), "ended": ended }));
    audit::write(tx, app, Some(&caller.facts), event).await?;
    Ok(Suspended { account, ended })
}

/// Lets a suspended account in again.
pub async fn reinstate(
    app: &App,
    caller: &Caller,
    id: AccountId,
    reason: &str,
    once: &impl Record<Model>,
) -> Result<Model, Error> {
    let tx = app.db.begin_write().await?;
    let seen = accounts::hold(&tx, id).await?.ok_or(Error::NotFound)?;
    let account = match seen.status {
        Status::Active => seen,
        Status::Deleted if seen.barred_at.is_none() => return Err(refuse_deleted("ReinstateAccount")),
        shut_out => {
            let changed = match shut_out {
                Status::Deleted => privacy::unbar(&tx, id, app.clock.now()).await?,
                _ => accounts::update_care(&tx, id, Care::Reinstated, app.clock.now()).await?,
            };
            let event = audit::Event::new(Principal::Account(caller.account), "account_reinstated", "account", id);
            audit::write(&tx, app, Some(&caller.facts), event.because(reason)).await?;
            changed.ok_or(Error::Changed)?
        }
    };
    once.record(&tx, &account).await?;
    tx.commit().await?;
    Ok(account)
}

/// Ends the locks that wrong passwords put on an account.
pub async fn unlock(
    app: &App,
    caller: &Caller,
    id: AccountId,
    reason: &str,
    once: &impl Record<()>,
) -> Result<(), Error> {
    let tx = app.db.begin_write().await?;
    hold_person(&tx, id, "UnlockAccount").await?;
    sessions::unlock(&tx, app, id).await?;
    let event = audit::Event::new(Principal::Account(caller.account), "authn_account_unlocked", "account", id);
    audit::write(&tx, app, Some(&caller.facts), event.because(reason)).await?;
    once.record(&tx, &()).await?;
    tx.commit().await?;
    Ok(())
}

/// Sends the owner a letter to set a new password by.
pub async fn send_password_reset(
    app: &App,
    caller: &Caller,
    id: AccountId,
    reason: &str,
    once: &impl Record<()>,
) -> Result<(), Error> {
    let tx = app.db.begin_write().await?;
    let account = hold_person(&tx, id, "SendPasswordReset").await?;
    security::send_reset(&tx, app, &account).await?;
    let event = audit::Event::new(Principal::Account(caller.account), "authn_password_reset_sent", "account", id);
    audit::write(&tx, app, Some(&caller.facts), event.because(reason)).await?;
    once.record(&tx, &()).await?;
    tx.commit().await?;
    Ok(())
}

/// Takes all second factors of a person out of force who lost them. Returns how many there were.
///
/// Another administrator's as well: whoever did it is in the trail, and the letter can take it back.
pub async fn reset_factors(
    app: &App,
    caller: &Caller,
    id: AccountId,
    reason: &str,
    once: &impl Record<u64>,
) -> Result<u64, Error> {
    let now = app.clock.now();
    let tx = app.db.begin_write().await?;
    let account = hold_person(&tx, id, "ResetFactors").await?;
    if id == caller.account {
        return Err(Error::TargetIsSelf);
    }
    let in_force = factors::list_active(&tx, id).await?;
    let removed = factors::reset(&tx, app, id).await?;
    if removed > 0 {
        sessions::end(&tx, app, id, Which::All, EndCause::FactorChanged, now).await?;
        let undo = undo_of(&tx, app, id, &in_force).await?;
        let letter = Letter::FactorRemoved { factor: "Every second factor".to_owned(), undo };
        let key = format!("factors_reset/{id}/{}", now.micros());
        notifications::post(&tx, app, &key, &account, &letter).await?;
        let event = audit::Event::new(Principal::Account(caller.account), "authn_factors_reset", "account", id)
            .with(json!({ "removed": removed }));
        audit::write(&tx, app, Some(&caller.facts), event.because(reason)).await?;
    }
    once.record(&tx, &removed).await?;
    tx.commit().await?;
    Ok(removed)
}

/// The link that brings all these factors back. Each removal is a change of its own; the first one's link takes those
/// that follow it along, whose own links nobody is sent.
async fn undo_of(tx: &WriteTx, app: &App, id: AccountId, in_force: &[factor::Model]) -> Result<String, Error> {
    let removed = |factor: &factor::Model| Change::FactorRemoved { factor: factor.id.to_string() };
    let mut changes = in_force.iter().map(removed);
    // Perhaps there were none but those that waited for their first code.
    let first = changes.next().unwrap_or(Change::SignedIn);
    let link = accounts::undo_link(tx, app, id, &first).await?;
    for change in changes {
        accounts::undo_link(tx, app, id, &change).await?;
    }
    Ok(link)
}

/// Erases a person for good: closes the account now, and queues what takes longer.
pub async fn erase(
    app: &App,
    caller: &Caller,
    id: AccountId,
    reason: &str,
    once: &impl Record<()>,
) -> Result<(), Error> {
    let tx = app.db.begin_write().await?;
    let account = accounts::hold(&tx, id).await?.ok_or(Error::NotFound)?;
    refuse_service(&account)?;
    if account.roles.is_staff() {
        return Err(Error::TargetIsStaff);
    }
    // Begun already: the job goes on by itself.
    let begun = account.status == Status::Deleted && account.purge_at.is_none_or(|at| at <= app.clock.now());
    if !begun {
        privacy::erase(&tx, app, id, Principal::Account(caller.account), Some(&caller.facts), reason).await?;
    }
    once.record(&tx, &()).await?;
    tx.commit().await?;
    Ok(())
}

/// Suspensions cleared away with one transaction.
const BATCH: u64 = 200;

/// Clears away suspensions whose time is over.
pub async fn end_suspensions(app: &App) -> Result<(), Error> {
    while end_some_suspensions(app).await? == BATCH {}
    Ok(())
}

async fn end_some_suspensions(app: &App) -> Result<u64, Error> {
    let tx = app.db.begin_write().await?;
    let over = accounts::update_suspensions_over(&tx, app.clock.now(), BATCH).await?;
    for account in &over {
        let event = audit::Event::new(Principal::System, "account_reinstated", "account", account.id);
        audit::write(&tx, app, None, event.because("its time is over")).await?;
    }
    tx.commit().await?;
    Ok(over.len() as u64)
}
