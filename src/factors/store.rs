//! Statements on `factor` and `recovery_code`.

use sea_orm::{
    ActiveEnum, ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
    sea_query::{CaseStatement, Expr, ExprTrait},
};

use crate::{
    db::{Db, WriteTx},
    entity::{
        factor::{Column, Entity, Kind, Model, State},
        recovery_code,
    },
    kernel::{
        Digest, Timestamp,
        ids::{AccountId, FactorId},
    },
};

pub async fn insert(tx: &WriteTx, factor: &Model) -> Result<(), DbErr> {
    let row = factor.clone().into_active_model().reset_all();
    Entity::insert(row).exec_without_returning(tx).await.map(drop)
}

/// The factors that are in force, oldest first.
///
/// # Errors
/// When the database fails.
pub async fn list_active(db: &impl ConnectionTrait, account: AccountId) -> Result<Vec<Model>, DbErr> {
    Entity::of(account, State::Active).order_by_asc(Column::Id).all(db).await
}

/// Some factors, whoever's.
pub async fn list_some(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<Model>, DbErr> {
    Entity::find().limit(limit).all(db).await
}

/// How many count towards the limit: those in force, and those that wait.
pub async fn count_counted(db: &impl ConnectionTrait, account: AccountId, now: Timestamp) -> Result<u64, DbErr> {
    let active = Entity::of(account, State::Active).count(db).await?;
    let waiting = Entity::of(account, State::Pending).filter(Column::GoneAt.gt(now)).count(db).await?;
    Ok(active + waiting)
}

pub async fn find_passkey(db: &impl ConnectionTrait, credential: Digest) -> Result<Option<Model>, DbErr> {
    let rows = Entity::find().filter(Column::CredentialSha256.eq(credential));
    rows.filter(Column::State.eq(State::Active)).one(db).await
}

pub async fn find_removed(
    db: &impl ConnectionTrait,
    account: AccountId,
    id: FactorId,
    now: Timestamp,
) -> Result<Option<Model>, DbErr> {
    Entity::of(account, State::Removed).filter(Column::Id.eq(id)).filter(Column::GoneAt.gt(now)).one(db).await
}

/// How many tries in which time lock a factor, and for how long; and how many in a row turn it off.
#[derive(Clone, Copy)]
pub struct Tries {
    pub most: i64,
    pub since: Timestamp,
    pub now: Timestamp,
    pub locked_until: Timestamp,
    pub in_a_row: i64,
}

/// Counts a try at every app of an account that is neither locked nor off, and returns those: only they may be looked at.
pub async fn update_counted_tries(db: &Db, account: AccountId, tries: Tries) -> Result<Vec<Model>, DbErr> {
    let in_window = || Expr::col(Column::TriesSince).gt(tries.since);
    let counted = || Expr::col(Column::Tries).add(1);
    let case = |condition, then: Expr, other: Expr| {
        Expr::Case(Box::new(CaseStatement::new().case(condition, then).finally(other)))
    };
    Entity::update_many()
        .col_expr(Column::Tries, case(in_window(), counted(), Expr::value(1_i64)))
        .col_expr(Column::Failures, Expr::col(Column::Failures).add(1))
        .col_expr(Column::TriesSince, case(in_window(), Expr::col(Column::TriesSince), Expr::value(tries.now)))
        .col_expr(
            Column::LockedUntil,
            case(
                in_window().and(counted().gte(tries.most)),
                Expr::value(tries.locked_until),
                Expr::col(Column::LockedUntil),
            ),
        )
        .filter(Column::AccountId.eq(account))
        .filter(Column::State.eq(State::Active))
        .filter(Column::Kind.eq(Kind::Totp))
        .filter(Column::LockedUntil.is_null().or(Column::LockedUntil.lte(tries.now)))
        .filter(Column::Failures.lt(tries.in_a_row))
        .exec_with_returning(&db.write_one())
        .await
}

/// Forgives all tries at the apps of an account: whoever showed a factor need not pay for those before.
pub async fn update_forgiven(tx: &WriteTx, account: AccountId) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::Tries, Expr::value(0_i64))
        .col_expr(Column::Failures, Expr::value(0_i64))
        .col_expr(Column::LockedUntil, Expr::value(Option::<Timestamp>::None))
        .filter(Column::AccountId.eq(account))
        .filter(Column::State.eq(State::Active))
        .filter(Column::Failures.gt(0))
        .exec(tx)
        .await
        .map(drop)
}

/// Counts a try at the first code of an app that waits for it. `None` if there is none, or no try is left.
pub async fn update_first_try(
    db: &Db,
    account: AccountId,
    id: FactorId,
    most: i64,
    now: Timestamp,
) -> Result<Option<Model>, DbErr> {
    let counted = pending(account, id, now)
        .col_expr(Column::Tries, Expr::col(Column::Tries).add(1))
        .filter(Column::Tries.lt(most));
    Ok(counted.exec_with_returning(&db.write_one()).await?.pop())
}

/// An app that waits for its first code, whatever its tries.
pub async fn find_pending(
    db: &impl ConnectionTrait,
    account: AccountId,
    id: FactorId,
    now: Timestamp,
) -> Result<Option<Model>, DbErr> {
    Entity::of(account, State::Pending).filter(Column::Id.eq(id)).filter(Column::GoneAt.gt(now)).one(db).await
}

/// Puts an app in force. `None` if it was, or waited for too long.
pub async fn update_activated(
    tx: &WriteTx,
    account: AccountId,
    id: FactorId,
    step: i64,
    now: Timestamp,
) -> Result<Option<Model>, DbErr> {
    let activated = pending(account, id, now)
        .col_expr(Column::State, Expr::value(State::Active.to_value()))
        .col_expr(Column::GoneAt, Expr::value(Option::<Timestamp>::None))
        .col_expr(Column::LastStep, Expr::value(step))
        .col_expr(Column::Tries, Expr::value(0_i64))
        .col_expr(Column::CreatedAt, Expr::value(now));
    Ok(activated.exec_with_returning(tx).await?.pop())
}

fn pending(account: AccountId, id: FactorId, now: Timestamp) -> sea_orm::UpdateMany<Entity> {
    Entity::update_many()
        .filter(Column::Id.eq(id))
        .filter(Column::AccountId.eq(account))
        .filter(Column::State.eq(State::Pending))
        .filter(Column::GoneAt.gt(now))
}

/// Spends a step of an app. `false` if the step, or a later one, was spent before.
pub async fn update_spent_step(tx: &WriteTx, id: FactorId, step: i64, now: Timestamp) -> Result<bool, DbErr> {
    let spent = in_force(id)
        .col_expr(Column::LastStep, Expr::value(step))
        .col_expr(Column::LastUsedAt, Expr::value(now))
        .filter(Column::LastStep.is_null().or(Column::LastStep.lt(step)))
        .exec(tx)
        .await?;
    Ok(spent.rows_affected == 1)
}

/// Keeps a passkey as it is after a signature. `false` if it signed more often meanwhile.
pub async fn update_signed(
    tx: &WriteTx,
    id: FactorId,
    sealed: &[u8],
    sign_count: i64,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let grown = Column::SignCount.lt(sign_count);
    // Passkeys that several devices share do not count.
    let grown = if sign_count == 0 { Column::SignCount.eq(0) } else { grown };
    let signed = in_force(id)
        .col_expr(Column::Sealed, Expr::value(sealed.to_vec()))
        .col_expr(Column::SignCount, Expr::value(sign_count))
        .col_expr(Column::LastUsedAt, Expr::value(now))
        .filter(grown)
        .exec(tx)
        .await?;
    Ok(signed.rows_affected == 1)
}

fn in_force(id: FactorId) -> sea_orm::UpdateMany<Entity> {
    Entity::update_many().filter(Column::Id.eq(id)).filter(Column::State.eq(State::Active))
}

pub async fn update_name(tx: &WriteTx, account: AccountId, id: FactorId, name: &str) -> Result<Option<Model>, DbErr> {
    let named = in_force(id).col_expr(Column::Name, Expr::value(name)).filter(Column::AccountId.eq(account));
    Ok(named.exec_with_returning(tx).await?.pop())
}

/// Takes a factor out of force; it is kept until `gone_at`. `None` if the account has no such factor.
pub async fn update_removed(
    tx: &WriteTx,
    account: AccountId,
    id: FactorId,
    gone_at: Timestamp,
) -> Result<Option<Model>, DbErr> {
    let removed = in_force(id)
        .col_expr(Column::State, Expr::value(State::Removed.to_value()))
        .col_expr(Column::GoneAt, Expr::value(gone_at))
        .filter(Column::AccountId.eq(account));
    Ok(removed.exec_with_returning(tx).await?.pop())
}

/// Takes everything out of force, and out of waiting. Returns how many were.
pub async fn update_all_removed(tx: &WriteTx, account: AccountId, gone_at: Timestamp) -> Result<u64, DbErr> {
    let removed = Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Removed.to_value()))
        .col_expr(Column::GoneAt, Expr::value(gone_at))
        .filter(Column::AccountId.eq(account))
        .filter(Column::State.is_in([State::Active, State::Pending]))
        .exec(tx)
        .await?;
    Ok(removed.rows_affected)
}

/// Puts a removed factor back in force.
pub async fn update_restored(tx: &WriteTx, id: FactorId) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Active.to_value()))
        .col_expr(Column::GoneAt, Expr::value(Option::<Timestamp>::None))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(State::Removed))
        .exec(tx)
        .await
        .map(drop)
}

/// Deletes what waited for too long and what nobody can take back any more. Returns how many.
pub async fn delete_gone(db: &Db, now: Timestamp) -> Result<u64, DbErr> {
    let gone = Entity::delete_many().filter(Column::GoneAt.lte(now)).exec(&db.write_one()).await?;
    Ok(gone.rows_affected)
}

pub async fn insert_codes(tx: &WriteTx, account: AccountId, macs: &[Digest], now: Timestamp) -> Result<(), DbErr> {
    let rows = macs.iter().map(|mac| recovery_code::ActiveModel {
        account_id: Set(account),
        code_mac: Set(*mac),
        created_at: Set(now),
        used_at: Set(None),
    });
    recovery_code::Entity::insert_many(rows).exec_without_returning(tx).await.map(drop)
}

pub async fn delete_codes(tx: &WriteTx, account: AccountId) -> Result<(), DbErr> {
    let all = recovery_code::Entity::delete_many().filter(recovery_code::Column::AccountId.eq(account));
    all.exec(tx).await.map(drop)
}

/// Whether this is a recovery code that was not used yet. Those of an account without factors sleep.
pub async fn find_code(db: &impl ConnectionTrait, account: AccountId, mac: Digest) -> Result<bool, DbErr> {
    let guarded = Entity::of(account, State::Active).select_only().column(Column::AccountId).into_query();
    let code = recovery_code::Entity::find_by_id((account, mac));
    let found = code.filter(recovery_code::Column::AccountId.in_subquery(guarded)).one(db).await?;
    Ok(found.is_some_and(|code| code.used_at.is_none()))
}

/// Spends a recovery code. `false` if it was spent before.
pub async fn update_code_used(tx: &WriteTx, account: AccountId, mac: Digest, now: Timestamp) -> Result<bool, DbErr> {
    use recovery_code::Column as C;
    let used = recovery_code::Entity::update_many()
        .col_expr(C::UsedAt, Expr::value(now))
        .filter(C::AccountId.eq(account))
        .filter(C::CodeMac.eq(mac))
        .filter(C::UsedAt.is_null())
        .exec(tx)
        .await?;
    Ok(used.rows_affected == 1)
}

/// How many recovery codes were not used yet.
///
/// # Errors
/// When the database fails.
pub async fn count_codes_left(db: &impl ConnectionTrait, account: AccountId) -> Result<u64, DbErr> {
    use recovery_code::Column as C;
    recovery_code::Entity::find().filter(C::AccountId.eq(account)).filter(C::UsedAt.is_null()).count(db).await
}
