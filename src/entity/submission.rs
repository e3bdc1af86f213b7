//! `submission`: a track offered for publication.
//!
//! Of all submissions of a track, one may be active. Every change of `state` leaves a row in `submission_history`.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Timestamp,
    ids::{AccountId, ArtistId, SubmissionId, TrackId},
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "submission")]
pub struct Model {
    /// `sub_…` on the wire.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SubmissionId,
    pub track_id: TrackId,
    /// The track's, repeated here because lists go by it.
    pub artist_id: ArtistId,
    /// Who made it; a member of the artist at that time.
    pub submitter_id: AccountId,
    pub state: State,
    /// Higher is reviewed first.
    pub priority: i64,
    /// The artist's words to the reviewers; may be empty.
    pub note: String,
    /// Number of the last frozen revision; 0 before the first hand-in.
    pub revision: i64,
    /// `sequence` of the last history row.
    pub sequence: i64,
    /// Who took it into review.
    pub reviewer_id: Option<AccountId>,
    /// When it was last handed in; the queue's age. Drafts have none.
    pub submitted_at: Option<Timestamp>,
    pub decided_by: Option<AccountId>,
    pub decided_at: Option<Timestamp>,
    /// Code of a rejection, for the artist.
    pub decision_reason: Option<String>,
    /// Words for the artist.
    pub decision_note: Option<String>,
    pub published_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Counts changes; the etag.
    pub row_version: i64,
}

/// Where a submission stands. The first six are active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum State {
    Draft,
    /// Handed in; jobs look at the files.
    Processing,
    /// In the reviewers' queue.
    Submitted,
    ChangesRequested,
    InReview,
    Approved,
    Rejected,
    Published,
    TakenDown,
    Withdrawn,
    /// Wanted changes did not come for 60 days.
    Expired,
}

super::displays_as_stored!(State);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(belongs_to = "super::track::Entity", from = "Column::TrackId", to = "super::track::Column::Id")]
    Track,
    #[sea_orm(belongs_to = "super::artist::Entity", from = "Column::ArtistId", to = "super::artist::Column::Id")]
    Artist,
}

impl Related<super::track::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Track.def()
    }
}

impl Related<super::artist::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Artist.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

impl State {
    /// The states in which a submission is under way: a track is in one such at most.
    pub const ACTIVE: [Self; 6] =
        [Self::Draft, Self::Processing, Self::Submitted, Self::ChangesRequested, Self::InReview, Self::Approved];

    /// The states in which it waits for a reviewer.
    pub const WAITING: [Self; 2] = [Self::Submitted, Self::InReview];
}

impl Entity {
    /// The track's submission that is under way; there is one at most.
    pub fn active_of(track: TrackId) -> Select<Self> {
        Self::find().filter(Column::TrackId.eq(track)).filter(Column::State.is_in(State::ACTIVE))
    }

    /// The artist's submissions.
    pub fn of_artist(artist: ArtistId) -> Select<Self> {
        Self::find().filter(Column::ArtistId.eq(artist))
    }

    /// What this account handed in, for whichever artist.
    pub fn made_by(submitter: AccountId) -> Select<Self> {
        Self::find().filter(Column::SubmitterId.eq(submitter))
    }
}
