//! Factors come into force and go out of it. Everything here runs in the transaction of a caller who tells the owner
//! and the trail.

use std::time::Duration;

use sea_orm::DbErr;

use super::{Error, check::place, codes::RecoveryCodes, codes::renew_codes, flow::void_flows, store};
use crate::{
    accounts,
    app::App,
    db::WriteTx,
    entity::{
        account,
        factor::{Kind, Model, State},
    },
    kernel::{
        Digest, FactorKind, FactorKinds,
        ids::{AccountId, FactorId, Id},
    },
};

/// Factors of one account at most, waiting ones among them.
pub const MOST: u64 = 10;
/// For how long a secret waits for its first code.
const WAITS: Duration = Duration::from_mins(10);
/// Tries at the first code.
const FIRST_TRIES: i64 = 5;
/// For how long a removal can be taken back, as the link in its letter can; a day more for letters that are late.
const KEPT_FOR: Duration = Duration::from_hours(8 * 24);

/// Makes one person's changes follow each other, so that they are counted right. To be called first in the
/// transaction.
///
/// # Errors
/// [`Error::Limit`] if `another` factor is one too many.
pub async fn hold(tx: &WriteTx, app: &App, account: AccountId, another: bool) -> Result<(), Error> {
    let now = app.clock.now();
    accounts::touch(tx, account, now).await?;
    if another && store::count_counted(tx, account, now).await? >= MOST {
        return Err(Error::Limit);
    }
    Ok(())
}

/// Writes down an app that waits for its first code; returns the factor and its life.
///
/// # Errors
/// [`Error::Limit`].
pub async fn prepare(
    tx: &WriteTx,
    app: &App,
    account: AccountId,
    name: &str,
    secret: &[u8],
) -> Result<(FactorId, Duration), Error> {
    hold(tx, app, account, true).await?;
    let new = blank(app, account, Kind::Totp, name);
    let factor = Model {
        state: State::Pending,
        sealed: app.sealer.seal(&place(new.id), secret),
        gone_at: Some(new.created_at + WAITS),
        ..new
    };
    store::insert(tx, &factor).await?;
    Ok((factor.id, WAITS))
}

/// Counts a try at the first code of an app, and returns the app.
///
/// # Errors
/// [`Error::NotFound`], [`Error::TriesUsed`].
pub async fn waiting(app: &App, account: AccountId, id: FactorId) -> Result<Model, Error> {
    let now = app.clock.now();
    match store::update_first_try(&app.db, account, id, FIRST_TRIES, now).await? {
        Some(factor) => Ok(factor),
        None if store::find_pending(&app.db, account, id, now).await?.is_some() => Err(Error::TriesUsed),
        None => Err(Error::NotFound),
    }
}

/// Puts an app in force; its first code is spent by that.
///
/// # Errors
/// [`Error::NotFound`] if it was put in force before.
pub async fn activate(tx: &WriteTx, app: &App, account: AccountId, id: FactorId, step: i64) -> Result<Model, Error> {
    store::update_activated(tx, account, id, step, app.clock.now()).await?.ok_or(Error::NotFound)
}

/// Puts a passkey in force.
///
/// # Errors
/// [`Error::Limit`], or [`Error::PasskeyRejected`] if it is in force already, here or elsewhere.
pub async fn add(
    tx: &WriteTx,
    app: &App,
    account: AccountId,
    name: &str,
    made: &crate::vault::Made,
) -> Result<Model, Error> {
    hold(tx, app, account, true).await?;
    let credential = Digest::sha256(&made.credential_id);
    if store::find_passkey(tx, credential).await?.is_some() {
        return Err(Error::PasskeyRejected);
    }
    let new = blank(app, account, Kind::Passkey, name);
    let factor = Model {
        sealed: app.sealer.seal(&place(new.id), &made.passkey),
        credential_sha256: Some(credential),
        sign_count: made.sign_count,
        ..new
    };
    store::insert(tx, &factor).await?;
    Ok(factor)
}

fn blank(app: &App, account: AccountId, kind: Kind, name: &str) -> Model {
    let now = app.clock.now();
    Model {
        id: FactorId::new(now, &app.dice),
        account_id: account,
        kind,
        state: State::Active,
        name: name.to_owned(),
        sealed: Vec::new(),
        credential_sha256: None,
        last_step: None,
        sign_count: 0,
        tries: 0,
        tries_since: None,
        failures: 0,
        locked_until: None,
        created_at: now,
        last_used_at: None,
        gone_at: None,
    }
}

/// After a factor came into force: the account says so, and with the first one go recovery codes. Returns the account,
/// and whether the codes are in force.
///
/// # Errors
/// When the database fails.
pub async fn settle_added(
    tx: &WriteTx,
    app: &App,
    account: AccountId,
    codes: &RecoveryCodes,
) -> Result<(account::Model, bool), Error> {
    let factors = store::list_active(tx, account).await?;
    let first = factors.len() == 1;
    if first {
        renew_codes(tx, app, account, codes).await?;
    }
    Ok((keep_in_step(tx, app, account, &factors).await?, first))
}

/// A factor that went out of force, and what is left.
pub struct Removal {
    pub factor: Model,
    pub account: account::Model,
}

/// Takes a factor out of force. Flows that are under way end: they may have been promised that factor.
///
/// # Errors
/// [`Error::NotFound`], or [`Error::LastRequired`] for the last one of staff.
pub async fn remove(tx: &WriteTx, app: &App, account: AccountId, id: FactorId) -> Result<Removal, Error> {
    hold(tx, app, account, false).await?;
    let gone_at = app.clock.now() + KEPT_FOR;
    let factor = store::update_removed(tx, account, id, gone_at).await?.ok_or(Error::NotFound)?;
    let left = store::list_active(tx, account).await?;
    let account = keep_in_step(tx, app, account, &left).await?;
    if left.is_empty() && account.roles.is_staff() {
        return Err(Error::LastRequired);
    }
    void_flows(tx, account.id).await?;
    Ok(Removal { factor, account })
}

/// Renames a factor.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn rename(tx: &WriteTx, account: AccountId, id: FactorId, name: &str) -> Result<Model, Error> {
    store::update_name(tx, account, id, name).await?.ok_or(Error::NotFound)
}

/// Takes all factors and recovery codes of an account out of force, for staff. Its sessions are the caller's to end.
/// Returns how many factors there were.
///
/// # Errors
/// When the database fails.
pub async fn reset(tx: &WriteTx, app: &App, account: AccountId) -> Result<u64, DbErr> {
    let now = app.clock.now();
    accounts::touch(tx, account, now).await?;
    let removed = store::update_all_removed(tx, account, now + KEPT_FOR).await?;
    store::delete_codes(tx, account).await?;
    void_flows(tx, account).await?;
    accounts::update_factor_kinds(tx, account, FactorKinds::NONE, now).await?;
    Ok(removed)
}

/// Takes a factor out of force that its owner did not add. Without any left, the recovery codes go too: the stranger was
/// shown them. The account's sessions are the caller's to end. `false` if there is nothing to take back.
///
/// # Errors
/// When the database fails.
pub async fn undo_added(tx: &WriteTx, app: &App, account: AccountId, id: FactorId) -> Result<bool, DbErr> {
    let now = app.clock.now();
    accounts::touch(tx, account, now).await?;
    // Not one that can come back.
    if store::update_removed(tx, account, id, now).await?.is_none() {
        return Ok(false);
    }
    let left = store::list_active(tx, account).await?;
    if left.is_empty() {
        store::delete_codes(tx, account).await?;
    }
    void_flows(tx, account).await?;
    accounts::update_factor_kinds(tx, account, kinds_of(&left), now).await?;
    Ok(true)
}

/// Puts a factor back in force that its owner did not remove. The account's sessions are the caller's to end. `false` if
/// there is nothing to take back: it was kept for a week, and a passkey may be in force again.
///
/// # Errors
/// When the database fails.
pub async fn undo_removed(tx: &WriteTx, app: &App, account: AccountId, id: FactorId) -> Result<bool, DbErr> {
    let now = app.clock.now();
    accounts::touch(tx, account, now).await?;
    let Some(factor) = store::find_removed(tx, account, id, now).await? else { return Ok(false) };
    if let Some(credential) = factor.credential_sha256
        && store::find_passkey(tx, credential).await?.is_some()
    {
        return Ok(false);
    }
    store::update_restored(tx, id).await?;
    let factors = store::list_active(tx, account).await?;
    void_flows(tx, account).await?;
    accounts::update_factor_kinds(tx, account, kinds_of(&factors), now).await?;
    Ok(true)
}

async fn keep_in_step(tx: &WriteTx, app: &App, account: AccountId, factors: &[Model]) -> Result<account::Model, Error> {
    let kinds = kinds_of(factors);
    accounts::update_factor_kinds(tx, account, kinds, app.clock.now()).await?.ok_or(Error::NotFound)
}

fn kinds_of(factors: &[Model]) -> FactorKinds {
    factors.iter().map(|factor| FactorKind::from(factor.kind)).collect()
}
