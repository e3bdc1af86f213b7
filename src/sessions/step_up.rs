//! Proving again who one is, for acts that want a fresh check; and going on after one's factors have changed.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Error,
    access::{self, Issued},
    attempts::{self, Attempt, Target},
    devices, end,
    flow::{self, Required},
    store,
};
use crate::{
    accounts,
    app::App,
    audit,
    db::WriteTx,
    entity::{account, login_attempt::Outcome, session::EndCause},
    factors::{self, Answered, FlowKind, FlowStart, Given, Passed, Taken},
    kernel::{Caller, CheckedBy, Password, Principal, Timestamp, caller, ids::FlowId},
    rpc::once::Record,
};

/// In which the tries of one session are counted.
const WINDOW: Duration = Duration::from_mins(15);
/// How long a passkey may take to answer.
const CHALLENGE_LIFE: Duration = Duration::from_mins(5);

/// What a person gives to prove themselves again.
#[derive(Clone, Debug)]
pub enum Proof {
    Password(Password),
    Factor(Given),
}

/// What came of it.
pub enum SteppedUp {
    Done { access: Issued, at: Timestamp },
    Wanted(Required),
}

/// What a passkey was asked, and when.
#[derive(Default, Serialize, Deserialize)]
struct Told {
    challenge: Option<Value>,
    asked_at: i64,
}

/// Proves a session anew; without a proof it tells what serves.
pub async fn step_up(
    app: &App,
    caller: &Caller,
    proof: Option<Proof>,
    once: &impl Record<SteppedUp>,
) -> Result<SteppedUp, Error> {
    let account = accounts::find(&app.db, caller.account).await?.ok_or(Error::NotFound)?;
    let kinds = account.factor_kinds;
    match proof {
        None => tell(app, caller, &account).await.map(SteppedUp::Wanted),
        Some(Proof::Password(password)) if kinds.is_empty() => {
            let taken = check_password(app, caller, &account, &password).await?;
            done(app, caller, &account, taken, None, once).await
        }
        Some(Proof::Factor(given)) if given.by().is_strongest_of(kinds) => {
            let (taken, passed) = check_factor(app, caller, &account, &given).await?;
            done(app, caller, &account, taken, Some(passed), once).await
        }
        Some(_) => Err(Error::StrongerWanted { methods: caller::Proof::method_of(kinds).to_owned() }),
    }
}

async fn check_password(
    app: &App,
    caller: &Caller,
    account: &account::Model,
    password: &Password,
) -> Result<Taken, Error> {
    let taken = take_try(app, caller).await?.taken;
    let verdict = match app.hasher.verify(password, Some(&account.password_hash)).await {
        Ok(verdict) => verdict,
        Err(unhashed) => {
            factors::give_try_back(app, taken).await?;
            return Err(unhashed.into());
        }
    };
    if !verdict.matches {
        note_failure(app, caller, account, Outcome::WrongCredentials).await?;
        return Err(Error::InvalidCredentials);
    }
    Ok(taken)
}

async fn check_factor(
    app: &App,
    caller: &Caller,
    account: &account::Model,
    given: &Given,
) -> Result<(Taken, Passed), Error> {
    let Answered { taken, told, .. } = take_try(app, caller).await?;
    let live = Timestamp::from_micros(told.asked_at) + CHALLENGE_LIFE > app.clock.now();
    let challenge = told.challenge.as_ref().filter(|_| live);
    match factors::check(app, &caller.facts, account.id, given, challenge).await {
        Ok(passed) => Ok((taken, passed)),
        Err(error) => {
            note_failure(app, caller, account, Outcome::WrongFactor).await?;
            Err(error.into())
        }
    }
}

async fn tell(app: &App, caller: &Caller, account: &account::Model) -> Result<Required, Error> {
    let asked = flow::ask_passkey(app, account).await?;
    let challenge = asked.as_ref().map(|asked| asked.challenge.clone());
    begin(app, caller, &Told { challenge, asked_at: app.clock.now().micros() }).await?;
    Ok(Required {
        flow: flow_of(caller),
        methods: methods(account),
        lifetime: CHALLENGE_LIFE,
        passkey_options: asked.map(|asked| asked.options).unwrap_or_default(),
    })
}

/// What makes this person fresh, strongest first.
fn methods(account: &account::Model) -> Vec<&'static str> {
    let method = caller::Proof::method_of(account.factor_kinds);
    if account.factor_kinds.is_empty() { vec![method] } else { vec![method, CheckedBy::RecoveryCode.name()] }
}

/// Counts a try of this session, before it is judged.
async fn take_try(app: &App, caller: &Caller) -> Result<Answered<Told>, Error> {
    let answer = || factors::answer_flow::<Told>(app, flow_of(caller), &[FlowKind::StepUp], client(app, caller));
    match answer().await {
        Err(factors::Error::FlowOver) => {
            begin(app, caller, &Told::default()).await?;
            Ok(answer().await?)
        }
        other => Ok(other?),
    }
}

async fn begin(app: &App, caller: &Caller, told: &Told) -> Result<(), Error> {
    let start = FlowStart {
        kind: FlowKind::StepUp,
        account: Some(caller.account),
        client: client(app, caller),
        told,
        life: WINDOW,
    };
    Ok(factors::begin_or_keep_flow(app, flow_of(caller), start).await?)
}

/// One at a time: a session's step-up has the session's own number.
fn flow_of(caller: &Caller) -> FlowId {
    FlowId::from(Uuid::from(caller.session))
}

fn client(app: &App, caller: &Caller) -> crate::kernel::Digest {
    factors::client_mac(app, Uuid::from(caller.session).as_bytes())
}

/// A wrong proof is written down like a wrong sign-in. It locks nobody out elsewhere: the session's own tries end.
async fn note_failure(app: &App, caller: &Caller, account: &account::Model, outcome: Outcome) -> Result<(), Error> {
    let attempt = Attempt {
        account: Some(account.id),
        target: Target::apart(app, &account.email, Uuid::from(caller.session).as_bytes()),
        outcome,
        session: None,
        counted_from: None,
    };
    Ok(attempts::insert(&app.db.write_one(), app, &caller.facts, attempt).await?)
}

async fn done(
    app: &App,
    caller: &Caller,
    account: &account::Model,
    taken: Taken,
    passed: Option<Passed>,
    once: &impl Record<SteppedUp>,
) -> Result<SteppedUp, Error> {
    let tx = app.db.begin_write().await?;
    // The account first, as everywhere.
    accounts::hold(&tx, account.id).await?;
    factors::finish_flow(&tx, app, taken).await?;
    if let Some(passed) = &passed {
        passed.spend(&tx, app).await?;
    }
    let by = passed.as_ref().map(Passed::by);
    let access = prove(&tx, app, caller, account, by).await?;
    let method = by.map_or("password", CheckedBy::name);
    let event = audit::Event::new(Principal::Account(caller.account), "authn_step_up", "session", caller.session)
        .with(serde_json::json!({ "method": method }));
    audit::write(&tx, app, Some(&caller.facts), event).await?;
    let stepped_up = SteppedUp::Done { access, at: app.clock.now() };
    once.record(&tx, &stepped_up).await?;
    tx.commit().await?;
    Ok(stepped_up)
}

/// Notes a check of the caller's session, and gives a token that knows of it.
async fn prove(
    tx: &WriteTx,
    app: &App,
    caller: &Caller,
    account: &account::Model,
    by: Option<CheckedBy>,
) -> Result<Issued, Error> {
    let proven = store::update_proven(tx, caller.session, by.map(CheckedBy::into), app.clock.now()).await?;
    let session = proven.ok_or_else(|| Error::Ended { cause: "revoked".to_owned() })?;
    access::issue(app, &session, account)
}

/// How a session goes on after its owner's factors have changed.
#[derive(Clone)]
pub struct CarriedOn {
    pub access: Issued,
    /// How many other sessions ended.
    pub ended: usize,
}

/// After a change of factors: ends the account's other sessions, takes the trust from its devices, and gives the caller's
/// own a token that knows the factors in force. `shown`: the factor that the change itself was made with. One that is not
/// the strongest leaves the check as it was, which the change had asked for.
///
/// # Errors
/// [`Error::Ended`] if the caller's session has ended meanwhile.
pub async fn carry_on(
    tx: &WriteTx,
    app: &App,
    caller: &Caller,
    account: &account::Model,
    shown: Option<CheckedBy>,
) -> Result<CarriedOn, Error> {
    let now = app.clock.now();
    devices::distrust(tx, caller.account).await?;
    let others = store::Which::AllBut(caller.session);
    let ended = end::end(tx, app, caller.account, others, EndCause::FactorChanged, now).await?.len();
    let strongest = shown.filter(|by| by.is_strongest_of(account.factor_kinds));
    let access = if strongest.is_some() {
        prove(tx, app, caller, account, strongest).await?
    } else {
        let session = store::find_of(tx, caller.account, caller.session).await?;
        let session = session.filter(|session| session.ended_at.is_none());
        access::issue(app, &session.ok_or_else(|| Error::Ended { cause: "revoked".to_owned() })?, account)?
    };
    Ok(CarriedOn { access, ended })
}
