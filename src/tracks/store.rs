//! Statements on `track`.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, IntoActiveModel, JoinType, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, Query},
};

use super::{
    Error,
    states::{Act, states_for},
};
use crate::{
    artists::{self, Standing},
    db::{self, WriteTx},
    entity::{
        artist_member, submission,
        track::{ActiveModel, Column, Entity, Model, State},
        upload,
    },
    kernel::{
        Timestamp,
        ids::{AccountId, ArtistId, ObjectId, TrackId, UploadId},
    },
};

/// A track, and what its uploads became.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Track {
    #[sea_orm(nested)]
    pub model: Model,
    /// Set once the audio upload is finalized.
    pub audio_object: Option<ObjectId>,
    /// Set once the artwork upload, if there is one, is finalized.
    pub artwork_object: Option<ObjectId>,
}

/// A track as one account meets it.
#[derive(Clone, Debug, FromQueryResult)]
pub struct SeenTrack {
    #[sea_orm(nested)]
    pub track: Track,
    #[sea_orm(nested)]
    pub standing: Standing,
    /// Whether it was ever handed in: from then on staff may see it.
    pub handed_in: bool,
}

/// Adds the objects' ids, in the same statement.
fn with_objects(tracks: Select<Entity>) -> Select<Entity> {
    let mut tracks = tracks
        .expr_as(Expr::col(("audio", upload::Column::ObjectId)), "audio_object")
        .expr_as(Expr::col(("artwork", upload::Column::ObjectId)), "artwork_object");
    for (alias, column) in [("audio", Column::AudioUploadId), ("artwork", Column::ArtworkUploadId)] {
        let same = Expr::col((alias, upload::Column::Id)).equals((Entity, column));
        QueryTrait::query(&mut tracks).join_as(JoinType::LeftJoin, upload::Entity, alias, same);
    }
    tracks
}

/// One track that is not deleted.
///
/// # Errors
/// When the database fails.
pub async fn find(db: &impl ConnectionTrait, id: TrackId) -> Result<Option<Track>, DbErr> {
    with_objects(Entity::live().filter(Column::Id.eq(id))).into_model().one(db).await
}

/// Those of `ids` that are not deleted, in no particular order.
///
/// # Errors
/// When the database fails.
pub async fn find_many(db: &impl ConnectionTrait, ids: &[TrackId]) -> Result<Vec<Track>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    with_objects(Entity::live().filter(Column::Id.is_in(ids.iter().copied()))).into_model().all(db).await
}

/// One track that is not deleted, and how `account` stands to it.
///
/// # Errors
/// When the database fails.
pub async fn find_seen(db: &impl ConnectionTrait, id: TrackId, account: AccountId) -> Result<Option<SeenTrack>, DbErr> {
    let handed_in = Query::select()
        .expr(Expr::val(1))
        .from(submission::Entity)
        .and_where(Expr::col((submission::Entity, submission::Column::TrackId)).equals((Entity, Column::Id)))
        .and_where(Expr::col((submission::Entity, submission::Column::Revision)).gt(0))
        .to_owned();
    let tracks = Entity::live().filter(Column::Id.eq(id)).expr_as(Expr::exists(handed_in), "handed_in");
    artists::with_standing(with_objects(tracks), (Entity, Column::ArtistId), account).into_model().one(db).await
}

/// An artist's tracks, newest first; one more than `size`, to tell whether there is a next page.
pub async fn list_by_artist(
    db: &impl ConnectionTrait,
    artist: ArtistId,
    published_only: bool,
    after: Option<TrackId>,
    size: u64,
) -> Result<Vec<Track>, DbErr> {
    let mut tracks = Entity::of_artist(artist).order_by_desc(Column::Id).limit(size + 1);
    if published_only {
        tracks = tracks.filter(Column::State.eq(State::Active));
    }
    if let Some(after) = after {
        tracks = tracks.filter(Column::Id.lt(after));
    }
    with_objects(tracks).into_model().all(db).await
}

/// Those of `ids` that are the account's own, or of a member of the artist.
pub async fn list_uploads(
    db: &impl ConnectionTrait,
    ids: &[UploadId],
    artist: ArtistId,
    account: AccountId,
) -> Result<Vec<upload::Model>, DbErr> {
    let members = Query::select()
        .column(artist_member::Column::AccountId)
        .from(artist_member::Entity)
        .and_where(Expr::col(artist_member::Column::ArtistId).eq(artist))
        .to_owned();
    let theirs = upload::Column::OwnerId.eq(account).or(upload::Column::OwnerId.in_subquery(members));
    upload::Entity::find().filter(upload::Column::Id.is_in(ids.iter().copied())).filter(theirs).all(db).await
}

pub async fn insert(tx: &WriteTx, track: &Model) -> Result<(), Error> {
    let row = track.clone().into_active_model().reset_all();
    Entity::insert(row).exec_without_returning(tx).await.map(drop).map_err(taken)
}

/// Writes what members edit. `track` carries the new version; whoever was faster makes this fail.
pub async fn update_fields(tx: &WriteTx, track: &Model) -> Result<(), Error> {
    let row = edited(track);
    let updated = Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(track.id))
        .filter(Column::RowVersion.eq(track.row_version - 1))
        .filter(Column::State.is_in(states_for(Act::Update)))
        .filter(Column::DeletedAt.is_null())
        .exec(tx)
        .await
        .map_err(taken)?;
    if updated.rows_affected == 0 { Err(Error::Changed) } else { Ok(()) }
}

fn edited(track: &Model) -> ActiveModel {
    ActiveModel {
        title: Set(track.title.clone()),
        version_title: Set(track.version_title.clone()),
        isrc: Set(track.isrc.clone()),
        language: Set(track.language.clone()),
        explicit: Set(track.explicit),
        audio_upload_id: Set(track.audio_upload_id),
        artwork_upload_id: Set(track.artwork_upload_id),
        allow_download: Set(track.allow_download),
        updated_at: Set(track.updated_at),
        row_version: Set(track.row_version),
        ..Default::default()
    }
}

/// Marks a track as deleted. Returns whether it stood in a state that allows it.
pub async fn update_deleted(tx: &WriteTx, id: TrackId, at: Timestamp) -> Result<bool, DbErr> {
    let updated = Entity::update_many()
        .col_expr(Column::DeletedAt, Expr::value(at))
        .col_expr(Column::UpdatedAt, Expr::value(at))
        .col_expr(Column::RowVersion, Expr::col(Column::RowVersion).add(1))
        .filter(Column::Id.eq(id))
        .filter(Column::State.is_in(states_for(Act::Delete)))
        .filter(Column::DeletedAt.is_null())
        .exec(tx)
        .await?;
    Ok(updated.rows_affected > 0)
}

/// Whether a submission of this track is under way.
pub async fn is_offered(db: &impl ConnectionTrait, id: TrackId) -> Result<bool, DbErr> {
    let active = submission::Entity::active_of(id).one(db).await?;
    Ok(active.is_some())
}

fn taken(error: DbErr) -> Error {
    if db::violates_uniqueness(&error) { Error::IsrcInUse } else { Error::Database(error) }
}
