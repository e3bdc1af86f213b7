//! Opening a session, and making room for it.

use std::time::Duration;

use super::{
    Error,
    access::{self, Issued},
    attempts::{self, Attempt},
    devices::{self, Remembered, Wish},
    end, login,
    refresh_token::RefreshToken,
    store,
};
use crate::{
    accounts,
    app::App,
    audit,
    db::WriteTx,
    entity::{
        account, device,
        session::{self, EndCause, Transport},
    },
    factors::{self, Passed, Taken},
    kernel::{
        Facts, Principal, Role, Roles, StoredHash, Timestamp,
        ids::{Id, SessionId},
    },
    rpc::once::Record,
};

/// A pair of tokens, and how long each lives.
#[derive(Clone)]
pub struct Tokens {
    pub access: Issued,
    pub refresh: String,
    pub refresh_lifetime: Duration,
}

/// A session that has begun.
pub struct SignedIn {
    pub tokens: Tokens,
    pub session: session::Model,
    pub account: account::Model,
    pub ended: Vec<SessionId>,
    /// Of a device that is remembered from now on; shown once.
    pub device_token: Option<String>,
    pub at: Timestamp,
}

/// How long a session of these roles lives: unused, and at most.
pub(super) fn lives(app: &App, roles: Roles) -> (Duration, Duration) {
    let config = &app.config.sessions;
    if roles.is_staff() {
        (config.staff_idle_life, config.staff_absolute_life)
    } else {
        (config.idle_life, config.absolute_life)
    }
}

fn most_sessions(app: &App, roles: Roles) -> u64 {
    let config = &app.config.sessions;
    u64::from(if roles.has(Role::Admin) {
        config.max_admin_sessions
    } else if roles.has(Role::Reviewer) {
        config.max_reviewer_sessions
    } else {
        config.max_sessions
    })
}

/// How a session is to begin, once the person has proven who they are.
pub struct Opening {
    pub device_name: String,
    pub remember_device: bool,
    pub transport: Transport,
    /// The factor that was checked for it.
    pub proven: Option<Proven>,
    /// A newer hash of the password, if the stored one was made with older parameters.
    pub rehashed: Option<StoredHash>,
    /// The known device of this account that it begins on.
    pub device: Option<device::Model>,
    /// Whether the owner would be surprised by a session like this, as [`devices::is_news`] tells; asked here if `None`.
    pub is_news: Option<bool>,
}

/// A flow that was answered right. Both are spent with the session that they open.
pub struct Proven {
    /// None where no flow was needed to ask.
    pub flow: Option<Taken>,
    pub passed: Passed,
}

impl Proven {
    /// Spends both, in the transaction of what they open.
    ///
    /// # Errors
    /// If another act was faster.
    pub async fn spend(&self, tx: &WriteTx, app: &App) -> Result<(), Error> {
        if let Some(flow) = self.flow {
            factors::finish_flow(tx, app, flow).await?;
        }
        Ok(self.passed.spend(tx, app).await?)
    }
}

fn wish(opening: &Opening) -> Wish<'_> {
    Wish {
        known: opening.device.as_ref(),
        remember: opening.remember_device,
        name: &opening.device_name,
        second_factor_passed: opening.proven.is_some(),
    }
}

/// The row of a session that begins now, and its tokens.
fn prepare(
    app: &App,
    facts: &Facts,
    account: &account::Model,
    opening: &Opening,
    remembered: &Remembered,
) -> Result<(session::Model, Tokens), Error> {
    let now = app.clock.now();
    let id = SessionId::new(now, &app.dice);
    let refresh = RefreshToken::new(app, id, 0);
    let (idle, absolute) = lives(app, account.roles);
    let session = session::Model {
        id,
        account_id: account.id,
        device_name: opening.device_name.clone(),
        user_agent: facts.user_agent.clone(),
        address: facts.address.expose(),
        address_prefix: facts.address.prefix(),
        remember_device: opening.remember_device,
        transport: opening.transport,
        device_id: remembered.device.as_ref().map(|device| device.id),
        impersonator_id: None,
        created_at: now,
        authenticated_at: now,
        second_factor_at: opening.proven.as_ref().map(|_| now),
        second_factor_by: opening.proven.as_ref().map(|proven| proven.passed.by().into()),
        last_used_at: now,
        idle_expires_at: now + idle,
        absolute_expires_at: now + absolute,
        generation: 0,
        refresh_sha256: refresh.digest(),
        previous_sha256: None,
        rotated_at: None,
        successor_sealed: None,
        successor_used_at: None,
        ended_at: None,
        end_cause: None,
    };
    let access = access::issue(app, &session, account)?;
    let tokens = Tokens { access, refresh: refresh.expose().to_owned(), refresh_lifetime: idle };
    Ok((session, tokens))
}

/// Opens a session: the row, its attempt, room for it, the device, the trail, in one transaction.
///
/// # Errors
/// [`Error::InvalidCredentials`] when failures that came in meanwhile have locked the password; [`Error::Overtaken`] when
/// the account, or the trust in the device, is no longer as it was when the person proved who they are.
pub async fn open(
    app: &App,
    facts: &Facts,
    account: account::Model,
    opening: Opening,
    attempt: Attempt,
    once: &impl Record<SignedIn>,
) -> Result<SignedIn, Error> {
    let is_news = match opening.is_news {
        _ if opening.device.is_some() => false,
        Some(known) => known,
        None => devices::is_news(app, account.id, facts).await?,
    };
    let remembered = devices::prepare(app, facts, account.id, wish(&opening));
    let (session, tokens) = prepare(app, facts, &account, &opening, &remembered)?;

    let tx = app.db.begin_write().await?;
    if !accounts::arrive(&tx, &account, session.created_at).await? {
        tx.rollback().await?;
        return Err(login::overtake(app, facts, attempt).await?);
    }
    let attempt = Attempt { session: Some(session.id), ..attempt };
    if !attempts::insert_unless_locked(&tx, app, facts, attempt).await? {
        tx.rollback().await?;
        return Err(login::lock(app, facts, attempt).await?);
    }
    if let Some(proven) = &opening.proven {
        proven.spend(&tx, app).await?;
    }
    if let Some(new) = opening.rehashed {
        accounts::update_password_hash(&tx, account.id, &account.password_hash, new).await?;
    }
    let trusted = !account.factor_kinds.is_empty() && opening.proven.is_none();
    if !devices::keep(&tx, app, &remembered).await? && trusted {
        tx.rollback().await?;
        return Err(login::overtake(app, facts, attempt).await?);
    }
    store::insert(&tx, &session).await?;
    let ended = make_room(&tx, app, &account, session.id, session.created_at).await?;
    if is_news {
        devices::tell(&tx, app, &account, &session).await?;
    }
    let method = opening.proven.as_ref().map(|proven| proven.passed.by().name());
    let event = audit::Event::new(Principal::Account(account.id), "authn_login_success", "session", session.id)
        .with(serde_json::json!({ "ended": ended.len(), "factor": method }));
    audit::write(&tx, app, Some(facts), event).await?;
    let (cache, owner, id, now) = (app.cache.clone(), account.id, session.id, session.created_at);
    tx.after_commit(move || cache.opened(owner, id, now));
    let device_token = remembered.token.map(|token| token.expose().to_owned());
    let begun = SignedIn { tokens, at: now, session, account, ended, device_token };
    once.record(&tx, &begun).await?;
    tx.commit().await?;
    Ok(begun)
}

/// Ends the least recently used sessions of an account that has too many.
async fn make_room(
    tx: &WriteTx,
    app: &App,
    account: &account::Model,
    current: SessionId,
    now: Timestamp,
) -> Result<Vec<SessionId>, Error> {
    let surplus = store::list_beyond(tx, account.id, current, most_sessions(app, account.roles), now).await?;
    if surplus.is_empty() {
        return Ok(surplus);
    }
    Ok(end::end(tx, app, account.id, store::Which::These(&surplus), EndCause::Evicted, now).await?)
}
