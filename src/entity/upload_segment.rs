//! `upload_segment`: a stretch of an upload that is already safe in the object store.

use sea_orm::entity::prelude::*;

use crate::kernel::{Timestamp, ids::UploadId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "upload_segment")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub upload_id: UploadId,
    /// In bytes from the start of the file. Segments of one upload leave no gap and never overlap.
    #[sea_orm(primary_key, auto_increment = false)]
    pub start_offset: i64,
    pub length_bytes: i64,
    /// Of this segment alone; 0 to 2³² − 1.
    pub crc32c: i64,
    /// Where the object store keeps it until the upload is finalised.
    pub storage_key: String,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(belongs_to = "super::upload::Entity", from = "Column::UploadId", to = "super::upload::Column::Id")]
    Upload,
}

impl Related<super::upload::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Upload.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// The segments of one upload, in the order of the file.
    pub fn of(upload: UploadId) -> Select<Self> {
        use sea_orm::QueryOrder;

        Self::find().filter(Column::UploadId.eq(upload)).order_by_asc(Column::StartOffset)
    }
}
