//! Registrations: an address that waits to be proven.

use std::time::Duration;

use sea_orm::{ActiveValue::Set, DbErr};

use super::{
    Error,
    password::{self, Person},
    proof::{CODE_LIFE, CODE_TRIES, Proof, RESEND_AFTER, Shown, code_mac},
    store,
};
use crate::{
    app::App,
    audit,
    challenges::Solution,
    db::{WriteTx, violates_uniqueness},
    entity::{account, registration},
    kernel::{
        Digest, EmailAddress, Facts, Password, Principal, Timestamp,
        ids::{AccountId, Id, RegistrationId},
    },
    limits::{self, Asked},
    mail::Letter,
    notifications::{self, Reader},
    rpc::once::Record,
};

/// How long a link opens an account.
const LINK_LIFE: Duration = Duration::from_hours(24);
/// Letters of one registration after its first.
const MAX_RESENDS: i64 = 5;

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct NewAccount {
    pub email: EmailAddress,
    pub password: Password,
    pub display_name: String,
    pub locale: String,
    pub terms_version: String,
    /// Of a challenge, if one was wanted before.
    pub solution: Option<Solution>,
}

/// Tells whether a password may be the one of a registration, without hashing it: once in 65,536 tries by chance.
///
/// The key is the server's own, so a stolen database tells nothing by it.
pub fn password_hint(app: &App, email: &EmailAddress, password: &Password) -> Vec<u8> {
    let key = app.keys.derived("registration password hints");
    let whole = Digest::mac(&key, &[email.expose().as_bytes(), password.expose().as_bytes()]);
    whole.as_bytes()[..2].to_vec()
}

/// The letter of a registration: with its proof, or a word to the owner of a known address.
fn letter(app: &App, proof: &Proof, kind: registration::Kind) -> Letter {
    match kind {
        registration::Kind::New => Letter::VerifyEmail { link: proof.link(app, "verify"), code: proof.spaced_code() },
        registration::Kind::Known => Letter::AddressKnown { sign_in: app.config.sign_in_url() },
    }
}

/// Begins a registration and posts its letter.
///
/// The work is the same for known and unknown addresses: one hash, the same statements.
pub async fn register(
    app: &App,
    facts: &Facts,
    new: NewAccount,
    once: &impl Record<RegistrationId>,
) -> Result<RegistrationId, Error> {
    let person = Person { email: &new.email, name: &new.display_name, staff: false };
    password::judge(app, &new.password, person).await.map_err(Error::PasswordRejected)?;
    limits::letter(app, facts, Asked::Registration, &new.email).await?;
    let password_hash = app.hasher.hash(&new.password).await?;
    let now = app.clock.now();
    let id = RegistrationId::new(now, &app.dice);
    let proof = Proof::throw(app);
    let kind = match store::find_by_email(&app.db, &new.email).await? {
        Some(_) => registration::Kind::Known,
        None => registration::Kind::New,
    };

    let tx = app.db.begin_write().await?;
    let row = registration::ActiveModel {
        id: Set(id),
        kind: Set(kind),
        email: Set(new.email.clone()),
        display_name: Set(new.display_name),
        password_hash: Set(password_hash),
        password_hint: Set(Some(password_hint(app, &new.email, &new.password))),
        locale: Set(new.locale.clone()),
        terms_version: Set(new.terms_version),
        link_sha256: Set(proof.link_digest()),
        link_expires_at: Set(now + LINK_LIFE),
        code_mac: Set(proof.code_mac(app, id)),
        code_expires_at: Set(now + CODE_LIFE),
        code_attempts: Set(0),
        state: Set(registration::State::Pending),
        resend_after: Set(now + RESEND_AFTER),
        resends: Set(0),
        created_at: Set(now),
        updated_at: Set(now),
        account_id: Set(None),
    };
    store::insert_registration(&tx, row).await?;
    let reader = Reader { account: None, email: &new.email, locale: &new.locale };
    notifications::post(&tx, app, &format!("register/{id}"), reader, &letter(app, &proof, kind)).await?;
    let event = audit::Event::new(Principal::Anonymous, "user_registration_started", "registration", id);
    audit::write(&tx, app, Some(facts), event).await?;
    once.record(&tx, &id).await?;
    tx.commit().await?;
    Ok(id)
}

/// Posts a registration's letter again, with a new link and code. Returns how long until the next may be asked for.
///
/// Unknown and impatient askers get an answer of the same shape, and no letter. Whether a registration is still pending
/// shows to nobody but the mailbox: one that is over goes on as if its address had been known from the start.
pub async fn resend(
    app: &App,
    facts: &Facts,
    id: Option<RegistrationId>,
    once: &impl Record<Duration>,
) -> Result<Duration, Error> {
    let now = app.clock.now();
    let found = match id {
        Some(id) => store::find_registration(&app.db, id).await?,
        None => None,
    };
    let Some(seen) = found.filter(|row| row.link_expires_at > now) else {
        return put_off(app, RESEND_AFTER, once).await;
    };
    if seen.resends >= MAX_RESENDS {
        return put_off(app, RESEND_AFTER, once).await;
    }
    if seen.resend_after > now {
        return put_off(app, seen.resend_after.since(now), once).await;
    }
    if let Err(exceeded) = limits::letter(app, facts, Asked::Registration, &seen.email).await {
        return put_off(app, exceeded.retry_after, once).await;
    }

    let kind = if seen.state == registration::State::Pending { seen.kind } else { registration::Kind::Known };
    let proof = Proof::throw(app);
    let tx = app.db.begin_write().await?;
    let renewed = store::Renewal {
        link_sha256: proof.link_digest(),
        link_expires_at: now + LINK_LIFE,
        code_mac: proof.code_mac(app, seen.id),
        code_expires_at: now + CODE_LIFE,
        resend_after: now + RESEND_AFTER,
    };
    if store::update_renewed(&tx, &seen, renewed, now).await? {
        let key = format!("register/{}/{}", seen.id, seen.resends + 1);
        notifications::post(&tx, app, &key, &seen, &letter(app, &proof, kind)).await?;
        let event = audit::Event::new(Principal::Anonymous, "user_registration_resent", "registration", seen.id);
        audit::write(&tx, app, Some(facts), event).await?;
    }
    once.record(&tx, &RESEND_AFTER).await?;
    tx.commit().await?;
    Ok(RESEND_AFTER)
}

/// Answers without a letter. That is kept as well: the same request sends none later.
async fn put_off(app: &App, wait: Duration, once: &impl Record<Duration>) -> Result<Duration, Error> {
    let tx = app.db.begin_write().await?;
    once.record(&tx, &wait).await?;
    tx.commit().await?;
    Ok(wait)
}

/// The registration that a link or code proves. Spends nothing but, for a code or a password, a try.
///
/// When an address was registered more than once, its letters look alike and whoever reads them cannot tell which one
/// was theirs. Then a link alone does not prove that: the password of its registration is wanted too.
///
/// # Errors
/// [`Error::TokenInvalid`], [`Error::AttemptsExhausted`], [`Error::PasswordWanted`] also for a wrong one.
pub async fn find_proven(
    app: &App,
    proof: Shown<RegistrationId>,
    password: Option<&Password>,
) -> Result<registration::Model, Error> {
    let now = app.clock.now();
    let by_link = matches!(proof, Shown::Link(_));
    let found = match proof {
        Shown::Link(digest) => store::find_by_link(&app.db, digest).await?.filter(|row| row.link_expires_at > now),
        Shown::Code { flow, code } => by_code(app, flow, &code, now).await?,
    };
    let registration = found
        .filter(|row| row.state == registration::State::Pending && row.kind == registration::Kind::New)
        .ok_or(Error::TokenInvalid)?;
    if by_link && store::find_rival(&app.db, &registration).await?.is_some() {
        check_password(app, &registration, password).await?;
    }
    Ok(registration)
}

/// A try is counted, durably, before the password is looked at.
async fn check_password(
    app: &App,
    registration: &registration::Model,
    password: Option<&Password>,
) -> Result<(), Error> {
    let password = password.ok_or(Error::PasswordWanted)?;
    if !store::update_counted_try(&app.db, registration.id, CODE_TRIES).await? {
        return Err(Error::AttemptsExhausted);
    }
    let verdict = app.hasher.verify(password, Some(&registration.password_hash)).await?;
    if verdict.matches { Ok(()) } else { Err(Error::PasswordWanted) }
}

/// Opens the account of a registration that was proven, in the caller's transaction.
///
/// # Errors
/// [`Error::TokenInvalid`] if a newer letter or another proof was faster.
pub async fn open(
    tx: &WriteTx,
    app: &App,
    facts: &Facts,
    registration: &registration::Model,
) -> Result<account::Model, Error> {
    let now = app.clock.now();
    if !store::update_verified(tx, registration, now).await? {
        return Err(Error::TokenInvalid);
    }
    let opened = open_account(tx, app, registration, now).await;
    let account = opened.map_err(|error| {
        // Somebody else proved the same mailbox first.
        if violates_uniqueness(&error) { Error::TokenInvalid } else { error.into() }
    })?;
    let event = audit::Event::new(Principal::Account(account.id), "user_created", "account", account.id);
    audit::write(tx, app, Some(facts), event).await?;
    let welcome = Letter::Welcome { sign_in: app.config.sign_in_url() };
    notifications::post(tx, app, &format!("welcome/{}", account.id), &account, &welcome).await?;
    Ok(account)
}

/// The registration that a code opens. A try is counted, durably, before the code is looked at, whatever became of the
/// registration: how soon the tries are used up tells nothing of it.
async fn by_code(
    app: &App,
    id: RegistrationId,
    code: &str,
    now: Timestamp,
) -> Result<Option<registration::Model>, Error> {
    let counted = store::update_counted_try(&app.db, id, CODE_TRIES).await?;
    let Some(row) = store::find_registration(&app.db, id).await? else { return Ok(None) };
    if !counted {
        return Err(Error::AttemptsExhausted);
    }
    let right = row.code_expires_at > now && row.code_mac == code_mac(app, id, code);
    Ok(Some(row).filter(|_| right))
}

async fn open_account(
    tx: &WriteTx,
    app: &App,
    registration: &registration::Model,
    now: Timestamp,
) -> Result<account::Model, DbErr> {
    let id = AccountId::new(now, &app.dice);
    let (email, name) = (registration.email.clone(), registration.display_name.clone());
    let account = account::Model {
        locale: registration.locale.clone(),
        terms_version: registration.terms_version.clone(),
        ..account::Model::person(id, email, name, registration.password_hash.clone(), now)
    };
    store::insert(tx, &account).await?;
    Ok(account)
}

/// The newest registration of this address that can still be proven: for sign-ins before verification.
pub async fn newest_pending(app: &App, email: &EmailAddress) -> Result<Option<registration::Model>, DbErr> {
    store::find_newest_pending(&app.db, email, app.clock.now()).await
}
