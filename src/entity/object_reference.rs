//! `object_reference`: one owner's reference to stored bytes, made when an upload is finalised.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Timestamp,
    ids::{AccountId, BlobId, ObjectId, UploadId},
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "object_reference")]
pub struct Model {
    /// `obj_…` on the wire.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ObjectId,
    pub owner_id: AccountId,
    pub blob_id: BlobId,
    /// Unique: an upload makes one object, however often its finalising is tried.
    pub upload_id: UploadId,
    pub purpose: super::upload::Purpose,
    /// The owner's name for the file; a download carries it.
    pub file_name: String,
    pub media_type: String,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "super::stored_blob::Entity",
        from = "Column::BlobId",
        to = "super::stored_blob::Column::Id"
    )]
    Blob,
    #[sea_orm(belongs_to = "super::upload::Entity", from = "Column::UploadId", to = "super::upload::Column::Id")]
    Upload,
}

impl Related<super::stored_blob::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Blob.def()
    }
}

impl Related<super::upload::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Upload.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// The objects this account may touch. Every query made for a caller starts here.
    pub fn owned_by(owner: AccountId) -> Select<Self> {
        Self::find().filter(Column::OwnerId.eq(owner))
    }
}
