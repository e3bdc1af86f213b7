//! What attempts to sign in lead to beyond the moment: the letter about a lock, its early end, a password that is off.
//!
//! Owns the rows of `login_guard`. A lock itself needs no row: it follows from the attempts.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::{Condition, Expr, ExprTrait, OnConflict},
};

use super::{Error, attempts, attempts::Target, device_store, guessing};
use crate::{
    accounts,
    app::App,
    audit,
    db::WriteTx,
    entity::{
        account,
        login_guard::{ActiveModel, Column, Entity},
    },
    kernel::{
        Digest, Facts, Principal, Timestamp,
        ids::{AccountId, DeviceId},
    },
    mail::Letter,
    notifications,
};

/// How long the link in a letter about a lock can be used. The lock is shorter; letters are slow.
const LINK_LIFE: Duration = Duration::from_hours(1);

fn nothing(account: AccountId) -> ActiveModel {
    ActiveModel {
        account_id: Set(account),
        password_off_at: NotSet,
        password_reset_at: NotSet,
        unlocked_at: NotSet,
        strangers_told_at: NotSet,
        devices_told_at: NotSet,
        unlock_sha256: NotSet,
        unlock_expires_at: NotSet,
    }
}

/// Sets what `row` sets, where there is a row already: if `holds`. `false` if it does not.
async fn upsert(tx: &WriteTx, row: ActiveModel, holds: Option<Condition>) -> Result<bool, DbErr> {
    let columns = [
        Column::PasswordOffAt,
        Column::PasswordResetAt,
        Column::UnlockedAt,
        Column::StrangersToldAt,
        Column::DevicesToldAt,
        Column::UnlockSha256,
        Column::UnlockExpiresAt,
    ];
    let set = columns.into_iter().filter(|column| !row.get(*column).is_not_set());
    let mut known = OnConflict::column(Column::AccountId);
    known.update_columns(set);
    if let Some(holds) = holds {
        known.action_cond_where(holds);
    }
    Ok(Entity::insert(row).on_conflict(known).exec_without_returning(tx).await? == 1)
}

/// Ends the locks on an account's password early, in the caller's transaction, which writes the audit row.
///
/// A password that is off stays off: only a new one helps.
///
/// # Errors
/// When the database fails.
pub async fn unlock(tx: &WriteTx, app: &App, account: AccountId) -> Result<(), DbErr> {
    let row = ActiveModel {
        unlocked_at: Set(Some(app.clock.now())),
        strangers_told_at: Set(None),
        devices_told_at: Set(None),
        unlock_sha256: Set(None),
        unlock_expires_at: Set(None),
        ..nothing(account)
    };
    upsert(tx, row, None).await.map(drop)
}

/// Forgets all failures on an account's old password, and turns the password on again. For whoever sets a new one, in
/// the same transaction.
///
/// # Errors
/// When the database fails.
pub async fn password_reset(tx: &WriteTx, app: &App, account: AccountId) -> Result<(), DbErr> {
    let row = ActiveModel { password_off_at: Set(None), ..without_failures(app, account) };
    upsert(tx, row, None).await.map(drop)
}

/// Forgets the failures at an address from before it was this account's, in the transaction that makes it so. A password
/// that is off stays off.
///
/// # Errors
/// When the database fails.
pub async fn forget_guesses(tx: &WriteTx, app: &App, account: AccountId) -> Result<(), DbErr> {
    upsert(tx, without_failures(app, account), None).await.map(drop)
}

fn without_failures(app: &App, account: AccountId) -> ActiveModel {
    ActiveModel {
        password_reset_at: Set(Some(app.clock.now())),
        strangers_told_at: Set(None),
        devices_told_at: Set(None),
        unlock_sha256: Set(None),
        unlock_expires_at: Set(None),
        ..nothing(account)
    }
}

/// Turns an account's password off for strangers until a new one is set. Whoever may know it gets in no more, once the
/// devices are forgotten too.
///
/// # Errors
/// When the database fails.
pub async fn turn_password_off(tx: &WriteTx, app: &App, account: AccountId) -> Result<(), DbErr> {
    let row = ActiveModel { password_off_at: Set(Some(app.clock.now())), ..nothing(account) };
    upsert(tx, row, None).await.map(drop)
}

/// How an account's password stands for strangers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PasswordStanding {
    /// No password is right before this moment.
    pub locked_until: Option<Timestamp>,
    /// Since when no password is right until a new one is set.
    pub off_since: Option<Timestamp>,
}

/// How an account's password stands for strangers, for staff to see.
///
/// # Errors
/// When the database fails.
pub async fn password_standing(app: &App, account: &account::Model) -> Result<PasswordStanding, DbErr> {
    let now = app.clock.now();
    let strangers = Target::new(app, &account.email, None);
    let counts = attempts::counts(app, &Facts::none(), strangers, Some(account.id), now).await?;
    let locked_until = guessing::locked_until(&counts, &app.config.guessing).filter(|end| *end > now);
    Ok(PasswordStanding { locked_until, off_since: counts.password_off_at })
}

/// Draws the consequences of a lock: a letter to the owner, once an episode; a password turned off, or a device forgotten.
///
/// `at` is when it was seen. Looks at the attempts anew, so it may be called late, often or in vain.
pub async fn follow_up(app: &App, account: AccountId, device: Option<DeviceId>, at: Timestamp) -> Result<(), Error> {
    let Some(account) = accounts::find(&app.db, account).await? else { return Ok(()) };
    let target = Target::new(app, &account.email, device);
    let counts = attempts::counts(app, &Facts::none(), target, Some(account.id), at).await?;
    let standing = guessing::judge(&counts, device.is_some(), &app.config.guessing, at);

    let tx = app.db.begin_write().await?;
    match device {
        None if standing.off => tell_of_end(&tx, app, &account, at).await?,
        Some(device) if standing.off => forget_device(&tx, app, &account, device).await?,
        _ if standing.locked => tell_of_lock(&tx, app, &account, device, at).await?,
        _ => {}
    }
    tx.commit().await?;
    Ok(())
}

/// Turns the password off for good, and says so; once.
async fn tell_of_end(tx: &WriteTx, app: &App, account: &account::Model, at: Timestamp) -> Result<(), Error> {
    let row = ActiveModel { password_off_at: Set(Some(at)), ..nothing(account.id) };
    let still_on = Expr::col((Entity, Column::PasswordOffAt)).is_null();
    if upsert(tx, row, Some(Condition::all().add(still_on))).await? {
        let letter = Letter::LoginLocked { until_reset: true, unlock: None };
        let key = format!("password_off/{}/{}", account.id, at.micros());
        notifications::post(tx, app, &key, account, &letter).await?;
        write_lock(tx, app, account, serde_json::json!({ "until": "reset" })).await?;
    }
    Ok(())
}

async fn tell_of_lock(
    tx: &WriteTx,
    app: &App,
    account: &account::Model,
    device: Option<DeviceId>,
    at: Timestamp,
) -> Result<(), Error> {
    let token = BASE64_URL_SAFE_NO_PAD.encode(app.dice.bytes::<32>());
    let (told, mut row) =
        (if device.is_some() { Column::DevicesToldAt } else { Column::StrangersToldAt }, nothing(account.id));
    row.set(told, Some(at).into());
    row.unlock_sha256 = Set(Some(Digest::sha256(token.as_bytes())));
    row.unlock_expires_at = Set(Some(app.clock.now() + LINK_LIFE));
    // Two episodes lie at least one lock apart.
    let col = || Expr::col((Entity, told));
    let new_episode = Condition::any().add(col().is_null()).add(col().lte(at - app.config.guessing.lock_for));
    if upsert(tx, row, Some(new_episode)).await? {
        let unlock = Some(format!("{}/unlock?token={token}", app.config.public_url()));
        let letter = Letter::LoginLocked { until_reset: false, unlock };
        let class = device.map_or_else(|| "strangers".to_owned(), |device| device.to_string());
        let key = format!("login_locked/{}/{class}/{}", account.id, at.micros());
        notifications::post(tx, app, &key, account, &letter).await?;
        write_lock(tx, app, account, serde_json::json!({ "known_device": device.is_some() })).await?;
    }
    Ok(())
}

/// A known device on which a hundred passwords in a row were wrong is a stranger from now on.
async fn forget_device(tx: &WriteTx, app: &App, account: &account::Model, device: DeviceId) -> Result<(), Error> {
    let which = device_store::Which::This(device);
    if device_store::update_forgotten(tx, account.id, which, app.clock.now()).await? > 0 {
        let event = audit::Event::new(Principal::System, "device_forgotten", "device", device).about(account.id);
        audit::write(tx, app, None, event).await?;
    }
    Ok(())
}

async fn write_lock(tx: &WriteTx, app: &App, account: &account::Model, facts: serde_json::Value) -> Result<(), DbErr> {
    let event = audit::Event::new(Principal::System, "authn_login_lock", "account", account.id).with(facts);
    audit::write(tx, app, None, event).await
}

/// Ends a lock by the link of its letter. `false` if the link was spent, is too old, or was never one.
pub async fn unlock_by_link(app: &App, facts: &Facts, token: &str) -> Result<bool, Error> {
    let digest = Digest::sha256(token.as_bytes());
    let tx = app.db.begin_write().await?;
    let spent = Entity::update_many()
        .col_expr(Column::UnlockSha256, Expr::value(Option::<Digest>::None))
        .col_expr(Column::UnlockExpiresAt, Expr::value(Option::<Timestamp>::None))
        .filter(Column::UnlockSha256.eq(digest))
        .filter(Column::UnlockExpiresAt.gt(app.clock.now()))
        .exec_with_returning(&tx)
        .await?;
    let Some(guard) = spent.first() else {
        tx.rollback().await?;
        return Ok(false);
    };
    unlock(&tx, app, guard.account_id).await?;
    let event = audit::Event::new(Principal::Anonymous, "authn_login_unlock", "account", guard.account_id);
    audit::write(&tx, app, Some(facts), event).await?;
    tx.commit().await?;
    Ok(true)
}
