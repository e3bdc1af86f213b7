//! What becomes of a person's works when the person is erased.
//!
//! An artist with other members goes on with them: the manager of longest standing becomes its owner. One without is
//! archived. What it never published is deleted with every trace of its way through review. What it published stays as
//! a fact under the artist's name, with its bytes, because others' claims and accounts rest on it, but it is withdrawn:
//! nobody finds or hears it.

use sea_orm::{
    ActiveEnum, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Select,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
};

use crate::{
    db::WriteTx,
    entity::{
        artist,
        artist_member::{self, MemberRole},
        submission, submission_history, submission_revision, track,
    },
    kernel::{
        Timestamp,
        ids::{AccountId, ArtistId, TrackId},
    },
    search,
};

/// The artists that this person answers for.
pub async fn list_artists(db: &impl ConnectionTrait, owner: AccountId) -> Result<Vec<artist::Model>, DbErr> {
    artist::Entity::owned_by(owner)
        .filter(artist::Column::State.ne(artist::State::Archived))
        .order_by_asc(artist::Column::Id)
        .limit(1000)
        .all(db)
        .await
}

/// Whoever takes an artist over: managers before viewers, the oldest membership first.
async fn find_heir(tx: &WriteTx, artist: &artist::Model) -> Result<Option<AccountId>, DbErr> {
    let mut others = artist_member::Entity::find()
        .filter(artist_member::Column::ArtistId.eq(artist.id))
        .filter(artist_member::Column::AccountId.ne(artist.owner_id))
        .all(tx)
        .await?;
    others.sort_by_key(|member| (member.role == MemberRole::Viewer, member.created_at));
    Ok(others.first().map(|member| member.account_id))
}

/// What parting an artist from its owner did to its tracks.
#[derive(Debug, Default)]
pub struct Parted {
    /// How many are gone.
    pub deleted: u64,
    /// What nobody hears any more.
    pub withdrawn: Vec<TrackId>,
}

/// Parts one artist from its owner.
pub async fn part(tx: &WriteTx, artist: &artist::Model, now: Timestamp) -> Result<Parted, DbErr> {
    let heir = find_heir(tx, artist).await?;
    let parted = match heir {
        Some(heir) => {
            update_owner(tx, artist.id, heir, now).await?;
            Parted::default()
        }
        None => archive(tx, artist, now).await?,
    };
    artist_member::Entity::delete_by_id((artist.id, artist.owner_id)).exec(tx).await?;
    Ok(parted)
}

async fn update_owner(tx: &WriteTx, id: ArtistId, heir: AccountId, now: Timestamp) -> Result<(), DbErr> {
    artist::Entity::update_many()
        .col_expr(artist::Column::OwnerId, Expr::value(heir))
        .col_expr(artist::Column::UpdatedAt, Expr::value(now))
        .filter(artist::Column::Id.eq(id))
        .exec(tx)
        .await?;
    artist_member::Entity::update_many()
        .col_expr(artist_member::Column::Role, Expr::value(MemberRole::Owner.to_value()))
        .filter(artist_member::Column::ArtistId.eq(id))
        .filter(artist_member::Column::AccountId.eq(heir))
        .exec(tx)
        .await
        .map(drop)
}

async fn archive(tx: &WriteTx, artist: &artist::Model, now: Timestamp) -> Result<Parted, DbErr> {
    let published = list_tracks(tx, artist.id, track::Column::PublishedAt.is_not_null()).await?;
    for id in &published {
        search::remove(tx, search::Kind::Track, (*id).into()).await?;
    }
    search::remove(tx, search::Kind::Artist, artist.id.into()).await?;
    let deleted = delete_unpublished(tx, artist.id).await?;
    update_withdrawn(tx, artist.id, now).await?;
    let stage_name = if published.is_empty() { "Erased" } else { artist.stage_name.as_str() };
    artist::Entity::update_many()
        .col_expr(artist::Column::State, Expr::value(artist::State::Archived.to_value()))
        .col_expr(artist::Column::StageName, Expr::value(stage_name))
        .col_expr(artist::Column::Biography, Expr::value(""))
        .col_expr(artist::Column::Links, Expr::value("[]"))
        .col_expr(artist::Column::UpdatedAt, Expr::value(now))
        .filter(artist::Column::Id.eq(artist.id))
        .exec(tx)
        .await?;
    Ok(Parted { deleted, withdrawn: published })
}

async fn list_tracks(tx: &WriteTx, artist: ArtistId, which: Expr) -> Result<Vec<TrackId>, DbErr> {
    let of_artist: Select<track::Entity> =
        track::Entity::find().filter(track::Column::ArtistId.eq(artist)).filter(which);
    of_artist.select_only().column(track::Column::Id).into_tuple().all(tx).await
}

/// Deletes what an artist never published, and its way through review.
async fn delete_unpublished(tx: &WriteTx, artist: ArtistId) -> Result<u64, DbErr> {
    let tracks = list_tracks(tx, artist, track::Column::PublishedAt.is_null()).await?;
    for some in tracks.chunks(200) {
        let of_these = || submission::Column::TrackId.is_in(some.iter().copied());
        let submissions =
            || Query::select().column(submission::Column::Id).from(submission::Entity).and_where(of_these()).to_owned();
        submission_history::Entity::delete_many()
            .filter(submission_history::Column::SubmissionId.in_subquery(submissions()))
            .exec(tx)
            .await?;
        submission_revision::Entity::delete_many()
            .filter(submission_revision::Column::SubmissionId.in_subquery(submissions()))
            .exec(tx)
            .await?;
        submission::Entity::delete_many().filter(of_these()).exec(tx).await?;
        track::Entity::delete_many().filter(track::Column::Id.is_in(some.iter().copied())).exec(tx).await?;
    }
    Ok(u64::try_from(tracks.len()).unwrap_or(u64::MAX))
}

/// Withdraws what an artist published, and forgets what people wrote about it.
async fn update_withdrawn(tx: &WriteTx, artist: ArtistId, now: Timestamp) -> Result<(), DbErr> {
    track::Entity::update_many()
        .col_expr(track::Column::State, Expr::value(track::State::Withdrawn.to_value()))
        .col_expr(track::Column::UpdatedAt, Expr::value(now))
        .col_expr(track::Column::RowVersion, Expr::col(track::Column::RowVersion).add(1))
        .filter(track::Column::ArtistId.eq(artist))
        .filter(track::Column::State.eq(track::State::Active))
        .exec(tx)
        .await?;
    forget_words(tx, Condition::all().add(submission::Column::ArtistId.eq(artist))).await
}

/// Forgets what this person wrote to reviewers in others' names, and what reviewers answered.
pub async fn forget_own_words(tx: &WriteTx, submitter: AccountId) -> Result<(), DbErr> {
    forget_words(tx, Condition::all().add(submission::Column::SubmitterId.eq(submitter))).await
}

async fn forget_words(tx: &WriteTx, which: Condition) -> Result<(), DbErr> {
    let ids: SelectStatement =
        Query::select().column(submission::Column::Id).from(submission::Entity).cond_where(which.clone()).to_owned();
    submission_history::Entity::update_many()
        .col_expr(submission_history::Column::Note, Expr::value(Option::<String>::None))
        .filter(submission_history::Column::SubmissionId.in_subquery(ids))
        .exec(tx)
        .await?;
    submission::Entity::update_many()
        .col_expr(submission::Column::Note, Expr::value(""))
        .col_expr(submission::Column::DecisionNote, Expr::value(Option::<String>::None))
        .filter(which)
        .exec(tx)
        .await
        .map(drop)
}
