//! A passkey, from its challenge to its public key.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Error,
    domain::{self, Added},
};
use crate::{
    accounts,
    app::App,
    entity::factor::Kind,
    factors::{self, Answered, FlowKind, FlowStart, RecoveryCodes},
    kernel::{Caller, Digest, ids::FlowId},
    rpc::once::Record,
};

/// How long a device may take.
const LIFE: Duration = Duration::from_mins(5);

/// What a device is asked to make.
pub struct Begun {
    pub flow: FlowId,
    pub options: String,
    pub lifetime: Duration,
}

/// What the end of a registration needs.
#[derive(Serialize, Deserialize)]
struct Told {
    name: String,
    challenge: Value,
}

/// Asks for a new passkey.
pub async fn begin(app: &App, caller: &Caller, name: &str, once: &impl Record<Begun>) -> Result<Begun, Error> {
    let account = accounts::find(&app.db, caller.account).await?.ok_or(factors::Error::NotFound)?;
    let factors = factors::list_active(&app.db, account.id).await?;
    let known = factors::credential_ids(app, &factors);
    let user = Uuid::from(account.id);
    let asked = app.passkeys.ask_to_make(user, account.email.expose(), &account.display_name, known);
    let asked = asked.ok_or(Error::NoChallenge)?;
    let told = Told { name: name.to_owned(), challenge: asked.challenge };
    let start = FlowStart {
        kind: FlowKind::Registration,
        account: Some(account.id),
        client: client(app, caller),
        told: &told,
        life: LIFE,
    };
    let tx = app.db.begin_write().await?;
    factors::hold(&tx, app, account.id, true).await?;
    let flow = factors::begin_flow(&tx, app, start).await?;
    domain::write(&tx, app, caller, "factor_enrollment_started", "account", account.id, Kind::Passkey).await?;
    let begun = Begun { flow, options: asked.options, lifetime: LIFE };
    once.record(&tx, &begun).await?;
    tx.commit().await?;
    Ok(begun)
}

/// Puts a passkey in force.
pub async fn finish(
    app: &App,
    caller: &Caller,
    flow: FlowId,
    credential: &str,
    once: &impl Record<Added>,
) -> Result<Added, Error> {
    let open: Answered<Told> = factors::answer_flow(app, flow, &[FlowKind::Registration], client(app, caller)).await?;
    let made = app.passkeys.made(credential, &open.told.challenge).map_err(|_| factors::Error::PasskeyRejected)?;
    let codes = RecoveryCodes::throw(app, caller.account);
    let tx = app.db.begin_write().await?;
    // The account first, as everywhere.
    accounts::hold(&tx, caller.account).await?;
    factors::finish_flow(&tx, app, open.taken).await?;
    let factor = factors::add(&tx, app, caller.account, &open.told.name, &made).await?;
    let added = domain::added(&tx, app, caller, factor, codes).await?;
    once.record(&tx, &added).await?;
    tx.commit().await?;
    Ok(added)
}

/// A registration is finished by the session that began it.
fn client(app: &App, caller: &Caller) -> Digest {
    factors::client_mac(app, Uuid::from(caller.session).as_bytes())
}
