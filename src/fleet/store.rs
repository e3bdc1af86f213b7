//! Statements on `server_key`, and one question to `account`.

use sea_orm::{ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, sea_query::OnConflict};

use crate::{
    db::Db,
    entity::{
        account,
        server_key::{ActiveModel, Column, Entity, Kind, Model},
    },
    kernel::Timestamp,
};

const KINDS: [Kind; 4] = [Kind::Root, Kind::Vault, Kind::Token, Kind::Page];

/// Everything known. There are a few keys a year.
pub async fn list_keys(db: &Db) -> Result<Vec<Model>, DbErr> {
    Entity::find().filter(Column::Kind.is_in(KINDS)).all(db).await
}

/// Whether any key is known.
pub async fn any_key(db: &Db) -> Result<bool, DbErr> {
    Ok(Entity::find().filter(Column::Kind.is_in(KINDS)).limit(1).one(db).await?.is_some())
}

/// Whether anyone ever had an account.
pub async fn any_account(db: &Db) -> Result<bool, DbErr> {
    let ids = account::Entity::find().select_only().column(account::Column::Id).limit(1);
    Ok(ids.into_tuple::<uuid::Uuid>().one(db).await?.is_some())
}

/// Notes the first root; later ones change nothing.
pub async fn insert_root(db: &Db, key_id: &str, now: Timestamp) -> Result<(), DbErr> {
    let row = ActiveModel { kind: Set(Kind::Root), key_id: Set(key_id.to_owned()), seen_at: Set(now) };
    let once = OnConflict::new().do_nothing().to_owned();
    Entity::insert(row).on_conflict(once).exec_without_returning(&db.write_one()).await.map(drop)
}

/// Notes that an instance holds these keys now.
pub async fn upsert_keys(db: &Db, keys: &[(Kind, String)], now: Timestamp) -> Result<(), DbErr> {
    let rows =
        keys.iter().map(|(kind, id)| ActiveModel { kind: Set(*kind), key_id: Set(id.clone()), seen_at: Set(now) });
    let seen = OnConflict::columns([Column::Kind, Column::KeyId]).update_column(Column::SeenAt).to_owned();
    Entity::insert_many(rows).on_conflict(seen).exec_without_returning(&db.write_one()).await.map(drop)
}

/// Forgets them all.
pub async fn delete_keys(db: &Db) -> Result<(), DbErr> {
    Entity::delete_many().filter(Column::Kind.is_in(KINDS)).exec(&db.write_one()).await.map(drop)
}
