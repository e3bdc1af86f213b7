//! Links and codes of letters: made, found again, looked at.

use std::time::Duration;

use uuid::Uuid;

use super::{Error, store};
use crate::{
    accounts::proof::{CODE_LIFE, CODE_TRIES, Proof, Shown, code_mac},
    app::App,
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

/// A try is counted, durably, before the code is looked at.
async fn by_code(app: &App, flow: Uuid, code: &str, now: Timestamp) -> Result<Option<Model>, Error> {
    let counted = store::update_counted_try(&app.db, flow, CODE_TRIES).await?;
    let rows = store::list_of_flow(&app.db, flow).await?;
    if !counted && rows.iter().any(|row| row.state == State::Pending) {
        return Err(Error::AttemptsExhausted);
    }
    let right = |row: &Model| row.code_expires_at > now && row.code_mac == code_mac(app, row.id, code);
    Ok(rows.into_iter().find(|row| counted && right(row)))
}
