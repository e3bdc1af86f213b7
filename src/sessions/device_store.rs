//! Statements on `device`.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, Order, Query},
};

use crate::{
    db::{Db, WriteTx},
    entity::{
        device::{Column, Entity, Model},
        session,
    },
    kernel::{
        Timestamp,
        ids::{AccountId, DeviceId, SessionId},
    },
    rpc::page::Page,
};

pub async fn insert(tx: &WriteTx, device: &Model) -> Result<(), DbErr> {
    let row = device.clone().into_active_model().reset_all();
    Entity::insert(row).exec_without_returning(tx).await.map(drop)
}

pub async fn find(db: &impl ConnectionTrait, id: DeviceId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).one(db).await
}

/// A device as its owner sees it.
#[derive(Clone, Debug, FromQueryResult)]
pub struct SeenDevice {
    #[sea_orm(nested)]
    pub device: Model,
    /// Whether the session that asks was opened on it.
    pub current: bool,
}

/// An account's known devices, newest first; one row more than the page holds.
pub async fn list_known(
    db: &impl ConnectionTrait,
    (account, session): (AccountId, SessionId),
    page: &Page,
    after: Option<DeviceId>,
    now: Timestamp,
) -> Result<Vec<SeenDevice>, DbErr> {
    let current = Query::select()
        .expr(Expr::val(1))
        .from(session::Entity)
        .and_where(Expr::col((session::Entity, session::Column::Id)).eq(session))
        .and_where(Expr::col((session::Entity, session::Column::DeviceId)).equals((Entity, Column::Id)))
        .to_owned();
    let mut rows = Entity::known_of(account)
        .expr_as(Expr::exists(current), "current")
        .filter(Column::ExpiresAt.gt(now))
        .order_by_desc(Column::Id)
        .limit(page.size + 1);
    if let Some(after) = after {
        rows = rows.filter(Column::Id.lt(after));
    }
    rows.into_model().all(db).await
}

/// Notes a use, and new trust if it is `newly_trusted`. `None` if the device was forgotten meanwhile.
pub async fn update_used(tx: &WriteTx, device: &Model, newly_trusted: bool) -> Result<Option<Model>, DbErr> {
    let mut used = Entity::update_many()
        .col_expr(Column::Name, Expr::value(device.name.clone()))
        .col_expr(Column::UserAgent, Expr::value(device.user_agent.clone()))
        .col_expr(Column::LastUsedAt, Expr::value(device.last_used_at))
        .col_expr(Column::ExpiresAt, Expr::value(device.expires_at))
        .filter(Column::Id.eq(device.id))
        .filter(Column::ForgottenAt.is_null());
    if newly_trusted {
        used = used.col_expr(Column::TrustedUntil, Expr::value(device.trusted_until));
    }
    Ok(used.exec_with_returning(tx).await?.pop())
}

/// Forgets the least recently used devices beyond the `most`.
pub async fn update_surplus_forgotten(
    tx: &WriteTx,
    account: AccountId,
    most: u32,
    now: Timestamp,
) -> Result<(), DbErr> {
    let surplus = Query::select()
        .column(Column::Id)
        .from(Entity)
        .and_where(Column::AccountId.eq(account))
        .and_where(Column::ForgottenAt.is_null())
        .order_by(Column::LastUsedAt, Order::Desc)
        .order_by(Column::Id, Order::Desc)
        .limit(1000)
        .offset(most.into())
        .to_owned();
    Entity::update_many()
        .col_expr(Column::ForgottenAt, Expr::value(now))
        .filter(Expr::col(Column::Id).in_subquery(surplus))
        .exec(tx)
        .await
        .map(drop)
}

/// Which devices of an account.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    This(DeviceId),
    All,
}

/// Forgets devices. Returns how many.
pub async fn update_forgotten(tx: &WriteTx, account: AccountId, which: Which, now: Timestamp) -> Result<u64, DbErr> {
    let mut update = Entity::update_many()
        .col_expr(Column::ForgottenAt, Expr::value(now))
        .col_expr(Column::TrustedUntil, Expr::value(Option::<Timestamp>::None))
        .filter(Column::AccountId.eq(account))
        .filter(Column::ForgottenAt.is_null());
    if let Which::This(id) = which {
        update = update.filter(Column::Id.eq(id));
    }
    Ok(update.exec(tx).await?.rows_affected)
}

/// Takes the trust from an account's devices; they stay known.
pub async fn update_distrusted(tx: &WriteTx, account: AccountId) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::TrustedUntil, Expr::value(Option::<Timestamp>::None))
        .filter(Column::AccountId.eq(account))
        .filter(Column::ForgottenAt.is_null())
        .filter(Column::TrustedUntil.is_not_null())
        .exec(tx)
        .await
        .map(drop)
}

/// Deletes devices that were forgotten, or expired, before `horizon`.
pub async fn delete_old(db: &Db, horizon: Timestamp) -> Result<(), DbErr> {
    Entity::delete_many().filter(Column::ForgottenAt.lt(horizon)).exec(&db.write_one()).await?;
    Entity::delete_many().filter(Column::ExpiresAt.lt(horizon)).exec(&db.write_one()).await.map(drop)
}
