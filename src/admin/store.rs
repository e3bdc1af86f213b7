//! Statements that staff's lists and guards need. Nothing here changes a value.

use std::time::Duration;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{BinOper, Expr, ExprTrait},
};

pub use crate::accounts::count_other_admins;
use crate::{
    entity::{
        account::{Column, Entity, Kind, Model, Status, Tier},
        artist_application, artist_member, device,
        login_attempt::{self, Outcome},
        session,
    },
    kernel::{
        EmailAddress, Role, Timestamp,
        ids::{AccountId, AttemptId, Id},
    },
};

/// From the first moment on, and before the second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Range {
    pub from: Option<Timestamp>,
    pub before: Option<Timestamp>,
}

/// Which accounts are wanted; all conditions hold.
#[derive(Clone, Debug, Default)]
pub struct WantedAccounts {
    pub status: Option<Status>,
    pub role: Option<Role>,
    pub email: Option<EmailAddress>,
    pub tier: Option<Tier>,
    pub kind: Kind,
    pub created: Range,
    pub last_seen: Range,
}

/// Accounts older than `before`, newest first.
///
/// Ids sort by age, so a range of ages is a range of the ids that the list walks along anyway.
pub async fn list(
    db: &impl ConnectionTrait,
    wanted: &WantedAccounts,
    before: AccountId,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let WantedAccounts { status, role, email, tier, kind, created, last_seen } = wanted;
    let before = created.before.map(AccountId::first_at).map_or(before, |end| std::cmp::min(end, before));
    let conditions = Condition::all()
        .add(Column::Id.lt(before))
        .add(Column::Kind.eq(*kind))
        .add_option(created.from.map(|from| Column::Id.gte(AccountId::first_at(from))))
        .add_option(status.map(|status| Column::Status.eq(status)))
        .add_option(role.and_then(holds))
        .add_option(email.clone().map(|email| Column::Email.eq(email)))
        .add_option(tier.map(|tier| Column::Tier.eq(tier)))
        .add_option(last_seen.from.map(|from| Column::LastSeenAt.gte(from)))
        .add_option(last_seen.before.map(|before| Column::LastSeenAt.lt(before)));
    Entity::find().filter(conditions).order_by_desc(Column::Id).limit(limit).all(db).await
}

/// Whether an account has this role; `None` for the role that all have.
///
/// Written out and not bound, letter for letter as in the partial index on the role: only so does SQLite use it. No
/// role's name is part of another's.
fn holds(role: Role) -> Option<Expr> {
    let pattern = match role {
        Role::Listener => return None,
        Role::Artist => "%artist%",
        Role::Reviewer => "%reviewer%",
        Role::Admin => "%admin%",
    };
    Some(Expr::col((Entity, Column::Roles)).binary(BinOper::Like, Expr::Constant(pattern.into())))
}

/// What is counted of an account.
#[derive(Clone, Debug)]
pub struct Facts {
    pub live_sessions: u64,
    pub devices: u64,
    pub last_login: Option<Timestamp>,
    /// In the last day, up to [`COUNTED_TO`].
    pub failed_logins: usize,
    pub artists: u64,
    pub applications: u64,
}

/// Attempts that are counted before counting stops.
const COUNTED_TO: u64 = 1000;
const DAY: Duration = Duration::from_hours(24);

/// Counts what staff want to know of an account.
pub async fn facts(db: &impl ConnectionTrait, id: AccountId, now: Timestamp) -> Result<Facts, DbErr> {
    use login_attempt::{Column as A, Entity as Attempts};
    use session::Column as S;
    let live_sessions = session::Entity::live_of(id)
        .filter(S::ImpersonatorId.is_null())
        .filter(S::IdleExpiresAt.gt(now))
        .filter(S::AbsoluteExpiresAt.gt(now))
        .count(db)
        .await?;
    let attempts = || Attempts::find().filter(A::AccountId.eq(id));
    let last = attempts().filter(A::Result.eq(Outcome::Succeeded)).order_by_desc(A::Id).one(db).await?;
    let failed: Vec<AttemptId> = attempts()
        .select_only()
        .column(A::Id)
        .filter(A::Id.gte(AttemptId::first_at(now - DAY)))
        .filter(A::Result.is_not_in([Outcome::Succeeded, Outcome::FactorRequired]))
        .limit(COUNTED_TO)
        .into_tuple()
        .all(db)
        .await?;
    Ok(Facts {
        live_sessions,
        devices: device::Entity::known_of(id).filter(device::Column::ExpiresAt.gt(now)).count(db).await?,
        last_login: last.map(|attempt| attempt.created_at),
        failed_logins: failed.len(),
        artists: artist_member::Entity::of(id).count(db).await?,
        applications: artist_application::Entity::made_by(id).count(db).await?,
    })
}

/// Which tries to sign in are wanted; all conditions hold.
#[derive(Clone, Debug, Default)]
pub struct WantedAttempts {
    pub account: Option<AccountId>,
    pub address_prefix: Option<String>,
    pub outcome: Option<Outcome>,
    pub created: Range,
}

/// Attempts older than `before`, newest first.
pub async fn list_attempts(
    db: &impl ConnectionTrait,
    wanted: &WantedAttempts,
    before: AttemptId,
    limit: u64,
) -> Result<Vec<login_attempt::Model>, DbErr> {
    use login_attempt::{Column as A, Entity as Attempts};
    let WantedAttempts { account, address_prefix, outcome, created } = wanted;
    let before = created.before.map(AttemptId::first_at).map_or(before, |end| std::cmp::min(end, before));
    let conditions = Condition::all()
        .add(A::Id.lt(before))
        .add_option(created.from.map(|from| A::Id.gte(AttemptId::first_at(from))))
        .add_option(account.map(|account| A::AccountId.eq(account)))
        .add_option(address_prefix.clone().map(|prefix| A::AddressPrefix.eq(prefix)))
        .add_option(outcome.map(|outcome| A::Result.eq(outcome)));
    Attempts::find().filter(conditions).order_by_desc(A::Id).limit(limit).all(db).await
}
