//! Statements on `artist` and `artist_member`.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
};

use crate::{
    db::WriteTx,
    entity::{
        artist::{Column, Entity, Model, State},
        artist_member::{self, MemberRole},
    },
    kernel::ids::{AccountId, ArtistId},
};

/// # Errors
/// When the database fails.
pub async fn find(db: &impl ConnectionTrait, id: ArtistId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).one(db).await
}

/// Whether this account belongs to this artist.
///
/// # Errors
/// When the database fails.
pub async fn is_member(db: &impl ConnectionTrait, artist: ArtistId, account: AccountId) -> Result<bool, DbErr> {
    Ok(artist_member::Entity::find_by_id((artist, account)).one(db).await?.is_some())
}

/// The active ones among these, in any order.
///
/// # Errors
/// When the database fails.
pub async fn list_active_by_ids(db: &impl ConnectionTrait, ids: Vec<ArtistId>) -> Result<Vec<Model>, DbErr> {
    Entity::find().filter(Column::Id.is_in(ids)).filter(Column::State.eq(State::Active)).all(db).await
}

/// Active artists older than `before`, newest first.
pub async fn list_active(db: &impl ConnectionTrait, before: ArtistId, limit: u64) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::State.eq(State::Active))
        .filter(Column::Id.lt(before))
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Artists of this member that are older than `before`, newest first, in any state.
pub async fn list_of(
    db: &impl ConnectionTrait,
    account: AccountId,
    before: ArtistId,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    // Ordered by the membership's column: its index serves account and order at once.
    Entity::find()
        .inner_join(artist_member::Entity)
        .filter(artist_member::Column::AccountId.eq(account))
        .filter(artist_member::Column::ArtistId.lt(before))
        .order_by_desc(artist_member::Column::ArtistId)
        .limit(limit)
        .all(db)
        .await
}

pub async fn insert(tx: &WriteTx, artist: &Model) -> Result<(), DbErr> {
    let row = artist.clone().into_active_model().reset_all();
    Entity::insert(row).exec_without_returning(tx).await.map(drop)
}

/// Makes the owner a member.
pub async fn insert_owner(tx: &WriteTx, artist: &Model) -> Result<(), DbErr> {
    let row = artist_member::ActiveModel {
        artist_id: Set(artist.id),
        account_id: Set(artist.owner_id),
        role: Set(MemberRole::Owner),
        created_at: Set(artist.created_at),
    };
    artist_member::Entity::insert(row).exec_without_returning(tx).await.map(drop)
}
