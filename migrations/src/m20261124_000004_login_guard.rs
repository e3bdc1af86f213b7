//! What outlives the attempts: a password that is off until reset, locks that were ended early, letters that went out.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, index, refers, rule, sql};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let guard = on
            .table("login_guard")
            .col(on.id("account_id").primary_key())
            .col(on.micros("password_off_at").null())
            .col(on.micros("password_reset_at").null())
            .col(on.micros("unlocked_at").null())
            .col(on.micros("strangers_told_at").null())
            .col(on.micros("devices_told_at").null())
            .col(on.digest("unlock_sha256").null())
            .col(on.micros("unlock_expires_at").null())
            .foreign_key(&mut refers("account_id", "account"))
            .check(rule("login_guard_link_expires", "(unlock_sha256 IS NULL) = (unlock_expires_at IS NULL)"))
            .to_owned();
        schema.create_table(guard).await?;
        schema
            .create_index(
                index("login_guard_by_link", "login_guard", ["unlock_sha256"])
                    .unique()
                    .cond_where(sql("unlock_sha256 IS NOT NULL"))
                    .to_owned(),
            )
            .await
    }
}
