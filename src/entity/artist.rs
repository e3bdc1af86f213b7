//! `artist`: who publishes. Several people may act for one artist.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Timestamp,
    ids::{AccountId, ArtistId},
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artist")]
pub struct Model {
    /// `art_…` on the wire.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ArtistId,
    /// The account that answers for the artist; also a member with the role of owner.
    pub owner_id: AccountId,
    /// Public; 1 to 100 characters.
    pub stage_name: String,
    /// Public; may be empty.
    pub biography: String,
    /// A JSON array of URLs.
    pub links: String,
    pub state: State,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Counts changes of what members edit; the etag.
    pub row_version: i64,
}

/// Whether the artist may publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum State {
    Active,
    /// By staff; nothing new is accepted.
    Suspended,
    /// By the owner; no longer shown.
    Archived,
}

super::displays_as_stored!(State);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(has_many = "super::artist_member::Entity")]
    Members,
}

impl Related<super::artist_member::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Members.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// The artists that this account answers for.
    pub fn owned_by(owner: AccountId) -> Select<Self> {
        Self::find().filter(Column::OwnerId.eq(owner))
    }
}
