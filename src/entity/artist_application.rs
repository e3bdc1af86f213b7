//! `artist_application`: a request to become an artist. One open application per person.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Timestamp,
    ids::{AccountId, ApplicationId, ArtistId},
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artist_application")]
pub struct Model {
    /// `app_…` on the wire.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApplicationId,
    pub applicant_id: AccountId,
    /// 1 to 100 characters; becomes the artist's.
    pub stage_name: String,
    pub biography: String,
    /// A JSON array of URLs.
    pub links: String,
    pub state: State,
    /// The artist that the approval made.
    pub artist_id: Option<ArtistId>,
    /// Never the applicant.
    pub decided_by: Option<AccountId>,
    /// Code of a rejection, for the applicant.
    pub decision_reason: Option<String>,
    /// Words for the applicant.
    pub decision_note: Option<String>,
    /// When it was last handed in. Drafts have none.
    pub submitted_at: Option<Timestamp>,
    pub decided_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Counts changes; the etag.
    pub row_version: i64,
}

/// Where an application stands. The first four are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum State {
    Draft,
    Submitted,
    InReview,
    /// Staff asked something; the applicant hands in again.
    InfoRequested,
    Approved,
    Rejected,
    Withdrawn,
    /// A question went unanswered for 30 days.
    Expired,
}

super::displays_as_stored!(State);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// This person's applications, all of them.
    pub fn made_by(applicant: AccountId) -> Select<Self> {
        Self::find().filter(Column::ApplicantId.eq(applicant))
    }
}
