//! Signing in with address and password.

use super::{
    Error,
    begin::Opening,
    flow::{self, Step},
    store,
};
use crate::{
    accounts,
    app::App,
    entity::{account, login_attempt::Outcome, registration, session::Transport},
    kernel::{Digest, EmailAddress, Facts, Password},
};

/// What a person gives to sign in.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub email: EmailAddress,
    pub password: Password,
    pub device_name: String,
    pub remember_device: bool,
    pub transport: Transport,
}

/// Signs a person in, or says no in the same time and words whatever the reason.
pub async fn login(app: &App, facts: &Facts, given: Credentials) -> Result<Step, Error> {
    // Both look-ups, always: an address without an account must not answer faster.
    let account = accounts::find_by_email(&app.db, &given.email).await?;
    let pending = accounts::newest_pending(app, &given.email).await?;
    let stored = account.as_ref().map(|row| &row.password_hash).or(pending.as_ref().map(|row| &row.password_hash));
    let verdict = app.hasher.verify(&given.password, stored).await;

    let outcome = match (&verdict, &account, &pending) {
        (Err(_), ..) => Outcome::Capacity,
        (Ok(verdict), Some(account), _) => judge_account(account, verdict.matches),
        (Ok(verdict), None, Some(pending)) => judge_pending(pending, verdict.matches),
        (Ok(_), None, None) => Outcome::UnknownAccount,
    };
    let attempt = store::Attempt {
        account: account.as_ref().map(|account| account.id),
        identifier: identifier_mac(app, &given.email),
        outcome,
        session: None,
    };
    match (outcome, account) {
        (Outcome::Succeeded, Some(account)) => {
            let outdated = verdict.is_ok_and(|verdict| verdict.outdated);
            let rehashed = if outdated { app.hasher.hash(&given.password).await.ok() } else { None };
            let opening = Opening {
                device_name: given.device_name,
                remember_device: given.remember_device,
                transport: given.transport,
                proven: None,
                rehashed,
            };
            flow::after_password(app, facts, account, opening, attempt, false).await
        }
        (outcome, _) => {
            store::insert_attempt(&app.db.write_one(), app, facts, attempt).await?;
            Err(match outcome {
                Outcome::NotVerified => Error::NotVerified,
                Outcome::Suspended => Error::Suspended,
                Outcome::Capacity => Error::Capacity(crate::vault::Full),
                _ => Error::InvalidCredentials,
            })
        }
    }
}

fn judge_account(account: &account::Model, matches: bool) -> Outcome {
    match (matches, account.status) {
        (false, _) | (true, account::Status::Deleted) => Outcome::WrongCredentials,
        (true, account::Status::Suspended) => Outcome::Suspended,
        (true, account::Status::Active) => Outcome::Succeeded,
    }
}

/// Only the right password hears that the address waits to be confirmed.
fn judge_pending(pending: &registration::Model, matches: bool) -> Outcome {
    match pending.kind {
        registration::Kind::New if matches => Outcome::NotVerified,
        _ => Outcome::UnknownAccount,
    }
}

/// What counts attempts on one identifier, known or not, without storing it in clear.
pub(super) fn identifier_mac(app: &App, email: &EmailAddress) -> Digest {
    Digest::mac(&app.keys.derived("login identifiers"), &[email.expose().as_bytes()])
}
