//! Statements on `spent_challenge`.

use sea_orm::{ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter, sea_query::OnConflict};

use crate::{
    db::Db,
    entity::spent_challenge::{ActiveModel, Column, Entity},
    kernel::{Digest, Timestamp},
};

/// Remembers that a challenge was solved. `false` if it was before.
pub async fn insert_spent(db: &Db, nonce: Digest, expires_at: Timestamp) -> Result<bool, DbErr> {
    let row = ActiveModel { nonce_sha256: Set(nonce), expires_at: Set(expires_at) };
    let once = OnConflict::column(Column::NonceSha256).do_nothing().to_owned();
    Ok(Entity::insert(row).on_conflict(once).exec_without_returning(&db.write_one()).await? == 1)
}

/// Forgets those that have expired: they are refused as such. Returns how many.
pub async fn delete_expired(db: &Db, now: Timestamp) -> Result<u64, DbErr> {
    let deleted = Entity::delete_many().filter(Column::ExpiresAt.lte(now)).exec(&db.write_one()).await?;
    Ok(deleted.rows_affected)
}
