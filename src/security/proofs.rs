//! Links and codes of letters: made, found again, looked at.

use std::time::Duration;

use sea_orm::DbErr;
use uuid::Uuid;

use super::{Error, store};
use crate::{
    accounts::proof::{CODE_LIFE, CODE_TRIES, Proof, Shown, code_mac},
    app::App,
    db::WriteTx,
    entity::mail_proof::{Model, Purpose, State},
    kernel::{
        Timestamp,
        ids::{AccountId, Id, ProofId},
    },
};

/// The row of a letter's proof, whose link lives for `life`.
pub fn row(
    app: &App,
    proof: &Proof,
    purpose: Purpose,
    flow: impl Into<Uuid>,
    account: Option<AccountId>,
    life: Duration,
) -> Model {
    let now = app.clock.now();
    let id = ProofId::new(now, &app.dice);
    Model {
        id,
        purpose,
        flow_id: flow.into(),
        account_id: account,
        link_sha256: proof.link_digest(),
        link_expires_at: now + life,
        code_mac: proof.code_mac(app, id),
        code_expires_at: now + CODE_LIFE.min(life),
        code_attempts: 0,
        state: State::Pending,
        created_at: now,
        updated_at: now,
    }
}

/// Everything of an account that waits for a letter to be answered is void.
pub async fn void_all(tx: &WriteTx, account: AccountId, now: Timestamp) -> Result<(), DbErr> {
    let all = [Purpose::ResetPassword, Purpose::ChangeEmailOld, Purpose::ChangeEmailNew];
    store::update_proofs_void(tx, account, &all, now).await?;
    store::update_changes_void(tx, account, now).await
}

/// A change of address that waits is void, with its letters.
pub async fn void_changes(tx: &WriteTx, account: AccountId, now: Timestamp) -> Result<(), DbErr> {
    let both = [Purpose::ChangeEmailOld, Purpose::ChangeEmailNew];
    store::update_proofs_void(tx, account, &both, now).await?;
    store::update_changes_void(tx, account, now).await
}

/// The proof that somebody shows, if it is one of these purposes and can still be spent. Spends nothing but, for a code,
/// a try.
pub async fn find<Flow: Into<Uuid> + Send>(
    app: &App,
    shown: Shown<Flow>,
    purposes: &[Purpose],
) -> Result<Model, Error> {
    let now = app.clock.now();
    let found = match shown {
        Shown::Link(digest) => store::find_by_link(&app.db, digest).await?.filter(|row| row.link_expires_at > now),
        Shown::Code { flow, code } => by_code(app, flow.into(), &code, now).await?,
    };
    found.filter(|row| row.state == State::Pending && purposes.contains(&row.purpose)).ok_or(Error::TokenInvalid)
}

/// A try is counted, durably, before the code is looked at, whatever became of the flow: how soon the tries are used up
/// does not tell whether anybody got a letter.
async fn by_code(app: &App, flow: Uuid, code: &str, now: Timestamp) -> Result<Option<Model>, Error> {
    let counted = store::update_counted_try(&app.db, flow, CODE_TRIES).await?;
    let rows = store::list_of_flow(&app.db, flow).await?;
    if !counted && !rows.is_empty() {
        return Err(Error::AttemptsExhausted);
    }
    let right = |row: &Model| row.code_expires_at > now && row.code_mac == code_mac(app, row.id, code);
    Ok(rows.into_iter().find(right))
}
