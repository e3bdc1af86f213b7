//! Keys of internal tools.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, index, refers};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let api_key = on
            .table("api_key")
            .col(on.id("id").primary_key())
            .col(on.id("account_id"))
            .col(on.digest("secret_sha256"))
            .col(on.text("scopes"))
            .col(on.flag("read_only"))
            .col(on.micros("created_at"))
            .col(on.id("created_by").null())
            .col(on.micros("expires_at"))
            .col(on.micros("replaced_at").null())
            .col(on.micros("revoked_at").null())
            .col(on.micros("last_used_at").null())
            .col(on.text("last_used_prefix").null())
            .foreign_key(&mut refers("account_id", "account"))
            .to_owned();
        schema.create_table(api_key).await?;
        schema.create_index(index("api_key_by_account", "api_key", ["account_id", "id"])).await?;
        schema.create_index(index("api_key_by_expiry", "api_key", ["expires_at"])).await
    }
}
