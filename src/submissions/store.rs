//! Statements on `submission`, `submission_revision` and `submission_history`.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, IntoActiveModel, JoinType, Order, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, Query},
};

use super::Error;
use crate::{
    artists::{self, Standing},
    db::{self, WriteTx},
    entity::{
        account::{self, Tier},
        artist_member,
        submission::{ActiveModel, Column, Entity, Model, State},
        submission_history, submission_revision, upload,
    },
    kernel::{
        Timestamp,
        ids::{AccountId, ArtistId, SubmissionId, TrackId, UploadId},
    },
};

/// A submission as one account meets it.
#[derive(Clone, Debug, FromQueryResult)]
pub struct SeenSubmission {
    #[sea_orm(nested)]
    pub submission: Model,
    #[sea_orm(nested)]
    pub standing: Standing,
}

pub async fn find(db: &impl ConnectionTrait, id: SubmissionId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).one(db).await
}

pub async fn find_seen(
    db: &impl ConnectionTrait,
    id: SubmissionId,
    account: AccountId,
) -> Result<Option<SeenSubmission>, DbErr> {
    artists::with_standing(Entity::find_by_id(id), (Entity, Column::ArtistId), account).into_model().one(db).await
}

pub async fn find_active(db: &impl ConnectionTrait, track: TrackId) -> Result<Option<Model>, DbErr> {
    Entity::active_of(track).one(db).await
}

/// Which submissions a list shows.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// One of the account's artists; all of them if none is named.
    pub artist: Option<ArtistId>,
    pub state: Option<State>,
}

/// Submissions of the account's artists, newest first; one more than `size`, to tell whether there is a next page.
pub async fn list_for(
    db: &impl ConnectionTrait,
    account: AccountId,
    wanted: Wanted,
    after: Option<SubmissionId>,
    size: u64,
) -> Result<Vec<Model>, DbErr> {
    let mut rows = if let Some(artist) = wanted.artist {
        Entity::of_artist(artist)
    } else {
        let artists = Query::select()
            .column(artist_member::Column::ArtistId)
            .from(artist_member::Entity)
            .and_where(Expr::col(artist_member::Column::AccountId).eq(account))
            .to_owned();
        Entity::find().filter(Column::ArtistId.in_subquery(artists))
    };
    if let Some(state) = wanted.state {
        rows = rows.filter(Column::State.eq(state));
    }
    if let Some(after) = after {
        rows = rows.filter(Column::Id.lt(after));
    }
    rows.order_by_desc(Column::Id).limit(size + 1).all(db).await
}

pub async fn list_uploads(db: &impl ConnectionTrait, ids: Vec<UploadId>) -> Result<Vec<upload::Model>, DbErr> {
    upload::Entity::find().filter(upload::Column::Id.is_in(ids)).all(db).await
}

/// Inserts a draft. Another submission of the track that is under way makes this fail.
pub async fn insert(tx: &WriteTx, submission: &Model) -> Result<(), Error> {
    let row = submission.clone().into_active_model().reset_all();
    match Entity::insert(row).exec_without_returning(tx).await {
        Err(error) if db::violates_uniqueness(&error) => Err(Error::ActiveSubmissionExists(None)),
        other => Ok(other.map(drop)?),
    }
}

/// Writes a moved row, if it still is as `before` was read. Returns whether it was.
pub async fn update_moved(tx: &WriteTx, before: &Model, after: &Model) -> Result<bool, DbErr> {
    let row = ActiveModel {
        state: Set(after.state),
        revision: Set(after.revision),
        sequence: Set(after.sequence),
        reviewer_id: Set(after.reviewer_id),
        submitted_at: Set(after.submitted_at),
        decided_by: Set(after.decided_by),
        decided_at: Set(after.decided_at),
        decision_reason: Set(after.decision_reason.clone()),
        decision_note: Set(after.decision_note.clone()),
        published_at: Set(after.published_at),
        updated_at: Set(after.updated_at),
        row_version: Set(after.row_version),
        ..Default::default()
    };
    let updated = Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(before.id))
        .filter(Column::State.eq(before.state))
        .filter(Column::RowVersion.eq(before.row_version))
        .exec(tx)
        .await?;
    Ok(updated.rows_affected > 0)
}

pub async fn insert_history(tx: &WriteTx, rows: Vec<submission_history::ActiveModel>) -> Result<(), DbErr> {
    submission_history::Entity::insert_many(rows).exec_without_returning(tx).await.map(drop)
}

pub async fn insert_revision(tx: &WriteTx, submission: &Model, snapshot: String) -> Result<(), DbErr> {
    let row = submission_revision::ActiveModel {
        submission_id: Set(submission.id),
        number: Set(submission.revision),
        snapshot: Set(snapshot),
        created_at: Set(submission.updated_at),
    };
    submission_revision::Entity::insert(row).exec_without_returning(tx).await.map(drop)
}

/// The changes after `sequence`, oldest first, `size` at most.
pub async fn list_history(
    db: &impl ConnectionTrait,
    id: SubmissionId,
    after: i64,
    size: u64,
) -> Result<Vec<submission_history::Model>, DbErr> {
    let rows = submission_history::Entity::of(id).filter(submission_history::Column::Sequence.gt(after));
    rows.limit(size).all(db).await
}

/// The account's tier, and beside it each moment after `since` when it handed something in: newest first, `size` at
/// most, one row without a moment if there is none.
pub async fn list_hand_ins(
    db: &impl ConnectionTrait,
    account: AccountId,
    since: Timestamp,
    size: u64,
) -> Result<Vec<(Tier, Option<Timestamp>)>, DbErr> {
    use submission_history::{Column, Entity};

    // The state is written out, not bound: only so do both planners see that the partial index fits.
    let hand_ins = Expr::col((Entity, Column::ActorId))
        .equals((account::Entity, account::Column::Id))
        .and(Expr::col((Entity, Column::ToState)).eq(Expr::Constant("processing".into())))
        .and(Expr::col((Entity, Column::CreatedAt)).gt(since));
    let mut rows = account::Entity::find_by_id(account)
        .select_only()
        .column(account::Column::Tier)
        .expr(Expr::col((Entity, Column::CreatedAt)))
        .order_by(Expr::col((Entity, Column::CreatedAt)), Order::Desc)
        .limit(size);
    QueryTrait::query(&mut rows).join(JoinType::LeftJoin, Entity, hand_ins);
    rows.into_tuple().all(db).await
}
