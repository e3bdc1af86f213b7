//! Changes of factors, and what goes with each: sessions, letter, trail.

use super::Error;
use crate::{
    accounts::{self, Change},
    app::App,
    audit,
    db::WriteTx,
    entity::{
        account,
        factor::{self, Kind},
    },
    factors::{self, RecoveryCodes},
    kernel::{
        Caller, CheckedBy, Principal,
        ids::{FactorId, Id},
    },
    mail::Letter,
    notifications,
    rpc::once::Record,
    sessions::{self, CarriedOn},
};

/// A factor that came into force.
pub struct Added {
    pub factor: factor::Model,
    /// Empty unless it is the first.
    pub codes: Vec<String>,
    pub carried: CarriedOn,
}

/// After a factor came into force, in the same transaction.
pub(super) async fn added(
    tx: &WriteTx,
    app: &App,
    caller: &Caller,
    factor: factor::Model,
    codes: RecoveryCodes,
) -> Result<Added, Error> {
    let (account, first) = factors::settle_added(tx, app, caller.account, &codes).await?;
    let shown = match factor.kind {
        Kind::Passkey => CheckedBy::Passkey,
        Kind::Totp => CheckedBy::Totp,
    };
    let carried = sessions::carry_on(tx, app, caller, &account, Some(shown)).await?;
    let undo = accounts::undo_link(tx, app, account.id, &Change::FactorAdded { factor: factor.id.to_string() }).await?;
    let letter = Letter::FactorAdded { factor: in_words(&factor), undo };
    notifications::post(tx, app, &format!("factor_added/{}", factor.id), &account, &letter).await?;
    write(tx, app, caller, "factor_added", "factor", factor.id, factor.kind).await?;
    let codes = if first { codes.shown } else { Vec::new() };
    Ok(Added { factor, codes, carried })
}

/// Removes a factor.
pub async fn remove(
    app: &App,
    caller: &Caller,
    id: FactorId,
    once: &impl Record<CarriedOn>,
) -> Result<CarriedOn, Error> {
    let tx = app.db.begin_write().await?;
    let factors::Removal { factor, account } = factors::remove(&tx, app, caller.account, id).await?;
    let carried = sessions::carry_on(&tx, app, caller, &account, None).await?;
    let undo = accounts::undo_link(&tx, app, account.id, &Change::FactorRemoved { factor: id.to_string() }).await?;
    let letter = Letter::FactorRemoved { factor: in_words(&factor), undo };
    // A factor that came back may be removed again.
    let key = format!("factor_removed/{id}/{}", app.clock.now().micros());
    notifications::post(&tx, app, &key, &account, &letter).await?;
    write(&tx, app, caller, "factor_removed", "factor", id, factor.kind).await?;
    once.record(&tx, &carried).await?;
    tx.commit().await?;
    Ok(carried)
}

/// Renames a factor.
pub async fn rename(
    app: &App,
    caller: &Caller,
    id: FactorId,
    name: &str,
    once: &impl Record<factor::Model>,
) -> Result<factor::Model, Error> {
    let tx = app.db.begin_write().await?;
    let factor = factors::rename(&tx, caller.account, id, name).await?;
    write(&tx, app, caller, "factor_renamed", "factor", id, factor.kind).await?;
    once.record(&tx, &factor).await?;
    tx.commit().await?;
    Ok(factor)
}

/// New recovery codes, as shown once.
pub struct Renewed {
    pub codes: Vec<String>,
    pub carried: CarriedOn,
}

/// Puts new recovery codes in the place of the old.
pub async fn renew(app: &App, caller: &Caller, once: &impl Record<Renewed>) -> Result<Renewed, Error> {
    let codes = RecoveryCodes::throw(app, caller.account);
    let tx = app.db.begin_write().await?;
    factors::hold(&tx, app, caller.account, false).await?;
    let account = accounts::find(&tx, caller.account).await?;
    let account = account.filter(|account| !account.factor_kinds.is_empty()).ok_or(factors::Error::NotFound)?;
    factors::renew_codes(&tx, app, account.id, &codes).await?;
    let carried = sessions::carry_on(&tx, app, caller, &account, None).await?;
    tell_of_codes(&tx, app, &account).await?;
    let event = audit::Event::new(Principal::Account(account.id), "recovery_codes_renewed", "account", account.id);
    audit::write(&tx, app, Some(&caller.facts), event).await?;
    let renewed = Renewed { codes: codes.shown, carried };
    once.record(&tx, &renewed).await?;
    tx.commit().await?;
    Ok(renewed)
}

async fn tell_of_codes(tx: &WriteTx, app: &App, account: &account::Model) -> Result<(), Error> {
    let undo = accounts::undo_link(tx, app, account.id, &Change::RecoveryCodesRenewed).await?;
    let letter = Letter::FactorAdded { factor: "A new set of recovery codes".to_owned(), undo };
    let key = format!("recovery_codes/{}/{}", account.id, app.clock.now().micros());
    Ok(notifications::post(tx, app, &key, account, &letter).await?)
}

pub(super) async fn write<S: Id>(
    tx: &WriteTx,
    app: &App,
    caller: &Caller,
    action: &'static str,
    subject_kind: &'static str,
    subject: S,
    kind: Kind,
) -> Result<(), Error> {
    let event = audit::Event::new(Principal::Account(caller.account), action, subject_kind, subject)
        .with(serde_json::json!({ "kind": kind.to_string() }));
    Ok(audit::write(tx, app, Some(&caller.facts), event).await?)
}

/// A factor as a letter speaks of it.
fn in_words(factor: &factor::Model) -> String {
    let kind = match factor.kind {
        Kind::Passkey => "The passkey",
        Kind::Totp => "The authenticator app",
    };
    format!("{kind} “{}”", factor.name)
}
