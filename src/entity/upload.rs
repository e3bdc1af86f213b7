//! `upload`: a file on its way in.
//!
//! `writer_generation` fences writers: whoever takes over counts it up, and a write that carries an older one touches no
//! row.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Digest, Timestamp,
    ids::{AccountId, ObjectId, UploadId},
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "upload")]
pub struct Model {
    /// `upl_…` on the wire.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UploadId,
    pub owner_id: AccountId,
    pub purpose: Purpose,
    pub state: State,
    /// As declared; above zero.
    pub size_bytes: i64,
    /// As declared.
    pub media_type: String,
    /// As declared, without any folder; 1 to 255 characters.
    pub file_name: String,
    /// As declared, if the client knew it beforehand.
    pub expected_sha256: Option<Digest>,
    /// Of the bytes that arrived. Set with the state of finalized.
    pub final_sha256: Option<Digest>,
    /// Bytes from the start that are durable; the next write begins here.
    pub persisted_bytes: i64,
    pub writer_generation: i64,
    /// What finalising made. Set with the state of finalized.
    pub object_id: Option<ObjectId>,
    /// Set with the state of rejected.
    pub reject_reason: Option<String>,
    /// What the first bytes really are.
    pub detected_media_type: Option<String>,
    pub scan: Scan,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Moves on with progress, never past `hard_expires_at`.
    pub expires_at: Timestamp,
    pub hard_expires_at: Timestamp,
    /// Its staging may still hold bytes or segments. Falls once, after the upload has ended and they are gone.
    pub staged: bool,
}

/// What the file is for; decides its limits and allowed types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Purpose {
    TrackAudio,
    Artwork,
    TaxForm,
    Attachment,
}

/// Where an upload stands. The first three are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum State {
    /// Nothing has arrived.
    Pending,
    Receiving,
    /// Complete; a job assembles and checks it.
    Verifying,
    Finalized,
    Rejected,
    Cancelled,
    Expired,
}

/// What the virus scanner says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Scan {
    /// There is no scanner.
    NotConfigured,
    Pending,
    Clean,
    Infected,
}

super::displays_as_stored!(Purpose, State, Scan);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(has_many = "super::upload_segment::Entity")]
    Segments,
}

impl Related<super::upload_segment::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Segments.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// The uploads this account may touch. Every query made for a caller starts here.
    pub fn owned_by(owner: AccountId) -> Select<Self> {
        Self::find().filter(Column::OwnerId.eq(owner))
    }
}
