//! Staff find accounts by tier, kind and last sign of life, attempts by outcome; suspensions end, and impersonations do.

use sea_orm_migration::prelude::*;

use crate::column::{index, sql};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        schema.create_index(index("account_by_tier", "account", ["tier", "id"])).await?;
        schema.create_index(index("account_by_kind", "account", ["kind", "id"])).await?;
        schema.create_index(index("account_by_last_seen", "account", ["last_seen_at", "id"])).await?;
        schema
            .create_index(
                index("account_by_suspension_end", "account", ["suspended_until"])
                    .cond_where(sql("suspended_until IS NOT NULL"))
                    .to_owned(),
            )
            .await?;
        schema
            .create_index(
                index("session_by_impersonator", "session", ["impersonator_id"])
                    .cond_where(sql("impersonator_id IS NOT NULL"))
                    .to_owned(),
            )
            .await?;
        schema.create_index(index("login_attempt_by_result", "login_attempt", ["result", "id"])).await
    }
}
