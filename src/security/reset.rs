//! Setting a password that one has forgotten.

use std::time::Duration;

use sea_orm::DbErr;

use super::{Error, jobs::SendReset, password, proofs, store};
use crate::{
    accounts::{
        self,
        proof::{Proof, RESEND_AFTER, Shown},
    },
    app::App,
    audit,
    db::WriteTx,
    entity::{
        account,
        mail_proof::{Purpose, State},
    },
    factors::Given,
    kernel::{
        EmailAddress, Facts, Password, Principal,
        ids::{AccountId, FlowId, Id, ProofId, ResetId},
    },
    limits::{self, Asked},
    mail::Letter,
    notifications,
    rpc::once::Record,
    sessions::{self, Which},
};

/// How long a link sets a password.
const LINK_LIFE: Duration = Duration::from_mins(30);

/// Asks for a letter. The same statements for every address: whether there is anybody to write to shows in the job.
pub async fn start(
    app: &App,
    facts: &Facts,
    email: EmailAddress,
    once: &impl Record<ResetId>,
) -> Result<ResetId, Error> {
    limits::letter(app, facts, Asked::Reset, &email).await?;
    let account = accounts::find_by_email(&app.db, &email).await?.filter(has_password);
    let id = ResetId::new(app.clock.now(), &app.dice);
    let proof = Proof::throw(app);
    let row = proofs::row(app, &proof, Purpose::ResetPassword, id, account.map(|account| account.id), LINK_LIFE);

    let tx = app.db.begin_write().await?;
    app.queue.enqueue(&tx, &SendReset::of(app, row.id, proof)).await?;
    store::insert_proof(&tx, row).await?;
    let event = audit::Event::new(Principal::Anonymous, "authn_password_reset_start", "reset", id);
    audit::write(&tx, app, Some(facts), event).await?;
    once.record(&tx, &id).await?;
    tx.commit().await?;
    Ok(id)
}

/// Whether an account is a person's, and not gone. A suspended one may set a password and stays suspended.
fn has_password(account: &account::Model) -> bool {
    account.kind == account::Kind::Person && account.status != account::Status::Deleted
}

/// Writes the letter that was asked for, unless the account got one less than a minute before.
pub(super) async fn deliver(app: &App, id: ProofId, proof: &Proof) -> Result<(), DbErr> {
    let waiting = store::find_proof(&app.db, id).await?.filter(|row| row.state == State::Pending);
    let Some((row, account)) = waiting.and_then(|row| row.account_id.map(|account| (row, account))) else {
        return Ok(());
    };
    let Some(account) = accounts::find(&app.db, account).await?.filter(has_password) else { return Ok(()) };
    let now = app.clock.now();
    let tx = app.db.begin_write().await?;
    if store::find_reset_before(&tx, account.id, id, row.created_at - RESEND_AFTER).await? {
        store::update_void(&tx, id, now).await?;
    } else {
        post(&tx, app, &account, id, proof).await?;
        let event = audit::Event::new(Principal::System, "authn_password_reset_letter", "account", account.id);
        audit::write(&tx, app, None, event).await?;
    }
    tx.commit().await
}

/// Sends a reset letter to an account's owner, whoever thought it necessary and writes that down.
///
/// # Errors
/// When the database fails, and with it the whole transaction.
pub async fn send(tx: &WriteTx, app: &App, account: &account::Model) -> Result<(), DbErr> {
    let proof = Proof::throw(app);
    let flow = ResetId::new(app.clock.now(), &app.dice);
    let row = proofs::row(app, &proof, Purpose::ResetPassword, flow, Some(account.id), LINK_LIFE);
    let id = row.id;
    store::insert_proof(tx, row).await?;
    post(tx, app, account, id, &proof).await
}

async fn post(tx: &WriteTx, app: &App, account: &account::Model, id: ProofId, proof: &Proof) -> Result<(), DbErr> {
    store::update_resets_void(tx, account.id, id, app.clock.now()).await?;
    let letter = Letter::ResetPassword { link: proof.link(app, "reset"), code: proof.spaced_code() };
    notifications::post(tx, app, &format!("reset/{id}"), account, &letter).await
}

/// A second factor, shown beside the letter's proof.
pub struct Second {
    pub given: Given,
    /// Of `BeginPasskeyLogin`, which a passkey answers.
    pub flow: Option<FlowId>,
}

/// What a reset is asked with.
pub struct Reset {
    pub shown: Shown<ResetId>,
    pub new: Password,
    pub second: Option<Second>,
}

/// Sets a new password for whoever shows the proof, and the second factor if there is one (ASVS 5.0, 6.4.3). Returns how
/// many sessions ended: all there were.
pub async fn complete(app: &App, facts: &Facts, asked: Reset, once: &impl Record<usize>) -> Result<usize, Error> {
    let proof = proofs::find(app, asked.shown, &[Purpose::ResetPassword]).await?;
    let account = owner(app, proof.account_id).await?;
    password::judge(app, &account, &asked.new).await?;
    let proven = match (account.factor_kinds.is_empty(), &asked.second) {
        (true, _) => None,
        (false, None) => return Err(Error::FactorWanted { methods: account.factor_kinds.to_string() }),
        (false, Some(second)) => Some(sessions::show_factor(app, facts, account.id, &second.given, second.flow).await?),
    };
    let hash = app.hasher.hash(&asked.new).await?;

    let now = app.clock.now();
    let tx = app.db.begin_write().await?;
    let held = accounts::hold(&tx, account.id).await?.ok_or(Error::TokenInvalid)?;
    // A factor that came into force meanwhile was not shown.
    if held.factor_kinds != account.factor_kinds {
        return Err(Error::Changed);
    }
    if !store::update_spent(&tx, proof.id, now).await? {
        return Err(Error::TokenInvalid);
    }
    if let Some(proven) = &proven {
        proven.spend(&tx, app).await?;
    }
    let ended = password::replace(&tx, app, &account, hash, Which::All, now).await?;
    let event = audit::Event::new(Principal::Anonymous, "authn_password_reset", "account", account.id)
        .with(serde_json::json!({ "ended": ended }));
    audit::write(&tx, app, Some(facts), event).await?;
    once.record(&tx, &ended).await?;
    tx.commit().await?;
    Ok(ended)
}

async fn owner(app: &App, account: Option<AccountId>) -> Result<account::Model, Error> {
    let found = match account {
        Some(id) => accounts::find(&app.db, id).await?,
        None => None,
    };
    found.filter(has_password).ok_or(Error::TokenInvalid)
}
