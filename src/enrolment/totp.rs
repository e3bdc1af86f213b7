//! An authenticator app, from its secret to its first code.

use std::time::Duration;

use super::{
    Error,
    domain::{self, Added},
};
use crate::{
    accounts,
    app::App,
    entity::factor::Kind,
    factors::{self, RecoveryCodes},
    kernel::{Caller, ids::FactorId},
    rpc::once::Record,
    vault::{TOTP_SECRET_BYTES, Totp},
};

/// A secret that waits for its first code. Shown once.
pub struct Begun {
    pub factor: FactorId,
    pub secret: String,
    pub uri: String,
    pub lifetime: Duration,
}

/// Makes a secret.
pub async fn begin(app: &App, caller: &Caller, name: &str, once: &impl Record<Begun>) -> Result<Begun, Error> {
    let secret: [u8; TOTP_SECRET_BYTES] = app.dice.bytes();
    let totp = Totp::new(&secret);
    let tx = app.db.begin_write().await?;
    let (factor, lifetime) = factors::prepare(&tx, app, caller.account, name, &secret).await?;
    let account = accounts::find(&tx, caller.account).await?.ok_or(factors::Error::NotFound)?;
    domain::write(&tx, app, caller, "factor_enrollment_started", "factor", factor, Kind::Totp).await?;
    let begun = Begun { factor, secret: totp.base32(), uri: totp.uri(&account.email), lifetime };
    once.record(&tx, &begun).await?;
    tx.commit().await?;
    Ok(begun)
}

/// Puts the app in force by its first code.
pub async fn finish(
    app: &App,
    caller: &Caller,
    id: FactorId,
    code: &str,
    once: &impl Record<Added>,
) -> Result<Added, Error> {
    let waiting = factors::waiting(app, caller.account, id).await?;
    let step = factors::first_step(app, &waiting, code).ok_or(factors::Error::WrongCode)?;
    let codes = RecoveryCodes::throw(app, caller.account);
    let tx = app.db.begin_write().await?;
    factors::hold(&tx, app, caller.account, false).await?;
    let factor = factors::activate(&tx, app, caller.account, id, step).await?;
    let added = domain::added(&tx, app, caller, factor, codes).await?;
    once.record(&tx, &added).await?;
    tx.commit().await?;
    Ok(added)
}
