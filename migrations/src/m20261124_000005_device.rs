//! Devices that their owners asked to be remembered on.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, index, refers, sql};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let device = on
            .table("device")
            .col(on.id("id").primary_key())
            .col(on.id("account_id"))
            .col(on.digest("token_sha256"))
            .col(on.text("name"))
            .col(on.text("user_agent"))
            .col(on.micros("created_at"))
            .col(on.micros("last_used_at"))
            .col(on.micros("expires_at"))
            .col(on.micros("trusted_until").null())
            .col(on.micros("forgotten_at").null())
            .foreign_key(&mut refers("account_id", "account"))
            .to_owned();
        schema.create_table(device).await?;
        schema.create_index(index("device_by_account", "device", ["account_id", "id"])).await?;
        schema
            .create_index(
                index("device_known_by_use", "device", ["account_id", "last_used_at"])
                    .cond_where(sql("forgotten_at IS NULL"))
                    .to_owned(),
            )
            .await?;
        schema.create_index(index("device_by_expiry", "device", ["expires_at"])).await?;
        schema
            .create_index(
                index("device_by_end", "device", ["forgotten_at"])
                    .cond_where(sql("forgotten_at IS NOT NULL"))
                    .to_owned(),
            )
            .await
    }
}
