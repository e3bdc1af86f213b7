//! Changing a password that one knows, and what follows every new password.

use std::time::Duration;

use super::{Error, proofs, store};
use crate::{
    accounts::{
        self, Change,
        password::{self, Person, Why},
    },
    app::App,
    audit,
    db::WriteTx,
    entity::{account, session::EndCause},
    kernel::{Caller, Password, Principal, StoredHash, Timestamp},
    mail::Letter,
    notifications,
    rpc::once::Record,
    sessions::{self, Which},
};

/// Wrong current passwords that one session may give in the window.
const TRIES: i64 = 5;
const TRIES_WINDOW: Duration = Duration::from_mins(15);

/// Both passwords.
pub struct Passwords {
    pub current: Password,
    pub new: Password,
}

/// Changes one's own password. Returns how many other sessions ended.
pub async fn change(app: &App, caller: &Caller, given: Passwords, once: &impl Record<usize>) -> Result<usize, Error> {
    let account = accounts::find(&app.db, caller.account).await?.ok_or(Error::AccountGone)?;
    prove(app, caller, &account, &given.current).await?;
    if given.new.expose() == given.current.expose() {
        return Err(Error::PasswordRejected(Why::Unchanged.into()));
    }
    judge(app, &account, &given.new).await?;
    let hash = app.hasher.hash(&given.new).await?;

    let now = app.clock.now();
    let tx = app.db.begin_write().await?;
    let ended = replace(&tx, app, &account, hash, Which::AllBut(caller.session), now).await?;
    refuse_ended(&tx, caller).await?;
    let actor = Principal::Account(caller.account);
    let event = audit::Event::new(actor, "authn_password_change", "account", account.id)
        .with(serde_json::json!({ "ended": ended }));
    audit::write(&tx, app, Some(&caller.facts), event).await?;
    once.record(&tx, &ended).await?;
    tx.commit().await?;
    Ok(ended)
}

/// Refuses a call whose session was ended while it was under way. The account's row is held: nobody ends it any more.
pub async fn refuse_ended(tx: &WriteTx, caller: &Caller) -> Result<(), Error> {
    let session = sessions::find_of(tx, caller.account, caller.session).await?;
    match session {
        Some(session) if session.ended_at.is_none() => Ok(()),
        ended => Err(Error::SessionEnded(ended.and_then(|session| session.end_cause))),
    }
}

/// Whether the caller knows the password. A try is counted, durably, before it is looked at.
async fn prove(app: &App, caller: &Caller, account: &account::Model, current: &Password) -> Result<(), Error> {
    let now = app.clock.now();
    if !store::update_password_try(&app.db, caller.session, TRIES, TRIES_WINDOW, now).await? {
        return Err(Error::TooManyTries { limit: TRIES, retry_after: TRIES_WINDOW });
    }
    let verdict = match app.hasher.verify(current, Some(&account.password_hash)).await {
        Ok(verdict) => verdict,
        Err(unhashed) => {
            store::update_password_try_back(&app.db, caller.session).await?;
            return Err(unhashed.into());
        }
    };
    if verdict.matches {
        store::delete_password_tries(&app.db, caller.session).await?;
        return Ok(());
    }
    let tx = app.db.begin_write().await?;
    let event =
        audit::Event::new(Principal::Account(caller.account), "authn_password_change_fail", "account", account.id);
    audit::write(&tx, app, Some(&caller.facts), event).await?;
    tx.commit().await?;
    Err(Error::WrongPassword)
}

/// Whether this person may have this password.
pub async fn judge(app: &App, account: &account::Model, new: &Password) -> Result<(), Error> {
    let person = Person { email: &account.email, name: &account.display_name, staff: account.roles.is_staff() };
    password::judge(app, new, person).await.map_err(Error::PasswordRejected)
}

/// Puts a new password in the place of the one that was read, ends sessions, voids what waits in mailboxes, forgets the
/// guesses at the old one and the trust in devices, and tells the owner. Returns how many sessions ended.
///
/// # Errors
/// [`Error::Changed`] if the password was changed meanwhile.
pub async fn replace(
    tx: &WriteTx,
    app: &App,
    account: &account::Model,
    new: StoredHash,
    which: Which<'_>,
    now: Timestamp,
) -> Result<usize, Error> {
    if !accounts::update_password(tx, account.id, &account.password_hash, new, now).await? {
        return Err(Error::Changed);
    }
    let ended = sessions::end(tx, app, account.id, which, EndCause::PasswordChanged, now).await?;
    proofs::void_all(tx, account.id, now).await?;
    // Guesses at the old password are void, and so is the trust in devices that were given with it.
    sessions::password_reset(tx, app, account.id).await?;
    sessions::devices::distrust(tx, account.id).await?;
    let undo = accounts::undo_link(tx, app, account.id, &Change::PasswordChanged).await?;
    let key = format!("password_changed/{}/{}", account.id, now.micros());
    notifications::post(tx, app, &key, account, &Letter::PasswordChanged { undo }).await?;
    Ok(ended.len())
}
