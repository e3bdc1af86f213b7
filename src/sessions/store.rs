//! Statements on `session`.

use sea_orm::{
    ActiveEnum, ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect,
    sea_query::{CaseStatement, Expr, ExprTrait},
};

use crate::{
    db::{Db, WriteTx},
    entity::{
        account,
        session::{Column, EndCause, Entity, Model, SecondFactor},
    },
    kernel::{
        Timestamp,
        ids::{AccountId, Id, SessionId},
    },
    rpc::page::Page,
};

pub async fn insert(tx: &WriteTx, session: &Model) -> Result<(), DbErr> {
    let row = session.clone().into_active_model().reset_all();
    Entity::insert(row).exec_without_returning(tx).await.map(drop)
}

pub async fn find_of(db: &impl ConnectionTrait, account: AccountId, id: SessionId) -> Result<Option<Model>, DbErr> {
    Entity::of(account).filter(Column::Id.eq(id)).one(db).await
}

/// One of an account's sessions that is neither ended nor past its time.
pub async fn find_live(
    db: &impl ConnectionTrait,
    account: AccountId,
    id: SessionId,
    now: Timestamp,
) -> Result<Option<Model>, DbErr> {
    Entity::live_of(account)
        .filter(Column::Id.eq(id))
        .filter(Column::IdleExpiresAt.gt(now))
        .filter(Column::AbsoluteExpiresAt.gt(now))
        .one(db)
        .await
}

/// Names a live session's device. `None` if there is no such session.
pub async fn update_device_name(
    tx: &WriteTx,
    account: AccountId,
    id: SessionId,
    name: &str,
    now: Timestamp,
) -> Result<Option<Model>, DbErr> {
    let renamed = Entity::update_many()
        .col_expr(Column::DeviceName, Expr::value(name))
        .filter(Column::Id.eq(id))
        .filter(Column::AccountId.eq(account))
        .filter(Column::EndedAt.is_null())
        .filter(Column::IdleExpiresAt.gt(now))
        .filter(Column::AbsoluteExpiresAt.gt(now))
        .exec_with_returning(tx)
        .await?;
    Ok(renamed.into_iter().next())
}

/// An account's sessions that were not ended, newest first, each with the account; at most a hundred.
pub async fn list_live_with_account(
    db: &impl ConnectionTrait,
    account: AccountId,
) -> Result<Vec<(Model, account::Model)>, DbErr> {
    let rows = Entity::live_of(account)
        .find_also_related(account::Entity)
        .order_by_desc(Column::Id)
        .limit(100)
        .all(db)
        .await?;
    Ok(rows.into_iter().filter_map(|(session, account)| account.map(|account| (session, account))).collect())
}

/// Sessions opened at or after `since`, and whose: a range of the primary key.
pub async fn list_opened_since(
    db: &impl ConnectionTrait,
    since: Timestamp,
) -> Result<Vec<(SessionId, AccountId, Timestamp)>, DbErr> {
    Entity::find()
        .select_only()
        .columns([Column::Id, Column::AccountId, Column::CreatedAt])
        .filter(Column::Id.gte(SessionId::earliest(since)))
        .into_tuple()
        .all(db)
        .await
}

/// A session and whose it is, in one statement.
pub async fn find_with_account(
    db: &impl ConnectionTrait,
    id: SessionId,
) -> Result<Option<(Model, account::Model)>, DbErr> {
    let found = Entity::find_by_id(id).find_also_related(account::Entity).one(db).await?;
    Ok(found.and_then(|(session, account)| account.map(|account| (session, account))))
}

/// An account's live sessions, newest first; one row more than the page holds.
///
/// # Errors
/// When the database fails.
pub async fn list_live(
    db: &impl ConnectionTrait,
    account: AccountId,
    page: &Page,
    after: Option<SessionId>,
    now: Timestamp,
) -> Result<Vec<Model>, DbErr> {
    let mut rows = Entity::live_of(account)
        .filter(Column::IdleExpiresAt.gt(now))
        .filter(Column::AbsoluteExpiresAt.gt(now))
        .order_by_desc(Column::Id)
        .limit(page.size + 1);
    if let Some(after) = after {
        rows = rows.filter(Column::Id.lt(after));
    }
    rows.all(db).await
}

/// The live sessions beyond the `most` last used, the current one always among those that stay.
pub async fn list_beyond(
    db: &impl ConnectionTrait,
    account: AccountId,
    current: SessionId,
    most: u64,
    now: Timestamp,
) -> Result<Vec<SessionId>, DbErr> {
    Entity::live_of(account)
        .select_only()
        .column(Column::Id)
        .filter(Column::Id.ne(current))
        // Looks of staff through the person's eyes end by themselves, and take nobody's place.
        .filter(Column::ImpersonatorId.is_null())
        .filter(Column::IdleExpiresAt.gt(now))
        .order_by_desc(Column::LastUsedAt)
        .order_by_desc(Column::Id)
        .offset(most - 1)
        .limit(1000)
        .into_tuple()
        .all(db)
        .await
}

/// Which sessions of an account.
#[derive(Clone, Copy)]
pub enum Which<'a> {
    These(&'a [SessionId]),
    AllBut(SessionId),
    All,
}

/// Ends live sessions and returns them. Where not single ones are meant, the looks through others' eyes that the
/// account's owner began end with them, and are among what is returned.
pub async fn update_ended(
    tx: &WriteTx,
    account: AccountId,
    which: Which<'_>,
    cause: EndCause,
    now: Timestamp,
) -> Result<Vec<Model>, DbErr> {
    let own = Column::AccountId.eq(account);
    let looks = Column::ImpersonatorId.eq(account);
    let condition = match which {
        Which::These(ids) => Condition::all().add(own.clone()).add(Column::Id.is_in(ids.iter().copied())),
        Which::AllBut(id) => Condition::any().add(own.clone().and(Column::Id.ne(id))).add(looks),
        Which::All => Condition::any().add(own.clone()).add(looks),
    };
    let over = Expr::value(EndCause::ImpersonationOver.to_value());
    let cause = CaseStatement::new().case(own, Expr::value(cause.to_value())).finally(over);
    Entity::update_many()
        .col_expr(Column::EndedAt, Expr::value(now))
        .col_expr(Column::EndCause, Expr::Case(Box::new(cause)))
        .filter(Column::EndedAt.is_null())
        .filter(condition)
        .exec_with_returning(tx)
        .await
}

/// Which looks through another's eyes.
#[derive(Clone, Copy)]
pub enum Impersonations {
    /// Through this account's eyes, and those that its owner takes through others'.
    Around(AccountId),
    /// One, by whoever began it.
    One { session: SessionId, by: AccountId },
}

/// Ends live looks through another's eyes and returns which.
pub async fn update_impersonations_ended(
    tx: &WriteTx,
    which: Impersonations,
    now: Timestamp,
) -> Result<Vec<Model>, DbErr> {
    let condition = match which {
        Impersonations::Around(account) => {
            Condition::any().add(Column::AccountId.eq(account)).add(Column::ImpersonatorId.eq(account))
        }
        Impersonations::One { session, by } => {
            Condition::all().add(Column::Id.eq(session)).add(Column::ImpersonatorId.eq(by))
        }
    };
    Entity::update_many()
        .col_expr(Column::EndedAt, Expr::value(now))
        .col_expr(Column::EndCause, Expr::value(EndCause::ImpersonationOver.to_value()))
        .filter(Column::EndedAt.is_null())
        .filter(Column::ImpersonatorId.is_not_null())
        .filter(condition)
        .exec_with_returning(tx)
        .await
}

/// A look through another's eyes that this member of staff began, ended or not.
pub async fn find_impersonation(
    db: &impl ConnectionTrait,
    session: SessionId,
    by: AccountId,
) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(session).filter(Column::ImpersonatorId.eq(by)).one(db).await
}

/// Rotates the refresh token: one guarded statement. `false` if the token was rotated, or the session ended, meanwhile.
pub async fn update_rotated(db: &Db, seen: &Model, next: &Model) -> Result<bool, DbErr> {
    let rotated = Entity::update_many()
        .col_expr(Column::Generation, Expr::value(next.generation))
        .col_expr(Column::RefreshSha256, Expr::value(next.refresh_sha256))
        .col_expr(Column::PreviousSha256, Expr::value(next.previous_sha256))
        .col_expr(Column::RotatedAt, Expr::value(next.rotated_at))
        .col_expr(Column::SuccessorSealed, Expr::value(next.successor_sealed.clone()))
        .col_expr(Column::SuccessorUsedAt, Expr::value(next.successor_used_at))
        .col_expr(Column::LastUsedAt, Expr::value(next.last_used_at))
        .col_expr(Column::IdleExpiresAt, Expr::value(next.idle_expires_at))
        .col_expr(Column::Address, Expr::value(next.address.clone()))
        .col_expr(Column::AddressPrefix, Expr::value(next.address_prefix.clone()))
        .filter(Column::Id.eq(seen.id))
        .filter(Column::RefreshSha256.eq(seen.refresh_sha256))
        .filter(Column::EndedAt.is_null())
        .exec(&db.write_one())
        .await?;
    Ok(rotated.rows_affected == 1)
}

/// Notes that the pair of this generation is in use, and forgets the sealed copy of it.
pub async fn update_successor_used(db: &Db, id: SessionId, generation: i64, now: Timestamp) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::SuccessorUsedAt, Expr::value(now))
        .col_expr(Column::SuccessorSealed, Expr::value(Option::<Vec<u8>>::None))
        .filter(Column::Id.eq(id))
        .filter(Column::Generation.eq(generation))
        .filter(Column::SuccessorUsedAt.is_null())
        .exec(&db.write_one())
        .await
        .map(drop)
}

/// Notes that the person proved themselves again, `by` a factor or the password. `None` if the session has ended.
pub async fn update_proven(
    tx: &WriteTx,
    id: SessionId,
    by: Option<SecondFactor>,
    now: Timestamp,
) -> Result<Option<Model>, DbErr> {
    let mut proven = Entity::update_many()
        .col_expr(Column::AuthenticatedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .filter(Column::EndedAt.is_null());
    if let Some(by) = by {
        proven = proven
            .col_expr(Column::SecondFactorAt, Expr::value(now))
            .col_expr(Column::SecondFactorBy, Expr::value(by.to_value()));
    }
    Ok(proven.exec_with_returning(tx).await?.pop())
}

/// Sessions that ended at or after `since`: an indexed range.
pub async fn list_ended_since(
    db: &impl ConnectionTrait,
    since: Timestamp,
) -> Result<Vec<(SessionId, Timestamp, EndCause)>, DbErr> {
    Entity::find()
        .select_only()
        .columns([Column::Id, Column::EndedAt, Column::EndCause])
        .filter(Column::EndedAt.gte(since))
        .into_tuple()
        .all(db)
        .await
}

/// Marks sessions that ran out, so that lists and limits need not look at them again. Returns how many.
pub async fn update_expired(db: &Db, now: Timestamp) -> Result<u64, DbErr> {
    let expired = Entity::update_many()
        .col_expr(Column::EndedAt, Expr::value(now))
        .col_expr(Column::EndCause, Expr::value(EndCause::Expired.to_value()))
        .filter(Column::EndedAt.is_null())
        .filter(Column::IdleExpiresAt.lte(now))
        .exec(&db.write_one())
        .await?;
    Ok(expired.rows_affected)
}

/// Deletes sessions that are only history. Returns how many.
pub async fn delete_old(db: &Db, horizon: Timestamp) -> Result<u64, DbErr> {
    let gone = Entity::delete_many().filter(Column::EndedAt.lt(horizon)).exec(&db.write_one()).await?;
    Ok(gone.rows_affected)
}
