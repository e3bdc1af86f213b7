//! Statements of review: all of them read.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, JoinType, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, RelationTrait,
    sea_query::{Expr, ExprTrait},
};

use crate::{
    entity::{
        account, artist,
        submission::{Column, Entity, Model, Relation, State},
        track,
    },
    kernel::{
        EmailAddress, Timestamp,
        ids::{ArtistId, SubmissionId},
    },
};

/// What letters and search tell about a submission.
#[derive(Clone, FromQueryResult)]
pub struct About {
    pub title: String,
    pub version_title: String,
    pub stage_name: String,
    /// Of whoever handed it in.
    pub email: EmailAddress,
    pub locale: String,
    pub status: account::Status,
}

pub async fn find_about(db: &impl ConnectionTrait, id: SubmissionId) -> Result<Option<About>, DbErr> {
    let submitter = Expr::col((account::Entity, account::Column::Id)).equals((Entity, Column::SubmitterId));
    let mut rows = Entity::find_by_id(id)
        .select_only()
        .column(track::Column::Title)
        .column(track::Column::VersionTitle)
        .column(artist::Column::StageName)
        .column(account::Column::Email)
        .column(account::Column::Locale)
        .column(account::Column::Status)
        .join(JoinType::InnerJoin, Relation::Track.def())
        .join(JoinType::InnerJoin, Relation::Artist.def());
    QueryTrait::query(&mut rows).join(JoinType::InnerJoin, account::Entity, submitter);
    rows.into_model().one(db).await
}

/// Where a page of the queue begins: after the submission with these values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub priority: i64,
    pub submitted_at: Timestamp,
    pub id: SubmissionId,
}

/// What waits: most urgent first, then longest waiting; one more than `size`, to tell whether there is a next page.
pub async fn list_queue(db: &impl ConnectionTrait, after: Option<Place>, size: u64) -> Result<Vec<Model>, DbErr> {
    // The states are written out, not bound: only so do both planners see that the partial index fits.
    let waiting = State::WAITING.map(|state| Expr::Constant(state.to_string().into()));
    let mut rows = Entity::find().filter(Expr::col((Entity, Column::State)).is_in(waiting));
    if let Some(Place { priority, submitted_at, id }) = after {
        let later =
            Column::SubmittedAt.gt(submitted_at).or(Column::SubmittedAt.eq(submitted_at).and(Column::Id.gt(id)));
        // The first condition is implied by the second; it is what the index can begin at.
        rows = rows
            .filter(Column::Priority.lte(priority))
            .filter(Column::Priority.lt(priority).or(Column::Priority.eq(priority).and(later)));
    }
    rows.order_by_desc(Column::Priority)
        .order_by_asc(Column::SubmittedAt)
        .order_by_asc(Column::Id)
        .limit(size + 1)
        .all(db)
        .await
}

/// The artists with these ids, whatever their state.
pub async fn list_artists(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = ArtistId>,
) -> Result<Vec<artist::Model>, DbErr> {
    artist::Entity::find().filter(artist::Column::Id.is_in(ids)).all(db).await
}
