//! The statements by which a submission moves its track. Each is guarded by the state it starts from and says whether
//! it found the track there.

use sea_orm::{
    ActiveEnum, ColumnTrait, DbErr, EntityTrait, QueryFilter, UpdateMany,
    sea_query::{Expr, ExprTrait},
};

use crate::{
    db::WriteTx,
    entity::track::{Column, Entity, State},
    kernel::{Timestamp, ids::TrackId},
};

/// Keeps a draft from being deleted or locked until this transaction ends. Changes nothing.
///
/// # Errors
/// When the database fails.
pub async fn hold(tx: &WriteTx, id: TrackId) -> Result<bool, DbErr> {
    let unchanged = Entity::update_many().col_expr(Column::UpdatedAt, Expr::col(Column::UpdatedAt));
    found(tx, unchanged.filter(Column::Id.eq(id)).filter(Column::State.eq(State::Draft))).await
}

/// Freezes a draft that still is as it was read: `row_version` is the one seen.
///
/// # Errors
/// When the database fails.
pub async fn lock(tx: &WriteTx, id: TrackId, row_version: i64, at: Timestamp) -> Result<bool, DbErr> {
    found(tx, to(id, State::Draft, State::Locked, at).filter(Column::RowVersion.eq(row_version))).await
}

/// Makes a locked track a draft again.
///
/// # Errors
/// When the database fails.
pub async fn release(tx: &WriteTx, id: TrackId, at: Timestamp) -> Result<bool, DbErr> {
    found(tx, to(id, State::Locked, State::Draft, at)).await
}

/// Makes a locked track public. It keeps the time of its first publication.
///
/// # Errors
/// When the database fails.
pub async fn publish(tx: &WriteTx, id: TrackId, at: Timestamp) -> Result<bool, DbErr> {
    let first = Expr::col(Column::PublishedAt).if_null(Expr::value(at));
    found(tx, to(id, State::Locked, State::Active, at).col_expr(Column::PublishedAt, first)).await
}

fn to(id: TrackId, from: State, to: State, at: Timestamp) -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(to.to_value()))
        .col_expr(Column::UpdatedAt, Expr::value(at))
        .col_expr(Column::RowVersion, Expr::col(Column::RowVersion).add(1))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(from))
}

async fn found(tx: &WriteTx, update: UpdateMany<Entity>) -> Result<bool, DbErr> {
    let updated = update.filter(Column::DeletedAt.is_null()).exec(tx).await?;
    Ok(updated.rows_affected > 0)
}
