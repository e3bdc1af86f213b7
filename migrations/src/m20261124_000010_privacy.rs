//! What it takes to hand a person everything that is held of them, and to forget them.

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
        // Letters and first replies are sealed; these say whose they are without opening them.
        for (table, mut column) in [
            ("letter", on.digest("recipient_mac").null().to_owned()),
            ("request_record", on.id("account_id").null().to_owned()),
        ] {
            schema.alter_table(Table::alter().table(table).add_column(&mut column).to_owned()).await?;
        }
        schema.create_index(index("letter_by_recipient", "letter", ["recipient_mac", "id"])).await?;
        schema.create_index(index("request_record_by_account", "request_record", ["account_id"])).await?;
        // Attempts on an address that had no account yet are its owner's, too.
        schema.create_index(index("login_attempt_by_identifier", "login_attempt", ["identifier_mac", "id"])).await?;
        schema
            .create_index(
                index("account_by_purge", "account", ["purge_at"]).cond_where(sql("purge_at IS NOT NULL")).to_owned(),
            )
            .await?;

        let data_export = on
            .table("data_export")
            .col(on.id("id").primary_key())
            .col(on.id("account_id"))
            .col(on.one_of("state", &["pending", "ready", "failed", "expired"]))
            .col(on.text("storage_key").null())
            .col(on.size("size_bytes").null())
            .col(on.digest("sha256").null())
            .col(on.micros("created_at"))
            .col(on.micros("finished_at").null())
            .col(on.micros("expires_at").null())
            .foreign_key(&mut refers("account_id", "account"))
            .check(rule(
                "data_export_ready_is_somewhere",
                "state <> 'ready' OR (storage_key IS NOT NULL AND size_bytes IS NOT NULL AND sha256 IS NOT NULL \
                 AND expires_at IS NOT NULL)",
            ))
            .to_owned();
        schema.create_table(data_export).await?;
        schema.create_index(index("data_export_by_account", "data_export", ["account_id", "id"])).await?;
        schema
            .create_index(
                unique("data_export_one_at_a_time", "data_export", ["account_id"])
                    .cond_where(sql("state = 'pending'"))
                    .to_owned(),
            )
            .await?;
        schema.create_index(index("data_export_by_expiry", "data_export", ["state", "expires_at"])).await?;

        // No foreign keys: the receipt stays whatever becomes of the rest.
        let receipt = on
            .table("erasure_receipt")
            .col(on.id("account_id").primary_key())
            .col(on.one_of("basis", &["owner", "staff"]))
            .col(on.one_of("state", &["running", "done"]))
            .col(on.text("counts"))
            .col(on.micros("started_at"))
            .col(on.micros("finished_at").null())
            .check(rule("erasure_receipt_done_has_a_time", "(state = 'done') = (finished_at IS NOT NULL)"))
            .to_owned();
        schema.create_table(receipt).await
    }
}
