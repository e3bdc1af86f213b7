//! Known devices: where a person asked to be remembered, and proves it by a token.

use subtle::ConstantTimeEq;

use super::{Error, attempts, device_store as store, device_token::DeviceToken};
use crate::{
    accounts,
    app::App,
    audit,
    db::WriteTx,
    entity::{account, device, session},
    kernel::{
        Caller, Facts, Principal, Timestamp,
        ids::{AccountId, DeviceId, Id},
    },
    mail::Letter,
    notifications,
    rpc::once::Record,
};

/// The known device whose token this is: not forgotten, not expired. Whose it is stands in the row.
pub async fn shown(app: &App, token: Option<&str>) -> Result<Option<device::Model>, Error> {
    let Some(token) = token.and_then(|text| DeviceToken::parse(app, text)) else { return Ok(None) };
    let now = app.clock.now();
    let found = store::find(&app.db, token.device).await?;
    Ok(found.filter(|row| {
        let genuine = row.token_sha256.as_bytes().ct_eq(token.digest().as_bytes());
        bool::from(genuine) && row.forgotten_at.is_none() && row.expires_at > now
    }))
}

/// Whether no second factor is wanted on this device now.
pub fn is_trusted(device: &device::Model, now: Timestamp) -> bool {
    device.trusted_until.is_some_and(|until| now < until)
}

/// The device that a session is opened on, and the token that makes it known from now on.
#[derive(Default)]
pub struct Remembered {
    pub device: Option<device::Model>,
    /// Of a device that was not known; shown once.
    pub token: Option<DeviceToken>,
    /// The second factor was given on it, and it is to be remembered.
    newly_trusted: bool,
}

/// How a sign-in wants its device remembered.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// The known device whose token was shown, of this account.
    pub known: Option<&'a device::Model>,
    pub remember: bool,
    pub name: &'a str,
    pub second_factor_passed: bool,
}

/// Decides what will be remembered; [`keep`] writes it down.
pub fn prepare(app: &App, facts: &Facts, account: AccountId, wish: Wish<'_>) -> Remembered {
    let (now, config) = (app.clock.now(), &app.config.devices);
    let trusted_until = (wish.remember && wish.second_factor_passed).then(|| now + config.trust_life);
    if let Some(known) = wish.known {
        let name = if wish.name.is_empty() { &known.name } else { wish.name };
        let device = device::Model {
            name: name.to_owned(),
            user_agent: facts.user_agent.clone(),
            last_used_at: now,
            expires_at: now + config.life,
            trusted_until: trusted_until.or(known.trusted_until),
            ..known.clone()
        };
        return Remembered { device: Some(device), token: None, newly_trusted: trusted_until.is_some() };
    }
    if !wish.remember {
        return Remembered::default();
    }
    let token = DeviceToken::new(app, DeviceId::new(now, &app.dice));
    let device = device::Model {
        id: token.device,
        account_id: account,
        token_sha256: token.digest(),
        name: wish.name.to_owned(),
        user_agent: facts.user_agent.clone(),
        created_at: now,
        last_used_at: now,
        expires_at: now + config.life,
        trusted_until,
        forgotten_at: None,
    };
    Remembered { device: Some(device), token: Some(token), newly_trusted: trusted_until.is_some() }
}

/// Writes down what was prepared, in the sign-in's transaction. Returns whether the device is trusted.
///
/// One that was forgotten meanwhile stays so, and the session goes on as a stranger's. Trust that was taken from it is
/// not given back.
pub async fn keep(tx: &WriteTx, app: &App, remembered: &Remembered) -> Result<bool, Error> {
    let Some(device) = &remembered.device else { return Ok(false) };
    let now = app.clock.now();
    if remembered.token.is_none() {
        let kept = store::update_used(tx, device, remembered.newly_trusted).await?;
        return Ok(kept.is_some_and(|device| is_trusted(&device, now)));
    }
    store::insert(tx, device).await?;
    store::update_surplus_forgotten(tx, device.account_id, app.config.devices.max_devices, now).await?;
    Ok(is_trusted(device, now))
}

/// Tells the owner of a sign-in on a device that nothing is known of.
///
/// «Nothing» means: no token, and no earlier session with the same program on the same network. The first sign-in of all
/// is no news.
pub async fn tell(tx: &WriteTx, app: &App, account: &account::Model, session: &session::Model) -> Result<(), Error> {
    let undo = accounts::undo_link(tx, app, account.id, &accounts::Change::SignedIn).await?;
    let letter = Letter::NewDevice {
        device_name: session.device_name.clone(),
        network: session.address_prefix.clone(),
        at: in_words(session.created_at),
        undo,
    };
    notifications::post(tx, app, &format!("new_device/{}", session.id), account, &letter).await?;
    Ok(())
}

/// Whether a sign-in with these facts would be news to the owner.
pub async fn is_news(app: &App, account: AccountId, facts: &Facts) -> Result<bool, Error> {
    Ok(attempts::is_news(&app.db, account, facts).await?)
}

/// `2026-03-01 09:30 UTC`.
fn in_words(at: Timestamp) -> String {
    let Ok(at) = time::OffsetDateTime::from_unix_timestamp(at.micros().div_euclid(1_000_000)) else {
        return String::new();
    };
    format!("{} {:02}:{:02} UTC", at.date(), at.hour(), at.minute())
}

/// Forgets one of one's own devices; one that is forgotten stays so.
pub async fn forget(app: &App, caller: &Caller, id: DeviceId, once: &impl Record<()>) -> Result<(), Error> {
    store::find(&app.db, id).await?.filter(|row| row.account_id == caller.account).ok_or(Error::NoDevice)?;
    let tx = app.db.begin_write().await?;
    if store::update_forgotten(&tx, caller.account, store::Which::This(id), app.clock.now()).await? > 0 {
        let event = audit::Event::new(Principal::Account(caller.account), "device_forgotten", "device", id);
        audit::write(&tx, app, Some(&caller.facts), event).await?;
    }
    once.record(&tx, &()).await?;
    tx.commit().await?;
    Ok(())
}

/// Forgets every device of an account: after a sign-in that was not its owner's.
///
/// # Errors
/// When the database fails.
pub async fn forget_all(tx: &WriteTx, app: &App, account: AccountId) -> Result<u64, sea_orm::DbErr> {
    store::update_forgotten(tx, account, store::Which::All, app.clock.now()).await
}

/// Takes the trust from an account's devices: a second factor is wanted again on each. After a new password, or a change
/// of factors.
///
/// # Errors
/// When the database fails.
pub async fn distrust(tx: &WriteTx, account: AccountId) -> Result<(), sea_orm::DbErr> {
    store::update_distrusted(tx, account).await
}
