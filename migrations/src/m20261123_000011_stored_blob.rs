//! Stored bytes, each content once, and the references that owners hold to them.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, index, refers, sql, unique};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let stored_blob = on
            .table("stored_blob")
            .col(on.id("id").primary_key())
            .col(on.digest("sha256"))
            .col(on.crc32c("crc32c"))
            .col(on.size("size_bytes"))
            .col(on.text("media_type"))
            .col(on.text("storage_key"))
            .col(on.one_of("scan", &["not_configured", "pending", "clean", "infected"]))
            .col(on.counter("access_epoch"))
            .col(on.micros("created_at"))
            .col(on.micros("destroyed_at").null())
            .to_owned();
        schema.create_table(stored_blob).await?;
        schema.create_index(unique("stored_blob_by_storage_key", "stored_blob", ["storage_key"])).await?;
        schema
            .create_index(
                unique("stored_blob_by_content", "stored_blob", ["sha256"])
                    .cond_where(sql("destroyed_at IS NULL"))
                    .to_owned(),
            )
            .await?;

        let object_reference = on
            .table("object_reference")
            .col(on.id("id").primary_key())
            .col(on.id("owner_id"))
            .col(on.id("blob_id"))
            .col(on.id("upload_id"))
            .col(on.one_of("purpose", &["track_audio", "artwork", "tax_form", "attachment"]))
            .col(on.text("file_name"))
            .col(on.text("media_type"))
            .col(on.micros("created_at"))
            .foreign_key(&mut refers("owner_id", "account"))
            .foreign_key(&mut refers("blob_id", "stored_blob"))
            .foreign_key(&mut refers("upload_id", "upload"))
            .to_owned();
        schema.create_table(object_reference).await?;
        // The sweeper and a repeated finalise both rely on it: one upload makes one object.
        schema.create_index(unique("object_reference_by_upload", "object_reference", ["upload_id"])).await?;
        schema.create_index(index("object_reference_by_owner", "object_reference", ["owner_id", "id"])).await?;
        schema.create_index(index("object_reference_by_blob", "object_reference", ["blob_id"])).await
    }
}
