//! Artists, and who may act for them.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, index, key, refers};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let artist = on
            .table("artist")
            .col(on.id("id").primary_key())
            .col(on.id("owner_id"))
            .col(on.text("stage_name"))
            .col(on.text("biography"))
            .col(on.text("links"))
            .col(on.one_of("state", &["active", "suspended", "archived"]))
            .col(on.micros("created_at"))
            .col(on.micros("updated_at"))
            .col(on.counter("row_version"))
            .foreign_key(&mut refers("owner_id", "account"))
            .to_owned();
        schema.create_table(artist).await?;
        schema.create_index(index("artist_by_owner", "artist", ["owner_id", "id"])).await?;
        schema.create_index(index("artist_by_state", "artist", ["state", "id"])).await?;

        let artist_member = on
            .table("artist_member")
            .col(on.id("artist_id"))
            .col(on.id("account_id"))
            .col(on.one_of("role", &["owner", "manager", "viewer"]))
            .col(on.micros("created_at"))
            .primary_key(&mut key(["artist_id", "account_id"]))
            .foreign_key(&mut refers("artist_id", "artist"))
            .foreign_key(&mut refers("account_id", "account"))
            .to_owned();
        schema.create_table(artist_member).await?;
        schema.create_index(index("artist_member_by_account", "artist_member", ["account_id", "artist_id"])).await
    }
}
