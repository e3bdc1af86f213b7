//! Statements on `subject_key`.

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict, Query, SubQueryStatement},
};
use uuid::Uuid;

use crate::{
    db::WriteTx,
    entity::subject_key::{ActiveModel, Column, Entity, Model},
    kernel::Timestamp,
};

pub async fn list(
    db: &impl ConnectionTrait,
    subjects: impl IntoIterator<Item = Uuid> + Send,
) -> Result<Vec<Model>, DbErr> {
    let subjects: Vec<Uuid> = subjects.into_iter().collect();
    if subjects.is_empty() {
        return Ok(Vec::new());
    }
    Entity::find().filter(Column::SubjectId.is_in(subjects)).all(db).await
}

/// Some keys that are not destroyed.
pub async fn list_some(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<Model>, DbErr> {
    Entity::find().filter(Column::DestroyedAt.is_null()).limit(limit).all(db).await
}

/// A subject's wrapped key, as one column of another statement: null if there is none, empty if it is destroyed.
pub fn wrapped(subject: Uuid) -> Expr {
    let key = Query::select()
        .expr(Expr::col((Entity, Column::Wrapped)))
        .from(Entity)
        .and_where(Expr::col((Entity, Column::SubjectId)).eq(subject))
        .to_owned();
    Expr::from(SubQueryStatement::SelectStatement(key))
}

/// Inserts keys for those who have none. Returns how many.
pub async fn insert(tx: &WriteTx, keys: &[(Uuid, Vec<u8>)], now: Timestamp) -> Result<u64, DbErr> {
    let rows = keys.iter().map(|(subject, wrapped)| ActiveModel {
        subject_id: Set(*subject),
        wrapped: Set(wrapped.clone()),
        created_at: Set(now),
        destroyed_at: Set(None),
    });
    let there = OnConflict::column(Column::SubjectId).do_nothing().to_owned();
    Entity::insert_many(rows).on_conflict(there).exec_without_returning(tx).await
}

/// Empties keys. Returns how many were not empty before.
pub async fn update_destroyed(tx: &WriteTx, subjects: &[Uuid], now: Timestamp) -> Result<u64, DbErr> {
    let destroyed = Entity::update_many()
        .col_expr(Column::Wrapped, Expr::value(Vec::<u8>::new()))
        .col_expr(Column::DestroyedAt, Expr::value(now))
        .filter(Column::SubjectId.is_in(subjects.iter().copied()))
        .filter(Column::DestroyedAt.is_null())
        .exec(tx)
        .await?;
    Ok(destroyed.rows_affected)
}

pub async fn delete(tx: &WriteTx, subjects: &[Uuid]) -> Result<u64, DbErr> {
    if subjects.is_empty() {
        return Ok(0);
    }
    let gone = Entity::delete_many().filter(Column::SubjectId.is_in(subjects.iter().copied())).exec(tx).await?;
    Ok(gone.rows_affected)
}
