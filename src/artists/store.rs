//! Statements on `artist` and `artist_member`.

use sea_orm::{ConnectionTrait, DbErr, EntityTrait};

use crate::{
    entity::artist_member,
    kernel::ids::{AccountId, ArtistId},
};

/// Whether this account belongs to this artist.
///
/// # Errors
/// When the database fails.
pub async fn is_member(db: &impl ConnectionTrait, artist: ArtistId, account: AccountId) -> Result<bool, DbErr> {
    Ok(artist_member::Entity::find_by_id((artist, account)).one(db).await?.is_some())
}
