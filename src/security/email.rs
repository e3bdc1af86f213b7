//! Changing one's own address: both mailboxes say yes.

use std::time::Duration;

use sea_orm::DbErr;

use super::{Error, proofs, store};
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
    notifications, privacy,
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
    store::update_all_void(&tx, account.id, now).await?;
    store::insert_change(&tx, change.clone()).await?;
    ask(&tx, app, &change, &account.email, Purpose::ChangeEmailOld, |link, code| Letter::ConfirmEmailChange {
        link,
        code,
        new_address: Some(change.new_email.expose().to_owned()),
    })
    .await?;
    ask(&tx, app, &change, &change.new_email, Purpose::ChangeEmailNew, |link, code| {
        if taken {
            Letter::AddressKnown { sign_in: app.config.public_url() }
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
    to: &EmailAddress,
    purpose: Purpose,
    letter: impl FnOnce(String, String) -> Letter + Send,
) -> Result<(), DbErr> {
    let proof = Proof::throw(app);
    let letter = letter(proof.link(app, "email"), proof.spaced_code());
    store::insert_proof(tx, proofs::row(app, &proof, purpose, change.id, Some(change.account_id), LINK_LIFE)).await?;
    notifications::post_about(tx, app, change.account_id, &format!("{purpose}/{}", change.id), to, &letter).await
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
    let tx = app.db.begin_write().await?;
    let change = store::update_held(&tx, proof.flow_id.into(), now).await?.ok_or(Error::TokenInvalid)?;
    if !store::update_spent(&tx, proof.id, now).await? {
        return Err(Error::TokenInvalid);
    }
    let both = store::list_of_flow(&tx, proof.flow_id).await?;
    let progress = if both.iter().all(|row| row.state == mail_proof::State::Spent) {
        apply(&tx, app, &change).await?;
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
async fn apply(tx: &WriteTx, app: &App, change: &email_change::Model) -> Result<(), Error> {
    let now = app.clock.now();
    let account = accounts::find(tx, change.account_id).await?.ok_or(Error::TokenInvalid)?;
    let changed = accounts::update_email(tx, account.id, &account.email, &change.new_email, now).await;
    // Somebody else proved the new mailbox first.
    let changed =
        changed.map_err(|error| if violates_uniqueness(&error) { Error::TokenInvalid } else { error.into() })?;
    if !changed {
        return Err(Error::TokenInvalid);
    }
    store::update_done(tx, change.id).await?;
    accounts::update_others_void(tx, &change.new_email, now).await?;
    sessions::end(tx, app, account.id, Which::AllBut(change.session_id), EndCause::EmailChanged, now).await?;
    store::update_all_void(tx, account.id, now).await?;
    tell(tx, app, change, &account).await?;
    Ok(privacy::note_former_address(tx, app, account.id, &account.email).await?)
}

/// Only the old mailbox can take the change back: the new one may be an intruder's.
async fn tell(tx: &WriteTx, app: &App, change: &email_change::Model, before: &account::Model) -> Result<(), DbErr> {
    let former = Change::EmailChanged { former: before.email.expose().to_owned() };
    let undo = accounts::undo_link(tx, app, before.id, &former).await?;
    let new_address = Some(change.new_email.expose().to_owned());
    let to_old = Letter::EmailChanged { new_address, undo: Some(undo) };
    notifications::post(tx, app, &format!("email_changed/old/{}", change.id), &before.email, &to_old).await?;
    let to_new = Letter::EmailChanged { new_address: None, undo: None };
    notifications::post(tx, app, &format!("email_changed/new/{}", change.id), &change.new_email, &to_new).await
}
