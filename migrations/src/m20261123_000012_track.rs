//! Tracks: an artist's works, from draft to published.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, index, refers, rule, sql, unique};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let track = on
            .table("track")
            .col(on.id("id").primary_key())
            .col(on.id("artist_id"))
            .col(on.text("title"))
            .col(on.text("version_title"))
            .col(on.text("isrc").null())
            .col(on.text("language"))
            .col(on.flag("explicit"))
            .col(on.id("audio_upload_id"))
            .col(on.id("artwork_upload_id").null())
            .col(on.flag("allow_download"))
            .col(on.one_of("state", &["draft", "locked", "active", "withdrawn", "taken_down"]))
            .col(on.micros("published_at").null())
            .col(on.micros("deleted_at").null())
            .col(on.micros("created_at"))
            .col(on.micros("updated_at"))
            .col(on.counter("row_version"))
            .foreign_key(&mut refers("artist_id", "artist"))
            .foreign_key(&mut refers("audio_upload_id", "upload"))
            .foreign_key(&mut refers("artwork_upload_id", "upload"))
            .check(rule("track_active_was_published", "state <> 'active' OR published_at IS NOT NULL"))
            .to_owned();
        schema.create_table(track).await?;
        schema
            .create_index(
                unique("track_by_isrc", "track", ["isrc"])
                    .cond_where(sql("isrc IS NOT NULL AND deleted_at IS NULL"))
                    .to_owned(),
            )
            .await?;
        schema.create_index(index("track_by_artist", "track", ["artist_id", "id"])).await?;
        // Whether a listener may hear an upload is asked from the upload's side.
        schema.create_index(index("track_by_audio", "track", ["audio_upload_id"])).await?;
        schema.create_index(index("track_by_artwork", "track", ["artwork_upload_id"])).await
    }
}
