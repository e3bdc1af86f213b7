//! Statements on `api_key`.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, ExprTrait},
};

use crate::{
    db::{Db, WriteTx},
    entity::{
        account::{self, Kind},
        api_key::{Column, Entity, Model},
    },
    kernel::{
        Timestamp,
        ids::{AccountId, ApiKeyId},
    },
};

pub async fn insert(tx: &WriteTx, key: &Model) -> Result<(), DbErr> {
    let row = key.clone().into_active_model().reset_all();
    Entity::insert(row).exec_without_returning(tx).await.map(drop)
}

pub async fn find(db: &impl ConnectionTrait, id: ApiKeyId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).one(db).await
}

/// A key and whose it is, in one statement.
pub async fn find_with_account(
    db: &impl ConnectionTrait,
    id: ApiKeyId,
) -> Result<Option<(Model, account::Model)>, DbErr> {
    let found = Entity::find_by_id(id).find_also_related(account::Entity).one(db).await?;
    Ok(found.and_then(|(key, account)| account.map(|account| (key, account))))
}

/// Tools older than `before`, newest first.
pub async fn list_accounts(
    db: &impl ConnectionTrait,
    before: AccountId,
    limit: u64,
) -> Result<Vec<account::Model>, DbErr> {
    account::Entity::find()
        .filter(account::Column::Kind.eq(Kind::Service))
        .filter(account::Column::Id.lt(before))
        .order_by_desc(account::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// All keys of these tools, newest first.
pub async fn list_of(db: &impl ConnectionTrait, accounts: &[AccountId]) -> Result<Vec<Model>, DbErr> {
    if accounts.is_empty() {
        return Ok(Vec::new());
    }
    Entity::find().filter(Column::AccountId.is_in(accounts.iter().copied())).order_by_desc(Column::Id).all(db).await
}

/// Notes that another key takes this one's place, and when this one ends. `None` if one did already, or it was revoked.
pub async fn update_replaced(
    tx: &WriteTx,
    id: ApiKeyId,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Model>, DbErr> {
    let replaced = Entity::update_many()
        .col_expr(Column::ReplacedAt, Expr::value(now))
        .col_expr(Column::ExpiresAt, Expr::value(expires_at))
        .filter(Column::Id.eq(id))
        .filter(Column::ReplacedAt.is_null())
        .filter(Column::RevokedAt.is_null())
        .exec_with_returning(tx)
        .await?;
    Ok(replaced.into_iter().next())
}

/// Revokes a key. `None` if it was revoked before, or there is none.
pub async fn update_revoked(tx: &WriteTx, id: ApiKeyId, now: Timestamp) -> Result<Option<Model>, DbErr> {
    let revoked = Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .filter(Column::RevokedAt.is_null())
        .exec_with_returning(tx)
        .await?;
    Ok(revoked.into_iter().next())
}

/// Notes a use, unless a later one than `before` is known.
pub async fn update_used(db: &Db, id: ApiKeyId, prefix: &str, now: Timestamp, before: Timestamp) -> Result<(), DbErr> {
    let unknown = Column::LastUsedAt.is_null().or(Column::LastUsedAt.lte(before));
    Entity::update_many()
        .col_expr(Column::LastUsedAt, Expr::value(now))
        .col_expr(Column::LastUsedPrefix, Expr::value(prefix))
        .filter(Column::Id.eq(id))
        .filter(unknown)
        .exec(&db.write_one())
        .await
        .map(drop)
}

/// Deletes keys that expired before `horizon`. Returns how many.
pub async fn delete_expired(db: &Db, horizon: Timestamp) -> Result<u64, DbErr> {
    let deleted = Entity::delete_many().filter(Column::ExpiresAt.lt(horizon)).exec(&db.write_one()).await?;
    Ok(deleted.rows_affected)
}
