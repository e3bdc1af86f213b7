//! `stored_blob`: bytes in the object store, each content once, shared by all who own it.

use sea_orm::entity::prelude::*;

use crate::kernel::{Digest, Timestamp, ids::BlobId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stored_blob")]
pub struct Model {
    /// Never leaves the server.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: BlobId,
    pub sha256: Digest,
    /// Of the whole content; 0 to 2³² − 1.
    pub crc32c: i64,
    pub size_bytes: i64,
    /// As detected, not as declared.
    pub media_type: String,
    /// Where the object store keeps it; unique for ever.
    pub storage_key: String,
    pub scan: super::upload::Scan,
    /// Part of every signed URL: counting it up ends the URLs that are out.
    pub access_epoch: i64,
    pub created_at: Timestamp,
    /// The bytes are gone, or about to be: the row is marked first.
    pub destroyed_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// The blobs whose bytes are there.
    pub fn live() -> Select<Self> {
        Self::find().filter(Column::DestroyedAt.is_null())
    }
}
