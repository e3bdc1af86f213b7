//! `track`: an artist's work, from draft to published.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Timestamp,
    ids::{ArtistId, TrackId, UploadId},
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "track")]
pub struct Model {
    /// `trk_…` on the wire.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TrackId,
    pub artist_id: ArtistId,
    /// 1 to 200 characters.
    pub title: String,
    /// For example `Live at the Harbour`; may be empty.
    pub version_title: String,
    /// Twelve characters, upper case, checked. Of all tracks not deleted, one may carry it.
    pub isrc: Option<String>,
    /// BCP 47 tag of what is sung; `zxx` for none.
    pub language: String,
    pub explicit: bool,
    /// May be unfinished until the track is submitted.
    pub audio_upload_id: UploadId,
    pub artwork_upload_id: Option<UploadId>,
    /// Whether listeners may download it once it is published.
    pub allow_download: bool,
    pub state: State,
    /// When it was first published.
    pub published_at: Option<Timestamp>,
    /// Deleted tracks are shown to nobody.
    pub deleted_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Counts changes of what members edit; the etag.
    pub row_version: i64,
}

/// Where a track stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum State {
    Draft,
    /// A submission holds it: nobody edits.
    Locked,
    /// Published.
    Active,
    /// By the artist.
    Withdrawn,
    /// By staff.
    TakenDown,
}

super::displays_as_stored!(State);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(belongs_to = "super::artist::Entity", from = "Column::ArtistId", to = "super::artist::Column::Id")]
    Artist,
    #[sea_orm(belongs_to = "super::upload::Entity", from = "Column::AudioUploadId", to = "super::upload::Column::Id")]
    Audio,
}

impl Related<super::artist::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Artist.def()
    }
}

impl Related<super::upload::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Audio.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// The tracks that exist: deleted ones do not, to anyone.
    pub fn live() -> Select<Self> {
        Self::find().filter(Column::DeletedAt.is_null())
    }

    /// The artist's tracks that exist.
    pub fn of_artist(artist: ArtistId) -> Select<Self> {
        Self::live().filter(Column::ArtistId.eq(artist))
    }
}
