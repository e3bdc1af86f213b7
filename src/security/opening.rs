//! Opening an account: the letter of a registration is answered.

use crate::{
    accounts::{Error, proof::Shown, registration},
    app::App,
    entity::account,
    kernel::{Facts, Password, ids::RegistrationId},
    rpc::once::Record,
    sessions,
};

/// Opens the account that a link or code proves, the link of one among several together with its password.
pub async fn verify(
    app: &App,
    facts: &Facts,
    shown: Shown<RegistrationId>,
    password: Option<&Password>,
    once: &impl Record<account::Model>,
) -> Result<account::Model, Error> {
    let registration = registration::find_proven(app, shown, password).await?;
    let tx = app.db.begin_write().await?;
    let account = registration::open(&tx, app, facts, &registration).await?;
    // Whoever guessed before there was an account guessed at nothing.
    sessions::forget_guesses(&tx, app, account.id).await?;
    once.record(&tx, &account).await?;
    tx.commit().await?;
    Ok(account)
}
