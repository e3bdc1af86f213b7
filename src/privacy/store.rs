//! Statements on `data_export`, and on the files that go into a copy.

use sea_orm::{
    ActiveEnum, ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, UpdateMany, sea_query::Expr,
};

use crate::{
    db::{Db, WriteTx},
    entity::{
        data_export::{Column, Entity, Model, State},
        object_reference, stored_blob,
    },
    kernel::{
        Digest, Timestamp,
        ids::{AccountId, ExportId, ObjectId},
    },
};

/// Inserts an export. A second pending one of the same person breaks uniqueness.
pub async fn insert(tx: &WriteTx, export: &Model) -> Result<(), DbErr> {
    let row = export.clone().into_active_model().reset_all();
    Entity::insert(row).exec_without_returning(tx).await.map(drop)
}

pub async fn find_of(db: &impl ConnectionTrait, owner: AccountId, id: ExportId) -> Result<Option<Model>, DbErr> {
    Entity::of(owner).filter(Column::Id.eq(id)).one(db).await
}

pub async fn find(db: &impl ConnectionTrait, id: ExportId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).one(db).await
}

/// The exports that this person asked for since `since`, oldest first.
pub async fn list_since(db: &impl ConnectionTrait, owner: AccountId, since: ExportId) -> Result<Vec<Model>, DbErr> {
    Entity::of(owner).filter(Column::Id.gte(since)).order_by_asc(Column::Id).limit(100).all(db).await
}

/// All exports of this person, whose files may be there.
pub async fn list_of(db: &impl ConnectionTrait, owner: AccountId) -> Result<Vec<Model>, DbErr> {
    Entity::of(owner).order_by_asc(Column::Id).limit(1000).all(db).await
}

/// What a finished export is.
pub struct Finished {
    pub storage_key: String,
    pub size_bytes: i64,
    pub sha256: Digest,
    pub at: Timestamp,
    pub expires_at: Timestamp,
}

/// Makes a pending export ready. `false` if it is not pending any more.
pub async fn update_ready(tx: &WriteTx, id: ExportId, made: Finished) -> Result<bool, DbErr> {
    let updated = Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Ready.to_value()))
        .col_expr(Column::StorageKey, Expr::value(made.storage_key))
        .col_expr(Column::SizeBytes, Expr::value(made.size_bytes))
        .col_expr(Column::Sha256, Expr::value(made.sha256))
        .col_expr(Column::FinishedAt, Expr::value(made.at))
        .col_expr(Column::ExpiresAt, Expr::value(made.expires_at))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(State::Pending))
        .exec(tx)
        .await?;
    Ok(updated.rows_affected == 1)
}

/// Ready exports whose time is over.
pub async fn list_overdue(db: &impl ConnectionTrait, now: Timestamp, limit: u64) -> Result<Vec<Model>, DbErr> {
    let overdue = Entity::find().filter(Column::State.eq(State::Ready)).filter(Column::ExpiresAt.lte(now));
    overdue.order_by_asc(Column::ExpiresAt).limit(limit).all(db).await
}

/// Notes that an export's file is gone.
pub async fn update_expired(db: &Db, id: ExportId) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Expired.to_value()))
        .col_expr(Column::StorageKey, Expr::value(Option::<String>::None))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(State::Ready))
        .exec(&db.write_one())
        .await
        .map(drop)
}

/// Notes that no export's file is there.
pub async fn update_all_expired(db: &Db) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Expired.to_value()))
        .col_expr(Column::StorageKey, Expr::value(Option::<String>::None))
        .filter(Column::State.eq(State::Ready))
        .exec(&db.write_one())
        .await
        .map(drop)
}

/// Gives up exports that nothing came of, and gives those.
pub async fn update_failed(db: &Db, before: Timestamp, now: Timestamp) -> Result<Vec<Model>, DbErr> {
    giving_up(now).filter(Column::CreatedAt.lt(before)).exec_with_returning(&db.write_one()).await
}

/// Gives up the export that this person waits for.
pub async fn update_failed_of(db: &Db, owner: AccountId, now: Timestamp) -> Result<(), DbErr> {
    giving_up(now).filter(Column::AccountId.eq(owner)).exec(&db.write_one()).await.map(drop)
}

fn giving_up(now: Timestamp) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Failed.to_value()))
        .col_expr(Column::FinishedAt, Expr::value(now))
        .filter(Column::State.eq(State::Pending))
}

/// A page of a person's objects with their bytes' places.
pub async fn list_objects(
    db: &impl ConnectionTrait,
    owner: AccountId,
    after: ObjectId,
    limit: u64,
) -> Result<Vec<(object_reference::Model, Option<stored_blob::Model>)>, DbErr> {
    object_reference::Entity::owned_by(owner)
        .find_also_related(stored_blob::Entity)
        .filter(object_reference::Column::Id.gt(after))
        .order_by_asc(object_reference::Column::Id)
        .limit(limit)
        .all(db)
        .await
}
