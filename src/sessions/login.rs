//! Signing in with address and password.

use super::{
    Error,
    attempts::{self, Attempt, Counts, Target},
    begin::Opening,
    devices,
    flow::{self, Step},
    guessing::{self, Standing},
    jobs::FollowUpLock,
};
use crate::{
    accounts,
    app::App,
    challenges::{self, Solution},
    entity::{
        account, device,
        login_attempt::{Outcome, Verdict},
        registration,
        session::Transport,
    },
    kernel::{EmailAddress, Facts, Password},
    vault,
};

/// What a person gives to sign in.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub email: EmailAddress,
    pub password: Password,
    pub device_name: String,
    pub remember_device: bool,
    pub transport: Transport,
    /// The answer to a challenge, if one was asked for.
    pub solution: Option<Solution>,
    /// Says that the device is known. It cannot print itself.
    pub device_token: Option<DeviceTokenText>,
}

/// A device token as it was sent.
#[derive(Clone)]
pub struct DeviceTokenText(pub String);

impl std::fmt::Debug for DeviceTokenText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeviceToken(…)")
    }
}

/// Everything that is known before the password is looked at.
struct Before {
    account: Option<account::Model>,
    pending: Option<registration::Model>,
    /// The device, if it is one of this account's.
    device: Option<device::Model>,
    target: Target,
    counts: Counts,
    standing: Standing,
}

impl Before {
    fn attempt(&self, app: &App, outcome: Outcome) -> Attempt {
        let counted_from = attempts::counted_from(&self.counts, &app.config.guessing, app.clock.now());
        Attempt {
            account: self.account.as_ref().map(|account| account.id),
            target: self.target,
            outcome,
            session: None,
            counted_from: Some(counted_from),
        }
    }
}

/// Signs a person in, or says no in the same time and words whatever the reason.
pub async fn login(app: &App, facts: &Facts, given: Credentials) -> Result<Step, Error> {
    let before = look_up(app, facts, &given).await?;
    if let Some(level) = before.standing.challenge
        && let Err(error) = challenges::require(app, given.solution.as_ref(), level).await
    {
        let attempt = before.attempt(app, Outcome::ChallengeRequired);
        attempts::insert(&app.db.write_one(), app, facts, attempt).await?;
        return Err(error.into());
    }
    let verdicts = compare(app, &before, &given).await;
    let outcome = judge(app, &before, verdicts);
    let attempt = before.attempt(app, outcome);
    match (verdicts.map(|verdicts| verdicts.account), before.account) {
        (Ok(verdict), Some(account)) if outcome == Outcome::Succeeded => {
            let rehashed = if verdict.outdated { app.hasher.hash(&given.password).await.ok() } else { None };
            let opening = Opening {
                device_name: given.device_name,
                remember_device: given.remember_device,
                transport: given.transport,
                proven: None,
                rehashed,
                device: before.device,
                is_news: Some(before.counts.had_session && !before.counts.familiar),
            };
            flow::after_password(app, facts, account, opening, attempt).await
        }
        (Err(unhashed), _) => {
            attempts::insert(&app.db.write_one(), app, facts, attempt).await?;
            Err(unhashed.into())
        }
        _ => Err(refuse(app, facts, attempt).await?),
    }
}

/// What a password was right for.
#[derive(Clone, Copy, Debug)]
struct Verdicts {
    account: vault::Verdict,
    /// The registration that waits for its mailbox.
    pending: bool,
}

/// Compares the password with the account's, or with nobody's.
///
/// A locked one is compared as well: it must not be told apart by its time. With a pending registration it is compared
/// only if its hint fits, and then besides the account's: whoever registers an address and signs in with the same words
/// hears the same, after the same work, whether or not the address has an account.
async fn compare(app: &App, before: &Before, given: &Credentials) -> Result<Verdicts, vault::Unhashed> {
    let stored = before.account.as_ref().map(|row| &row.password_hash);
    let account = app.hasher.verify(&given.password, stored).await?;
    let hint = accounts::password_hint(app, &given.email, &given.password);
    let pending = match before.pending.as_ref().filter(|row| row.password_hint.as_ref().is_none_or(|of| *of == hint)) {
        Some(row) => app.hasher.verify(&given.password, Some(&row.password_hash)).await?.matches,
        None => false,
    };
    Ok(Verdicts { account, pending })
}

async fn look_up(app: &App, facts: &Facts, given: &Credentials) -> Result<Before, Error> {
    let shown = devices::shown(app, given.device_token.as_ref().map(|token| token.0.as_str())).await?;
    // Both look-ups, always: an address without an account must not answer faster. Tools have no password.
    let account = accounts::find_by_email(&app.db, &given.email).await?;
    let account = account.filter(|account| account.kind == account::Kind::Person);
    let pending = accounts::newest_pending(app, &given.email).await?;
    let id = account.as_ref().map(|account| account.id);
    let device = shown.filter(|device| Some(device.account_id) == id);
    let target = Target::new(app, &given.email, device.as_ref().map(|device| device.id));
    let now = app.clock.now();
    let counts = attempts::counts(app, facts, target, id, now).await?;
    let standing = guessing::judge(&counts, device.is_some(), &app.config.guessing, now);
    Ok(Before { account, pending, device, target, counts, standing })
}

fn judge(app: &App, before: &Before, verdicts: Result<Verdicts, vault::Unhashed>) -> Outcome {
    match (verdicts, &before.account) {
        (Err(_), _) => Outcome::Capacity,
        _ if before.standing.off => Outcome::PasswordOff,
        _ if before.standing.locked => Outcome::Locked,
        (Ok(verdicts), Some(account)) if verdicts.account.matches => judge_account(app, account),
        // Only the right password hears that the address waits to be confirmed.
        (Ok(verdicts), _) if verdicts.pending => Outcome::NotVerified,
        (Ok(_), Some(_)) => Outcome::WrongCredentials,
        (Ok(_), None) => Outcome::UnknownAccount,
    }
}

fn judge_account(app: &App, account: &account::Model) -> Outcome {
    match account.status_at(app.clock.now()) {
        account::Status::Deleted => Outcome::WrongCredentials,
        account::Status::Suspended => Outcome::Suspended,
        account::Status::Active => Outcome::Succeeded,
    }
}

/// Writes an attempt down that opens nothing, and says what the caller hears.
async fn refuse(app: &App, facts: &Facts, attempt: Attempt) -> Result<Error, Error> {
    let writer = app.db.write_one();
    match attempt.outcome {
        Outcome::Locked | Outcome::PasswordOff => attempts::insert(&writer, app, facts, attempt).await?,
        _ if attempts::insert_unless_locked(&writer, app, facts, attempt).await? => {}
        _ => return lock(app, facts, attempt).await,
    }
    match attempt.outcome {
        Outcome::NotVerified => Ok(Error::NotVerified),
        Outcome::Suspended => Ok(Error::Suspended),
        _ => {
            follow_up(app, facts, attempt).await?;
            Ok(Error::InvalidCredentials)
        }
    }
}

/// Writes down that an attempt came too late: others had locked the password meanwhile.
pub(super) async fn lock(app: &App, facts: &Facts, attempt: Attempt) -> Result<Error, Error> {
    let attempt = Attempt { outcome: Outcome::Locked, session: None, ..attempt };
    attempts::insert(&app.db.write_one(), app, facts, attempt).await?;
    Ok(Error::InvalidCredentials)
}

/// Writes down that what was proven no longer held when the session was to begin.
pub(super) async fn overtake(app: &App, facts: &Facts, attempt: Attempt) -> Result<Error, Error> {
    let attempt = Attempt { outcome: Outcome::Overtaken, session: None, ..attempt };
    attempts::insert(&app.db.write_one(), app, facts, attempt).await?;
    Ok(Error::Overtaken)
}

/// Counts once more, now that the failure stands there: of many at once, the last one sees that they make a lock.
///
/// What was locked before is counted as well, and in vain: it must cost the same.
async fn follow_up(app: &App, facts: &Facts, attempt: Attempt) -> Result<(), Error> {
    let now = app.clock.now();
    let counts = attempts::counts(app, facts, attempt.target, attempt.account, now).await?;
    let standing = guessing::judge(&counts, attempt.target.device.is_some(), &app.config.guessing, now);
    let failed = attempt.outcome.verdict() == Some(Verdict::Wrong);
    if failed && (standing.locked || standing.off) {
        let tx = app.db.begin_write().await?;
        app.queue.enqueue(&tx, &FollowUpLock::of(&attempt, now)).await?;
        tx.commit().await?;
    }
    Ok(())
}
