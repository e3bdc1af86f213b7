//! Statements on `login_attempt`: what the limits on guessing count.

use sea_orm::{
    ActiveEnum, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter,
    sea_query::{Expr, ExprTrait, Order, Query, SelectStatement},
};

use crate::{
    app::App,
    config::GuessingConfig,
    db::Db,
    entity::{
        login_attempt::{Column, Entity, Model, Outcome, Verdict},
        login_guard, session,
    },
    kernel::{
        Digest, EmailAddress, Facts, Timestamp,
        ids::{AccountId, AttemptId, DeviceId, Id, SessionId},
    },
};

/// What an attempt aims at, and as whom: the one thing that its failure counts for, besides the network.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub identifier: Digest,
    /// The known device of this account that it is made on; `None` for strangers.
    pub device: Option<DeviceId>,
    pub counter: Digest,
}

impl Target {
    /// `device` must be one of the account that has the address. Without an account there is none: unknown addresses are
    /// counted like known ones, and none is stored in clear.
    pub fn new(app: &App, email: &EmailAddress, device: Option<DeviceId>) -> Self {
        let key = app.keys.derived("login identifiers");
        let identifier = identifier_mac(app, email);
        let counter = match device {
            None => identifier,
            Some(id) => Digest::mac(&key, &[identifier.as_bytes(), uuid::Uuid::from(id).as_bytes()]),
        };
        Self { identifier, device, counter }
    }

    /// An attempt without the password, or on a session that is open: it neither speaks against those who guess
    /// passwords nor for them. `what` tells such attempts apart.
    pub fn apart(app: &App, email: &EmailAddress, what: &[u8]) -> Self {
        let strangers = Self::new(app, email, None);
        let key = app.keys.derived("login identifiers");
        let counter = Digest::mac(&key, &[strangers.identifier.as_bytes(), b"apart", what]);
        Self { counter, ..strangers }
    }
}

/// What stands for an address in the rows of attempts, known or not, so that none is stored in clear.
pub fn identifier_mac(app: &App, email: &EmailAddress) -> Digest {
    Digest::mac(&app.keys.derived("login identifiers"), &[email.expose().as_bytes()])
}

/// One try to sign in.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    pub account: Option<AccountId>,
    pub target: Target,
    pub outcome: Outcome,
    pub session: Option<SessionId>,
    /// Failures after this moment may speak against it at the last moment: see [`insert_unless_locked`].
    pub counted_from: Option<Timestamp>,
}

fn row(app: &App, facts: &Facts, attempt: Attempt) -> Model {
    let now = app.clock.now();
    Model {
        id: AttemptId::new(now, &app.dice),
        account_id: attempt.account,
        identifier_mac: attempt.target.identifier,
        counter: attempt.target.counter,
        device_id: attempt.target.device,
        address: facts.address.expose(),
        address_prefix: facts.address.prefix(),
        user_agent: facts.user_agent.clone(),
        session_id: attempt.session,
        result: attempt.outcome,
        verdict: attempt.outcome.verdict(),
        created_at: now,
    }
}

pub async fn insert(db: &impl ConnectionTrait, app: &App, facts: &Facts, attempt: Attempt) -> Result<(), DbErr> {
    let row = row(app, facts, attempt).into_active_model();
    Entity::insert(row).exec_without_returning(db).await.map(drop)
}

/// Inserts an attempt whose password was compared, unless failures that came in meanwhile have locked it, or the password
/// was turned off for strangers.
///
/// So of a hundred guesses at once no more than the first few can succeed, or count, on however many instances. `false` if
/// it is locked, and nothing was inserted.
pub async fn insert_unless_locked(
    db: &impl ConnectionTrait,
    app: &App,
    facts: &Facts,
    attempt: Attempt,
) -> Result<bool, DbErr> {
    let Some(since) = attempt.counted_from else { return insert(db, app, facts, attempt).await.map(|()| true) };
    let row = row(app, facts, attempt);
    let locking = nth(counted(attempt.target.counter, Verdict::Wrong, since), app.config.guessing.lock_after);
    let values: [(Column, Expr); 12] = [
        (Column::Id, Expr::value(row.id)),
        (Column::AccountId, Expr::value(row.account_id)),
        (Column::IdentifierMac, Expr::value(row.identifier_mac)),
        (Column::Counter, Expr::value(row.counter)),
        (Column::DeviceId, Expr::value(row.device_id)),
        (Column::Address, Expr::value(row.address)),
        (Column::AddressPrefix, Expr::value(row.address_prefix)),
        (Column::UserAgent, Expr::value(row.user_agent)),
        (Column::SessionId, Expr::value(row.session_id)),
        (Column::Result, Expr::value(row.result.to_value())),
        (Column::Verdict, Expr::value(row.verdict.map(|verdict| verdict.to_value()))),
        (Column::CreatedAt, Expr::value(row.created_at)),
    ];
    let mut chosen = Query::select();
    chosen.and_where(Expr::exists(locking).not());
    if attempt.target.device.is_none() {
        let account = attempt.account.unwrap_or_else(|| uuid::Uuid::nil().into());
        let mut off = of_guard(login_guard::Column::PasswordOffAt, account);
        off.and_where(login_guard::Column::PasswordOffAt.is_not_null());
        chosen.and_where(Expr::exists(off).not());
    }
    let columns = values.map(|(column, value)| {
        chosen.expr(value);
        column
    });
    let mut insert = Query::insert();
    insert.into_table(Entity).columns(columns);
    insert.select_from(chosen).map_err(|error| DbErr::Custom(error.to_string()))?;
    Ok(db.execute(&insert).await?.rows_affected() == 1)
}

/// What speaks against an attempt: the times of the failures that matter, newest first, and what may undo them.
#[derive(Clone, Copy, Debug, Default, FromQueryResult)]
pub struct Counts {
    pub newest: Option<Timestamp>,
    /// The failure that makes a challenge necessary, counted backwards.
    pub challenging: Option<Timestamp>,
    /// The one that makes a lock.
    pub locking: Option<Timestamp>,
    /// The one that turns the password off.
    pub last_straw: Option<Timestamp>,
    /// The newest success.
    pub succeeded: Option<Timestamp>,
    /// The failure of this network that makes a challenge necessary for strangers, and for everyone.
    pub network_some: Option<Timestamp>,
    pub network_many: Option<Timestamp>,
    /// From the account's guard.
    pub password_off_at: Option<Timestamp>,
    pub password_reset_at: Option<Timestamp>,
    pub unlocked_at: Option<Timestamp>,
    /// Whether the account had a session before, and one with this program on this network.
    pub had_session: bool,
    pub familiar: bool,
}

/// Everything that is to be known before a password is looked at, in one statement; the same for unknown addresses.
pub async fn counts(
    app: &App,
    facts: &Facts,
    target: Target,
    account: Option<AccountId>,
    now: Timestamp,
) -> Result<Counts, DbErr> {
    let config = &app.config.guessing;
    let mine = || counted(target.counter, Verdict::Wrong, now - config.window - config.lock_for);
    let ever = |verdict| counted(target.counter, verdict, Timestamp::from_micros(0));
    let prefix = facts.address.prefix();
    let network = || of_network(&prefix, now - config.window);
    // An id that nobody has: an unknown address costs the same look-ups.
    let account = account.unwrap_or_else(|| uuid::Uuid::nil().into());
    let sessions = || sessions_of(account);
    let here = sessions()
        .and_where(session::Column::AddressPrefix.eq(&prefix))
        .and_where(session::Column::UserAgent.eq(&facts.user_agent))
        .to_owned();
    let query = Query::select()
        .expr_as(nth(mine(), 1), "newest")
        .expr_as(nth(mine(), config.challenge_after), "challenging")
        .expr_as(nth(mine(), config.lock_after), "locking")
        .expr_as(nth(ever(Verdict::Wrong), config.off_after), "last_straw")
        .expr_as(nth(ever(Verdict::Right), 1), "succeeded")
        .expr_as(nth(network(), config.network_challenge_after), "network_some")
        .expr_as(nth(network(), config.network_challenge_all_after), "network_many")
        .expr_as(of_guard(login_guard::Column::PasswordOffAt, account), "password_off_at")
        .expr_as(of_guard(login_guard::Column::PasswordResetAt, account), "password_reset_at")
        .expr_as(of_guard(login_guard::Column::UnlockedAt, account), "unlocked_at")
        .expr_as(Expr::exists(sessions()), "had_session")
        .expr_as(Expr::exists(here), "familiar")
        .to_owned();
    let row = app.db.query_one(&query).await?;
    Ok(row.map(|row| Counts::from_query_result(&row, "")).transpose()?.unwrap_or_default())
}

/// Whether the account had a session before that was not as these facts say.
pub async fn is_news(db: &impl ConnectionTrait, account: AccountId, facts: &Facts) -> Result<bool, DbErr> {
    let here = sessions_of(account)
        .and_where(session::Column::AddressPrefix.eq(facts.address.prefix()))
        .and_where(session::Column::UserAgent.eq(&facts.user_agent))
        .to_owned();
    let query = Query::select()
        .expr_as(Expr::exists(sessions_of(account)), "had_session")
        .expr_as(Expr::exists(here), "familiar")
        .to_owned();
    let Some(row) = db.query_one(&query).await? else { return Ok(false) };
    Ok(row.try_get::<bool>("", "had_session")? && !row.try_get::<bool>("", "familiar")?)
}

fn sessions_of(account: AccountId) -> SelectStatement {
    Query::select()
        .expr(Expr::val(1))
        .from(session::Entity)
        .and_where(session::Column::AccountId.eq(account))
        .to_owned()
}

fn of_guard(column: login_guard::Column, account: AccountId) -> SelectStatement {
    Query::select()
        .column(column)
        .from(login_guard::Entity)
        .and_where(login_guard::Column::AccountId.eq(account))
        .to_owned()
}

fn counted(counter: Digest, verdict: Verdict, since: Timestamp) -> SelectStatement {
    Query::select()
        .column(Column::CreatedAt)
        .from(Entity)
        .and_where(Column::Counter.eq(counter))
        .and_where(Column::Verdict.eq(verdict))
        .and_where(Column::CreatedAt.gt(since))
        .to_owned()
}

fn of_network(prefix: &str, since: Timestamp) -> SelectStatement {
    Query::select()
        .column(Column::CreatedAt)
        .from(Entity)
        .and_where(Column::AddressPrefix.eq(prefix))
        .and_where(Column::Verdict.eq(Verdict::Wrong))
        .and_where(Column::CreatedAt.gt(since))
        .to_owned()
}

/// The n-th newest of these; `n` from 1.
fn nth(mut rows: SelectStatement, n: u32) -> SelectStatement {
    rows.order_by(Column::CreatedAt, Order::Desc).limit(1).offset(u64::from(n.saturating_sub(1)));
    rows
}

/// Deletes attempts that are only history.
pub async fn delete_old(db: &Db, horizon: Timestamp) -> Result<(), DbErr> {
    Entity::delete_many().filter(Column::CreatedAt.lt(horizon)).exec(&db.write_one()).await.map(drop)
}

/// The moment after which failures count towards a lock.
pub fn counted_from(counts: &Counts, config: &GuessingConfig, now: Timestamp) -> Timestamp {
    // A failure at the very moment of a success counts: it may have come after.
    let succeeded = counts.succeeded.map(|at| at - std::time::Duration::from_micros(1));
    let since = now - config.window.min(config.lock_for);
    [succeeded, counts.unlocked_at, counts.password_reset_at].into_iter().flatten().fold(since, Ord::max)
}
