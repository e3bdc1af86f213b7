//! Statements on `stored_blob` and `object_reference`, and the one query that decides who may read an object.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait, OnConflict, Query, SelectStatement},
};

use crate::{
    db::{Db, WriteTx},
    entity::{
        object_reference::{self, Column, Entity},
        stored_blob, submission, track,
        upload::Purpose,
    },
    kernel::{
        Caller, Digest, Permission, Timestamp,
        ids::{AccountId, BlobId, ObjectId, UploadId},
    },
    objects::ObjectKey,
};

/// Someone's object, and the bytes behind it.
pub type Found = (object_reference::Model, stored_blob::Model);

/// What staff may look at: everything that was handed in and not taken back.
const HANDED_IN: [submission::State; 8] = [
    submission::State::Processing,
    submission::State::Submitted,
    submission::State::ChangesRequested,
    submission::State::InReview,
    submission::State::Approved,
    submission::State::Rejected,
    submission::State::Published,
    submission::State::TakenDown,
];

/// An object, if `caller` may read it: its owner; staff who review, once it was handed in; everyone signed in, if it
/// is the artwork of a published track, or its sound and the owner allows downloads. Tax forms are not read this way.
pub async fn find_readable(db: &impl ConnectionTrait, caller: &Caller, id: ObjectId) -> Result<Option<Found>, DbErr> {
    let [sound, artwork] = [track::Column::AudioUploadId, track::Column::ArtworkUploadId];
    let mut allowed = Condition::any()
        .add(Column::OwnerId.eq(caller.account))
        .add(Expr::exists(published(sound).and_where(track::Column::AllowDownload.eq(true)).to_owned()))
        .add(Expr::exists(published(artwork)));
    if caller.may(Permission::ReviewSubmissions) {
        allowed = allowed.add(Expr::exists(handed_in(sound))).add(Expr::exists(handed_in(artwork)));
    }
    find_live(db, Condition::all().add(Column::Id.eq(id)).add(Column::Purpose.ne(Purpose::TaxForm)).add(allowed)).await
}

/// An object, for whoever holds a signed URL of it.
pub async fn find(db: &impl ConnectionTrait, id: ObjectId) -> Result<Option<Found>, DbErr> {
    find_live(db, Condition::all().add(Column::Id.eq(id)).add(Column::Purpose.ne(Purpose::TaxForm))).await
}

async fn find_live(db: &impl ConnectionTrait, which: Condition) -> Result<Option<Found>, DbErr> {
    let found = Entity::find()
        .find_also_related(stored_blob::Entity)
        .filter(which)
        .filter(stored_blob::Column::DestroyedAt.is_null())
        .one(db)
        .await?;
    Ok(found.and_then(|(object, blob)| Some((object, blob?))))
}

fn tracks_with(file: track::Column) -> SelectStatement {
    Query::select()
        .expr(Expr::val(1))
        .from(track::Entity)
        .and_where(Expr::col((track::Entity, file)).equals((Entity, Column::UploadId)))
        .and_where(track::Column::DeletedAt.is_null())
        .to_owned()
}

fn published(file: track::Column) -> SelectStatement {
    tracks_with(file).and_where(track::Column::State.eq(track::State::Active)).to_owned()
}

/// Nested rather than joined: SQLite would begin a join at the states, of which every submission has one.
fn handed_in(file: track::Column) -> SelectStatement {
    let submitted = Query::select()
        .expr(Expr::val(1))
        .from(submission::Entity)
        .and_where(
            Expr::col((submission::Entity, submission::Column::TrackId)).equals((track::Entity, track::Column::Id)),
        )
        .and_where(submission::Column::State.is_in(HANDED_IN))
        .to_owned();
    tracks_with(file).and_where(Expr::exists(submitted)).to_owned()
}

/// Inserts a blob, unless its content is there already.
///
/// Of two equal contents at once, PostgreSQL lets the second wait for the first. `false` if it was there.
pub async fn insert_blob(tx: &WriteTx, blob: stored_blob::Model) -> Result<bool, DbErr> {
    let row = stored_blob::ActiveModel::from(blob).reset_all();
    // Without a column list the clause also covers the partial unique index on the content.
    let there = OnConflict::new().do_nothing().to_owned();
    Ok(stored_blob::Entity::insert(row).on_conflict(there).exec_without_returning(tx).await? == 1)
}

pub async fn find_blob_by_content(tx: &WriteTx, sha256: Digest) -> Result<Option<stored_blob::Model>, DbErr> {
    stored_blob::Entity::live().filter(stored_blob::Column::Sha256.eq(sha256)).one(tx).await
}

/// Whether some blob's bytes lie under this key.
pub async fn is_stored(db: &impl ConnectionTrait, key: &ObjectKey) -> Result<bool, DbErr> {
    let found = stored_blob::Entity::find().filter(stored_blob::Column::StorageKey.eq(key.as_str())).one(db).await?;
    Ok(found.is_some())
}

pub async fn insert_object(tx: &WriteTx, object: object_reference::Model) -> Result<(), DbErr> {
    let row = object_reference::ActiveModel::from(object).reset_all();
    Entity::insert(row).exec_without_returning(tx).await.map(drop)
}

/// The blob that an upload's bytes become, unless they are stored already. One upload makes one blob at most, so that a
/// repeated finalise writes over what an interrupted one left.
pub fn blob_of(upload: UploadId) -> BlobId {
    BlobId::from(uuid::Uuid::from(upload))
}

/// Deletes the objects that these uploads became. Returns their blobs.
pub async fn delete_objects(tx: &WriteTx, uploads: &[UploadId]) -> Result<Vec<BlobId>, DbErr> {
    if uploads.is_empty() {
        return Ok(Vec::new());
    }
    let which = Column::UploadId.is_in(uploads.iter().copied());
    let objects = Entity::find().filter(which.clone()).all(tx).await?;
    Entity::delete_many().filter(which).exec(tx).await?;
    Ok(objects.into_iter().map(|object| object.blob_id).collect())
}

/// Marks those of these blobs that nobody owns. Returns which.
pub async fn update_orphans_destroyed(tx: &WriteTx, blobs: &[BlobId], now: Timestamp) -> Result<Vec<BlobId>, DbErr> {
    if blobs.is_empty() {
        return Ok(Vec::new());
    }
    let marked = stored_blob::Entity::update_many()
        .col_expr(stored_blob::Column::DestroyedAt, Expr::value(now))
        .filter(stored_blob::Column::Id.is_in(blobs.iter().copied()))
        .filter(stored_blob::Column::DestroyedAt.is_null())
        .filter(Expr::exists(owners()).not())
        .exec_with_returning(tx)
        .await?;
    Ok(marked.into_iter().map(|blob| blob.id).collect())
}

/// Takes the mark off a blob that somebody owns after all.
pub async fn update_revived(db: &Db, id: BlobId) -> Result<bool, DbErr> {
    let revived = stored_blob::Entity::update_many()
        .col_expr(stored_blob::Column::DestroyedAt, Expr::value(Option::<Timestamp>::None))
        .filter(stored_blob::Column::Id.eq(id))
        .filter(Expr::exists(owners()))
        .exec(&db.write_one())
        .await?;
    Ok(revived.rows_affected > 0)
}

pub async fn find_destroyed(db: &Db, id: BlobId) -> Result<Option<stored_blob::Model>, DbErr> {
    let marked = stored_blob::Entity::find_by_id(id).filter(stored_blob::Column::DestroyedAt.is_not_null());
    marked.one(db).await
}

/// Forgets a blob whose bytes are gone.
pub async fn delete_blob(db: &Db, id: BlobId) -> Result<(), DbErr> {
    let gone = stored_blob::Entity::delete_many().filter(stored_blob::Column::Id.eq(id));
    gone.filter(stored_blob::Column::DestroyedAt.is_not_null()).exec(&db.write_one()).await.map(drop)
}

fn owners() -> SelectStatement {
    Query::select()
        .expr(Expr::val(1))
        .from(Entity)
        .and_where(Expr::col((Entity, Column::BlobId)).equals((stored_blob::Entity, stored_blob::Column::Id)))
        .to_owned()
}

/// Forgets what this owner's files were called.
pub async fn update_file_names(tx: &WriteTx, owner: AccountId) -> Result<(), DbErr> {
    let nameless = Entity::update_many().col_expr(Column::FileName, Expr::value("file"));
    nameless.filter(Column::OwnerId.eq(owner)).exec(tx).await.map(drop)
}
