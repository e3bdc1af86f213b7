//! Tracks: stand-in for the feature that is written elsewhere.

use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, QueryFilter};

use crate::{
    entity::track::{Column, Entity, Model},
    kernel::ids::{ObjectId, TrackId},
    pb,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    pub model: Model,
    pub audio_object: Option<ObjectId>,
    pub artwork_object: Option<ObjectId>,
}

pub async fn find_many(db: &impl ConnectionTrait, ids: &[TrackId]) -> Result<Vec<Track>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::live().filter(Column::Id.is_in(ids.iter().copied())).all(db).await?;
    Ok(rows.into_iter().map(|model| Track { model, audio_object: None, artwork_object: None }).collect())
}

pub fn proto(track: &Track) -> pb::Track {
    pb::Track { track_id: track.model.id.to_string(), title: track.model.title.clone(), ..Default::default() }
}
