//! Changing one's own address: both mailboxes say yes.

use std::time::Duration;

use sea_orm::DbErr;

use super::{Error, password, proofs, store};
use crate::{
    accounts::{
        self, Change,
        proof::{Proof, Shown},
    },
    app::App,
    audit,
    db::{WriteTx, violates_uniqueness},
    entity::{
        account, email_change,
        mail_proof::{self, Purpose},
        session::EndCause,
    },
    kernel::{
        Caller, EmailAddress, Facts, Principal,
        ids::{AccountId, EmailChangeId, Id},
    },
    limits::{self, Asked},
    mail::Letter,
    notifications::{self, Reader},
    privacy,
    rpc::once::Record,
    sessions::{self, Which},
};

/// How long the links confirm a change.
const LINK_LIFE: Duration = Duration::from_mins(30);

/// How far a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    OldConfirmed,
    NewConfirmed,
    Changed,
}

/// Writes to both mailboxes. For an address in use the work and the answer are the same, and its owner is told.
pub async fn start(
    app: &App,
    caller: &Caller,
    new_email: EmailAddress,
    once: &impl Record<EmailChangeId>,
) -> Result<EmailChangeId, Error> {
    let account = accounts::find(&app.db, caller.account).await?.ok_or(Error::AccountGone)?;
    if account.email == new_email {
        return Err(Error::SameAddress);
    }
    limits::email_change(app, account.id).await.map_err(Error::TooManyChanges)?;
    limits::letter(app, &caller.facts, Asked::EmailChange, &new_email).await?;
    let taken = accounts::find_by_email(&app.db, &new_email).await?.is_some();
    let now = app.clock.now();
    let change = email_change::Model {
        id: EmailChangeId::new(now, &app.dice),
        account_id: account.id,
        session_id: caller.session,
        new_email,
        state: email_change::State::Pending,
        created_at: now,
        updated_at: now,
    };
    let id = change.id;

    let tx = app.db.begin_write().await?;
    let held = accounts::hold(&tx, account.id).await?.ok_or(Error::AccountGone)?;
    if held.email != account.email {
        return Err(Error::Changed);
    }
    password::refuse_ended(&tx, caller).await?;
    proofs::void_changes(&tx, account.id, now).await?;
    store::insert_change(&tx, change.clone()).await?;
    ask(&tx, app, &change, (&account).into(), Purpose::ChangeEmailOld, |link, code| Letter::ConfirmEmailChange {
        link,
        code,
        new_address: Some(change.new_email.expose().to_owned()),
    })
    .await?;
    let new_mailbox = Reader { account: Some(account.id), email: &change.new_email, locale: &account.locale };
    ask(&tx, app, &change, new_mailbox, Purpose::ChangeEmailNew, |link, code| {
        if taken {
            Letter::AddressKnown { sign_in: app.config.sign_in_url() }
        } else {
            Letter::ConfirmEmailChange { link, code, new_address: None }
        }
    })
    .await?;
    let event = audit::Event::new(Principal::Account(account.id), "user_email_change_start", "account", account.id);
    audit::write(&tx, app, Some(&caller.facts), event).await?;
    once.record(&tx, &id).await?;
    tx.commit().await?;
    Ok(id)
}

/// Writes to one of the two mailboxes.
async fn ask(
    tx: &WriteTx,
    app: &App,
    change: &email_change::Model,
    to: Reader<'_>,
    purpose: Purpose,
    letter: impl FnOnce(String, String) -> Letter + Send,
) -> Result<(), DbErr> {
    let proof = Proof::throw(app);
    let letter = letter(proof.link(app, "email"), proof.spaced_code());
    store::insert_proof(tx, proofs::row(app, &proof, purpose, change.id, Some(change.account_id), LINK_LIFE)).await?;
    notifications::post(tx, app, &format!("{purpose}/{}", change.id), to, &letter).await
}

/// Confirms a change for the mailbox whose proof is shown; `owner` is who must own it, when that is known.
pub async fn confirm(
    app: &App,
    facts: &Facts,
    owner: Option<AccountId>,
    shown: Shown<EmailChangeId>,
    once: &impl Record<Progress>,
) -> Result<Progress, Error> {
    let proof = proofs::find(app, shown, &[Purpose::ChangeEmailOld, Purpose::ChangeEmailNew]).await?;
    if owner.is_some() && owner != proof.account_id {
        return Err(Error::TokenInvalid);
    }
    let now = app.clock.now();
    let account = proof.account_id.ok_or(Error::TokenInvalid)?;
    let tx = app.db.begin_write().await?;
    let account = accounts::hold(&tx, account).await?.ok_or(Error::TokenInvalid)?;
    let change = store::update_held(&tx, proof.flow_id.into(), now).await?.ok_or(Error::TokenInvalid)?;
    if !store::update_spent(&tx, proof.id, now).await? {
        return Err(Error::TokenInvalid);
    }
    let both = store::list_of_flow(&tx, proof.flow_id).await?;
    let progress = if both.iter().all(|row| row.state == mail_proof::State::Spent) {
        apply(&tx, app, &change, &account).await?;
        Progress::Changed
    } else if proof.purpose == Purpose::ChangeEmailOld {
        Progress::OldConfirmed
    } else {
        Progress::NewConfirmed
    };
    let action = if progress == Progress::Changed { "user_email_changed" } else { "user_email_change_confirmed" };
    let actor = owner.map_or(Principal::Anonymous, Principal::Account);
    audit::write(&tx, app, Some(facts), audit::Event::new(actor, action, "account", change.account_id)).await?;
    once.record(&tx, &progress).await?;
    tx.commit().await?;
    Ok(progress)
}

/// Both have confirmed: changes the address, ends the other sessions, tells both mailboxes.
async fn apply(tx: &WriteTx, app: &App, change: &email_change::Model, account: &account::Model) -> Result<(), Error> {
    let now = app.clock.now();
    // Before the address, as a registration that is proven at the same time does.
    accounts::update_others_void(tx, &change.new_email, now).await?;
    let changed = accounts::update_email(tx, account.id, &account.email, &change.new_email, now).await;
    // Somebody else proved the new mailbox first.
    let changed =
        changed.map_err(|error| if violates_uniqueness(&error) { Error::TokenInvalid } else { error.into() })?;
    if !changed {
        return Err(Error::TokenInvalid);
    }
    store::update_done(tx, change.id).await?;
    sessions::end(tx, app, account.id, Which::AllBut(change.session_id), EndCause::EmailChanged, now).await?;
    proofs::void_all(tx, account.id, now).await?;
    // What others guessed at the new address, before it was this account's, speaks against nobody.
    sessions::forget_guesses(tx, app, account.id).await?;
    tell(tx, app, change, account).await?;
    Ok(privacy::note_former_address(tx, app, account.id, &account.email).await?)
}

/// Only the old mailbox can take the change back: the new one may be an intruder's.
async fn tell(tx: &WriteTx, app: &App, change: &email_change::Model, before: &account::Model) -> Result<(), DbErr> {
    let former = Change::EmailChanged { former: before.email.expose().to_owned() };
    let undo = accounts::undo_link(tx, app, before.id, &former).await?;
    let new_address = Some(change.new_email.expose().to_owned());
    let to_old = Letter::EmailChanged { new_address, undo: Some(undo) };
    notifications::post(tx, app, &format!("email_changed/old/{}", change.id), before, &to_old).await?;
    let to_new = Letter::EmailChanged { new_address: None, undo: None };
    let new_mailbox = Reader { account: Some(before.id), email: &change.new_email, locale: &before.locale };
    notifications::post(tx, app, &format!("email_changed/new/{}", change.id), new_mailbox, &to_new).await
}
