//! Uploads: files on their way in, and the segments that are already safe.
//!
//! `object_id` has no foreign key: the object refers back to its upload, and one direction is enough to keep both true.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, index, key, refers, rule};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let upload = on
            .table("upload")
            .col(on.id("id").primary_key())
            .col(on.id("owner_id"))
            .col(on.one_of("purpose", &["track_audio", "artwork", "tax_form", "attachment"]))
            .col(on.one_of("state", &STATES))
            .col(on.size("size_bytes"))
            .col(on.text("media_type"))
            .col(on.text("file_name"))
            .col(on.digest("expected_sha256").null())
            .col(on.digest("final_sha256").null())
            .col(on.counter("persisted_bytes"))
            .col(on.counter("writer_generation"))
            .col(on.id("object_id").null())
            .col(on.text("reject_reason").null())
            .col(on.text("detected_media_type").null())
            .col(on.one_of("scan", &["not_configured", "pending", "clean", "infected"]))
            .col(on.micros("created_at"))
            .col(on.micros("updated_at"))
            .col(on.micros("expires_at"))
            .col(on.micros("hard_expires_at"))
            .col(on.flag("staged"))
            .foreign_key(&mut refers("owner_id", "account"))
            .check(rule("upload_holds_no_more_than_declared", "persisted_bytes <= size_bytes"))
            .check(rule(
                "upload_finalized_is_whole",
                "state <> 'finalized' OR \
                 (object_id IS NOT NULL AND final_sha256 IS NOT NULL AND persisted_bytes = size_bytes)",
            ))
            .check(rule("upload_rejection_has_a_reason", "state <> 'rejected' OR reject_reason IS NOT NULL"))
            .to_owned();
        schema.create_table(upload).await?;
        schema.create_index(index("upload_by_owner", "upload", ["owner_id", "id"])).await?;
        schema.create_index(index("upload_by_expiry", "upload", ["state", "expires_at"])).await?;
        // An account's open uploads are counted at each new one, however many finished ones there are.
        schema.create_index(index("upload_by_quota", "upload", ["owner_id", "state", "size_bytes"])).await?;
        schema.create_index(index("upload_by_staging", "upload", ["staged", "state"])).await?;

        let upload_segment = on
            .table("upload_segment")
            .col(on.id("upload_id"))
            .col(on.counter("start_offset"))
            .col(on.size("length_bytes"))
            .col(on.crc32c("crc32c"))
            .col(on.text("storage_key"))
            .col(on.micros("created_at"))
            .primary_key(&mut key(["upload_id", "start_offset"]))
            .foreign_key(&mut refers("upload_id", "upload"))
            .to_owned();
        schema.create_table(upload_segment).await
    }
}

const STATES: [&str; 7] = ["pending", "receiving", "verifying", "finalized", "rejected", "cancelled", "expired"];
