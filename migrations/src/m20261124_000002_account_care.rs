//! What the care of accounts wants to know: people or tools, second factors, suspension and deletion with their ends.

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
        let columns = [
            on.one_of("kind", &["person", "service"]).default("person").to_owned(),
            on.text("factor_kinds").default("").to_owned(),
            on.micros("password_changed_at").null().to_owned(),
            on.micros("suspended_until").null().to_owned(),
            on.micros("deleted_at").null().to_owned(),
            on.micros("purge_at").null().to_owned(),
        ];
        // One statement a column: SQLite adds one at a time.
        for mut column in columns {
            schema.alter_table(Table::alter().table("account").add_column(&mut column).to_owned()).await?;
        }

        let undo = on
            .table("security_undo")
            .col(on.digest("token_sha256").primary_key())
            .col(on.id("account_id"))
            .col(on.text("change"))
            .col(on.bytes("sealed").null())
            .col(on.micros("created_at"))
            .col(on.micros("expires_at"))
            .col(on.micros("used_at").null())
            .foreign_key(&mut refers("account_id", "account"))
            .to_owned();
        schema.create_table(undo).await?;
        schema.create_index(index("security_undo_by_account", "security_undo", ["account_id", "created_at"])).await?;
        schema.create_index(index("security_undo_by_expiry", "security_undo", ["expires_at"])).await
    }
}
