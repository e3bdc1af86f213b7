//! Sign-ins of two calls: a second factor after the right password, or a passkey instead of one.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Error,
    attempts::{self, Attempt, Target},
    begin::{self, Opening, Proven, SignedIn},
    device_store, devices,
    login::{self, DeviceTokenText},
};
use crate::{
    accounts,
    app::App,
    entity::{account, device, login_attempt::Outcome, session::Transport},
    factors::{self, Answered, FlowKind, FlowStart, Given},
    kernel::{
        Digest, FactorKind, Facts,
        ids::{AccountId, DeviceId, FlowId},
    },
    rpc::once::Record,
};

/// From the first call to the last.
const LIFE: Duration = Duration::from_mins(5);

/// What a sign-in has come to.
pub enum Step {
    Done(Box<SignedIn>),
    FactorRequired(Required),
}

/// A factor is wanted, and these serve.
pub struct Required {
    pub flow: FlowId,
    /// Strongest first.
    pub methods: Vec<&'static str>,
    pub lifetime: Duration,
    /// JSON for the device; empty without a passkey.
    pub passkey_options: String,
}

/// What the first call was told and the last one needs.
#[derive(Serialize, Deserialize)]
struct Told {
    device_name: String,
    remember_device: bool,
    cookie: bool,
    /// Of the hash that the password was right for: a new password ends the flow.
    password: Option<String>,
    /// The known device that it began on; whose it is, a passkey has yet to say.
    device: Option<DeviceId>,
    is_news: Option<bool>,
    challenge: Option<Value>,
}

impl Told {
    fn of(opening: &Opening, password: Option<String>, challenge: Option<Value>) -> Self {
        Self {
            device_name: opening.device_name.clone(),
            remember_device: opening.remember_device,
            cookie: opening.transport == Transport::Cookie,
            password,
            device: opening.device.as_ref().map(|device| device.id),
            is_news: opening.is_news,
            challenge,
        }
    }

    fn opening(self, proven: Proven, device: Option<device::Model>) -> Opening {
        Opening {
            device_name: self.device_name,
            remember_device: self.remember_device,
            transport: if self.cookie { Transport::Cookie } else { Transport::Bearer },
            proven: Some(proven),
            rehashed: None,
            device,
            is_news: self.is_news,
        }
    }
}

/// Goes on after the right password: opens the session, or asks for a second factor. A device that is trusted is not
/// asked.
///
/// # Errors
/// [`Error::InvalidCredentials`] when failures that came in meanwhile have locked the password.
pub async fn after_password(
    app: &App,
    facts: &Facts,
    account: account::Model,
    opening: Opening,
    attempt: Attempt,
) -> Result<Step, Error> {
    let trusted = opening.device.as_ref().is_some_and(|device| devices::is_trusted(device, app.clock.now()));
    if account.factor_kinds.is_empty() || trusted {
        return begin::open(app, facts, account, opening, attempt, &()).await.map(|begun| Step::Done(Box::new(begun)));
    }
    let asked = ask_passkey(app, &account).await?;
    let password = opening.rehashed.as_ref().unwrap_or(&account.password_hash);
    let password = Some(fingerprint(password));
    let told = Told::of(&opening, password, asked.as_ref().map(|asked| asked.challenge.clone()));
    let start = FlowStart {
        kind: FlowKind::Login,
        account: Some(account.id),
        client: client(app, facts),
        told: &told,
        life: LIFE,
    };
    let attempt = Attempt { outcome: Outcome::FactorRequired, ..attempt };
    let tx = app.db.begin_write().await?;
    if !attempts::insert_unless_locked(&tx, app, facts, attempt).await? {
        tx.rollback().await?;
        return Err(login::lock(app, facts, attempt).await?);
    }
    if let Some(new) = opening.rehashed {
        accounts::update_password_hash(&tx, account.id, &account.password_hash, new).await?;
    }
    let flow = factors::begin_flow(&tx, app, start).await?;
    tx.commit().await?;
    Ok(Step::FactorRequired(Required {
        flow,
        methods: methods(&account),
        lifetime: LIFE,
        passkey_options: asked.map(|asked| asked.options).unwrap_or_default(),
    }))
}

/// Begins a sign-in by a passkey alone: the same for everyone, since the device knows whose passkeys it has. Whether the
/// device is known to their owner shows at the end.
pub async fn begin_passkey(
    app: &App,
    facts: &Facts,
    opening: Opening,
    device_token: Option<DeviceTokenText>,
) -> Result<Required, Error> {
    let device = devices::shown(app, device_token.as_ref().map(|token| token.0.as_str())).await?;
    let opening = Opening { device, ..opening };
    let asked = app.passkeys.ask_to_sign(&[]).ok_or(Error::NoToken)?;
    let told = Told::of(&opening, None, Some(asked.challenge));
    let start =
        FlowStart { kind: FlowKind::PasskeyLogin, account: None, client: client(app, facts), told: &told, life: LIFE };
    let flow = factors::begin_flow(&app.db.write_one(), app, start).await?;
    Ok(Required { flow, methods: vec![FactorKind::Passkey.name()], lifetime: LIFE, passkey_options: asked.options })
}

/// Finishes a sign-in.
pub async fn go_on(
    app: &App,
    facts: &Facts,
    flow: FlowId,
    given: &Given,
    once: &impl Record<SignedIn>,
) -> Result<SignedIn, Error> {
    let kinds = [FlowKind::Login, FlowKind::PasskeyLogin];
    let open: Answered<Told> = factors::answer_flow(app, flow, &kinds, client(app, facts)).await?;
    let owner = match (open.account, given) {
        (Some(account), _) => account,
        (None, Given::Passkey(answer)) => factors::owner_of(app, answer).await?,
        (None, _) => return Err(factors::Error::WrongCode.into()),
    };
    let account = accounts::find(&app.db, owner).await?.ok_or(factors::Error::FlowOver)?;
    if open.told.password.as_ref().is_some_and(|seen| *seen != fingerprint(&account.password_hash)) {
        return Err(factors::Error::FlowOver.into());
    }
    let device = known_device(app, &account, open.told.device).await?;
    let target = match open.told.password {
        Some(_) => Target::new(app, &account.email, device.as_ref().map(|device| device.id)),
        None => Target::apart(app, &account.email, b"passkey"),
    };
    let attempt = |outcome| Attempt { account: Some(owner), target, outcome, session: None, counted_from: None };
    let checked = factors::check(app, facts, account.id, given, open.told.challenge.as_ref()).await;
    if let Some(outcome) = judge(app, &account, checked.is_ok()) {
        attempts::insert(&app.db.write_one(), app, facts, attempt(outcome)).await?;
        return Err(match (checked, outcome) {
            (Err(error), _) => error.into(),
            (Ok(_), Outcome::Suspended) => Error::Suspended,
            (Ok(_), _) => factors::Error::FlowOver.into(),
        });
    }
    let opening = open.told.opening(Proven { flow: Some(open.taken), passed: checked? }, device);
    begin::open(app, facts, account, opening, attempt(Outcome::Succeeded), once).await
}

/// Why a sign-in does not go on, if it does not. Only the right factor hears of a suspension.
fn judge(app: &App, account: &account::Model, passed: bool) -> Option<Outcome> {
    match (passed, account.status_at(app.clock.now())) {
        (false, _) | (true, account::Status::Deleted) => Some(Outcome::WrongFactor),
        (true, account::Status::Suspended) => Some(Outcome::Suspended),
        (true, account::Status::Active) => None,
    }
}

/// The device that the sign-in began on, if it is this account's and still known.
async fn known_device(
    app: &App,
    account: &account::Model,
    id: Option<DeviceId>,
) -> Result<Option<device::Model>, Error> {
    let Some(id) = id else { return Ok(None) };
    let found = device_store::find(&app.db, id).await?;
    Ok(found.filter(|device| device.account_id == account.id && device.forgotten_at.is_none()))
}

/// A factor shown for an act that is no sign-in, such as a reset. A passkey answers a flow of [`begin_passkey`], which
/// tells nobody whose it is to be.
///
/// # Errors
/// As [`factors::check`]; [`factors::Error::FlowOver`] for a passkey without such a flow.
pub async fn show_factor(
    app: &App,
    facts: &Facts,
    account: AccountId,
    given: &Given,
    flow: Option<FlowId>,
) -> Result<Proven, Error> {
    let open: Option<Answered<Told>> = match (given, flow) {
        (Given::Passkey(_), Some(flow)) => {
            let kinds = [FlowKind::PasskeyLogin];
            Some(factors::answer_flow(app, flow, &kinds, client(app, facts)).await?)
        }
        _ => None,
    };
    let challenge = open.as_ref().and_then(|open| open.told.challenge.as_ref());
    let passed = factors::check(app, facts, account, given, challenge).await?;
    Ok(Proven { flow: open.map(|open| open.taken), passed })
}

/// Asks for any passkey of an account; nothing if it has none.
pub(super) async fn ask_passkey(app: &App, account: &account::Model) -> Result<Option<crate::vault::Asked>, Error> {
    if !account.factor_kinds.has(FactorKind::Passkey) {
        return Ok(None);
    }
    let factors = factors::list_active(&app.db, account.id).await?;
    Ok(app.passkeys.ask_to_sign(&factors::credential_ids(app, &factors)))
}

/// What an account with factors can give, strongest first.
pub(super) fn methods(account: &account::Model) -> Vec<&'static str> {
    account.factor_kinds.iter().map(FactorKind::name).chain(["recovery_code"]).collect()
}

/// A flow is answered by the client that began it. Its address may change on the way: phones do that.
fn client(app: &App, facts: &Facts) -> Digest {
    factors::client_mac(app, facts.user_agent.as_bytes())
}

/// Tells one stored hash from another, and nothing about the password.
fn fingerprint(hash: &crate::kernel::StoredHash) -> String {
    hex::encode(&Digest::sha256(hash.phc().as_bytes()).as_bytes()[..16])
}
