//! Statements on `upload` and `upload_segment`.
//!
//! Every change of an upload repeats in its WHERE what the caller believes about it, and tells by `None` or `false`
//! that it was not so.

use std::time::Duration;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter,
    QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, Query},
};

use crate::{
    db::WriteTx,
    entity::{
        account, track,
        upload::{ActiveModel, Column, Entity, Model, State},
        upload_segment,
    },
    kernel::{
        Digest, Timestamp,
        ids::{AccountId, ObjectId, UploadId},
    },
};

/// Takes bytes.
pub const OPEN: [State; 2] = [State::Pending, State::Receiving];
/// Counts against the quota: open, or being checked.
const UNFINISHED: [State; 3] = [State::Pending, State::Receiving, State::Verifying];
/// Nothing changes any more.
const ENDED: [State; 4] = [State::Finalized, State::Rejected, State::Cancelled, State::Expired];

pub fn has_ended(state: State) -> bool {
    ENDED.contains(&state)
}

pub async fn find_owned(db: &impl ConnectionTrait, owner: AccountId, id: UploadId) -> Result<Option<Model>, DbErr> {
    Entity::owned_by(owner).filter(Column::Id.eq(id)).one(db).await
}

pub async fn find(db: &impl ConnectionTrait, id: UploadId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).one(db).await
}

/// What an account's unfinished uploads take, by their declared sizes.
#[derive(Clone, Copy, Debug, FromQueryResult)]
pub struct Usage {
    pub uploads: i64,
    pub bytes: Option<i64>,
}

pub async fn find_usage(tx: &WriteTx, owner: AccountId) -> Result<Usage, DbErr> {
    let usage = Entity::find()
        .select_only()
        .column_as(Expr::col(Column::Id).count(), "uploads")
        // PostgreSQL adds bigints up to a numeric.
        .column_as(Expr::col(Column::SizeBytes).sum().cast_as("bigint"), "bytes")
        .filter(Column::OwnerId.eq(owner))
        .filter(Column::State.is_in(UNFINISHED))
        .into_model::<Usage>()
        .one(tx)
        .await?;
    Ok(usage.unwrap_or(Usage { uploads: 0, bytes: None }))
}

/// Makes the account's other creations wait until this transaction ends. The lock is for PostgreSQL; on SQLite there is
/// one writer, and SeaORM leaves the lock out.
pub async fn lock_account(tx: &WriteTx, owner: AccountId) -> Result<(), DbErr> {
    let locked = account::Entity::find_by_id(owner).select_only().column(account::Column::Id).lock_exclusive();
    locked.into_tuple::<AccountId>().one(tx).await.map(drop)
}

pub async fn insert(tx: &WriteTx, upload: Model) -> Result<(), DbErr> {
    let row = ActiveModel::from(upload).reset_all();
    Entity::insert(row).exec_without_returning(tx).await.map(drop)
}

/// Takes bytes at `now`.
fn open_at(id: UploadId, now: Timestamp) -> Condition {
    Condition::all().add(Column::Id.eq(id)).add(Column::State.is_in(OPEN)).add(Column::ExpiresAt.gt(now))
}

/// Makes whoever asks the upload's only writer, if it is open and, where `generation` is given, still at that.
pub async fn update_writer(
    db: &impl ConnectionTrait,
    id: UploadId,
    generation: Option<i64>,
    now: Timestamp,
) -> Result<Option<Model>, DbErr> {
    let updated = Entity::update_many()
        .col_expr(Column::WriterGeneration, Expr::col(Column::WriterGeneration).add(1))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(open_at(id, now))
        .filter(
            generation.map_or_else(Condition::all, |known| Condition::all().add(Column::WriterGeneration.eq(known))),
        )
        .exec_with_returning(db)
        .await?;
    Ok(updated.into_iter().next())
}

/// Bytes that have become durable.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub upload: UploadId,
    /// The prefix they were appended to.
    pub from: i64,
    pub length: i64,
    /// The writer's generation; `None` for a chunk that is not fenced.
    pub generation: Option<i64>,
    pub take_over: bool,
    pub now: Timestamp,
}

/// Moves the prefix on, if nobody else did and the writer is still the writer.
///
/// The upload then expires `expire_after` from now, or at its last moment if that is sooner.
pub async fn update_progress(tx: &WriteTx, progress: Progress, expire_after: Duration) -> Result<Option<Model>, DbErr> {
    let Progress { upload, from, length, generation, take_over, now } = progress;
    let wanted = now + expire_after;
    let last = Expr::col(Column::HardExpiresAt);
    let expires_at = Expr::case(last.clone().lt(wanted), last).finally(wanted);
    let mut update = Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Receiving))
        .col_expr(Column::PersistedBytes, Expr::value(from + length))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .col_expr(Column::ExpiresAt, expires_at.into())
        .filter(open_at(upload, now))
        .filter(Column::PersistedBytes.eq(from));
    if let Some(generation) = generation {
        update = update.filter(Column::WriterGeneration.eq(generation));
    }
    if take_over {
        update = update.col_expr(Column::WriterGeneration, Expr::col(Column::WriterGeneration).add(1));
    }
    Ok(update.exec_with_returning(tx).await?.into_iter().next())
}

pub async fn insert_segment(tx: &WriteTx, segment: upload_segment::Model) -> Result<(), DbErr> {
    let row = upload_segment::ActiveModel::from(segment).reset_all();
    upload_segment::Entity::insert(row).exec_without_returning(tx).await.map(drop)
}

/// The segments that may hold bytes of `from..to`, in order. `longest` is the greatest length of a segment.
pub async fn list_segments_between(
    db: &impl ConnectionTrait,
    upload: UploadId,
    from: i64,
    to: i64,
    longest: i64,
) -> Result<Vec<upload_segment::Model>, DbErr> {
    upload_segment::Entity::of(upload)
        .filter(upload_segment::Column::StartOffset.gt(from.saturating_sub(longest)))
        .filter(upload_segment::Column::StartOffset.lt(to))
        .all(db)
        .await
}

/// At most `limit` segments from offset `from` on, in order.
pub async fn list_segments(
    db: &impl ConnectionTrait,
    upload: UploadId,
    from: i64,
    limit: u64,
) -> Result<Vec<upload_segment::Model>, DbErr> {
    upload_segment::Entity::of(upload).filter(upload_segment::Column::StartOffset.gte(from)).limit(limit).all(db).await
}

/// Closes a whole upload for its check, and ends its writer.
pub async fn update_verifying(
    tx: &WriteTx,
    id: UploadId,
    sha256: Digest,
    now: Timestamp,
) -> Result<Option<Model>, DbErr> {
    let updated = Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Verifying))
        .col_expr(Column::ExpectedSha256, Expr::value(sha256))
        .col_expr(Column::WriterGeneration, Expr::col(Column::WriterGeneration).add(1))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(open_at(id, now))
        .filter(Expr::col(Column::PersistedBytes).equals(Column::SizeBytes))
        .exec_with_returning(tx)
        .await?;
    Ok(updated.into_iter().next())
}

pub async fn update_cancelled(tx: &WriteTx, id: UploadId, now: Timestamp) -> Result<Option<Model>, DbErr> {
    let updated = Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Cancelled))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(open_at(id, now))
        .exec_with_returning(tx)
        .await?;
    Ok(updated.into_iter().next())
}

pub async fn update_expired(tx: &WriteTx, id: UploadId, now: Timestamp) -> Result<bool, DbErr> {
    let updated = Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Expired))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .filter(Column::State.is_in(OPEN))
        .filter(Column::ExpiresAt.lte(now))
        .exec(tx)
        .await?;
    Ok(updated.rows_affected == 1)
}

/// What the check found in the bytes that arrived.
#[derive(Clone, Copy, Debug)]
pub struct Verdict<'a> {
    pub sha256: Option<Digest>,
    pub media_type: Option<&'a str>,
    /// The object that was made, or why none was.
    pub outcome: Result<ObjectId, &'a str>,
}

/// Writes the check's outcome down, once.
pub async fn update_verdict(tx: &WriteTx, id: UploadId, verdict: Verdict<'_>, now: Timestamp) -> Result<bool, DbErr> {
    let (state, object, reason) = match verdict.outcome {
        Ok(object) => (State::Finalized, Some(object), None),
        Err(reason) => (State::Rejected, None, Some(reason.to_owned())),
    };
    let updated = Entity::update_many()
        .col_expr(Column::State, Expr::value(state))
        .col_expr(Column::ObjectId, Expr::value(object))
        .col_expr(Column::RejectReason, Expr::value(reason))
        .col_expr(Column::FinalSha256, Expr::value(verdict.sha256))
        .col_expr(Column::DetectedMediaType, Expr::value(verdict.media_type.map(str::to_owned)))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(State::Verifying))
        .exec(tx)
        .await?;
    Ok(updated.rows_affected == 1)
}

/// At most `limit` open uploads that have expired.
pub async fn list_overdue(db: &impl ConnectionTrait, now: Timestamp, limit: u64) -> Result<Vec<UploadId>, DbErr> {
    Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::State.is_in(OPEN))
        .filter(Column::ExpiresAt.lte(now))
        .order_by_asc(Column::ExpiresAt)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}

/// At most `limit` ended uploads whose staging is still there, from `after` on.
pub async fn list_ended_staged(
    db: &impl ConnectionTrait,
    after: Option<UploadId>,
    limit: u64,
) -> Result<Vec<UploadId>, DbErr> {
    let mut found = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Staged.eq(true))
        .filter(Column::State.is_in(ENDED))
        .order_by_asc(Column::Id)
        .limit(limit);
    if let Some(after) = after {
        found = found.filter(Column::Id.gt(after));
    }
    found.into_tuple().all(db).await
}

/// Forgets the staging of an ended upload, whose bytes are gone.
pub async fn delete_staging(tx: &WriteTx, id: UploadId) -> Result<(), DbErr> {
    upload_segment::Entity::delete_many().filter(upload_segment::Column::UploadId.eq(id)).exec(tx).await?;
    Entity::update_many()
        .col_expr(Column::Staged, Expr::value(false))
        .filter(Column::Id.eq(id))
        .filter(Column::State.is_in(ENDED))
        .exec(tx)
        .await
        .map(drop)
}

/// Gives up everything of this owner that still takes bytes.
pub async fn update_all_cancelled(tx: &WriteTx, owner: AccountId, now: Timestamp) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Cancelled))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::OwnerId.eq(owner))
        .filter(Column::State.is_in(OPEN))
        .exec(tx)
        .await
        .map(drop)
}

/// At most `limit` ended uploads of this owner whose staging is still there.
pub async fn list_ended_staged_of(
    db: &impl ConnectionTrait,
    owner: AccountId,
    limit: u64,
) -> Result<Vec<UploadId>, DbErr> {
    let staged = Entity::owned_by(owner).filter(Column::Staged.eq(true)).filter(Column::State.is_in(ENDED));
    staged.select_only().column(Column::Id).order_by_asc(Column::Id).limit(limit).into_tuple().all(db).await
}

pub async fn any_verifying(db: &impl ConnectionTrait, owner: AccountId) -> Result<bool, DbErr> {
    let checked = Entity::owned_by(owner).filter(Column::State.eq(State::Verifying)).limit(1).one(db).await?;
    Ok(checked.is_some())
}

/// Ended uploads of this owner that no track uses and whose staging is cleared, oldest first.
pub async fn list_unused(tx: &WriteTx, owner: AccountId, limit: u64) -> Result<Vec<UploadId>, DbErr> {
    let used_as = |file: track::Column| {
        let tracks = Query::select()
            .expr(Expr::val(1))
            .from(track::Entity)
            .and_where(Expr::col((track::Entity, file)).equals((Entity, Column::Id)))
            .to_owned();
        Expr::exists(tracks).not()
    };
    Entity::owned_by(owner)
        .select_only()
        .column(Column::Id)
        .filter(Column::Staged.eq(false))
        .filter(Column::State.is_in(ENDED))
        .filter(used_as(track::Column::AudioUploadId))
        .filter(used_as(track::Column::ArtworkUploadId))
        .order_by_asc(Column::Id)
        .limit(limit)
        .into_tuple()
        .all(tx)
        .await
}

/// Deletes uploads to which nothing refers any more.
pub async fn delete(tx: &WriteTx, ids: &[UploadId]) -> Result<u64, DbErr> {
    if ids.is_empty() {
        return Ok(0);
    }
    let deleted = Entity::delete_many().filter(Column::Id.is_in(ids.iter().copied())).exec(tx).await?;
    Ok(deleted.rows_affected)
}

/// Forgets what this owner's files were called.
pub async fn update_file_names(tx: &WriteTx, owner: AccountId) -> Result<(), DbErr> {
    let nameless = Entity::update_many().col_expr(Column::FileName, Expr::value("file"));
    nameless.filter(Column::OwnerId.eq(owner)).exec(tx).await.map(drop)
}
