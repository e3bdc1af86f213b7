//! Letters: rendered and sealed before the first attempt to send, so that none is lost and none goes twice.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, rule, unique};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let letter = on
            .table("letter")
            .col(on.id("id").primary_key())
            .col(on.text("idempotency_key"))
            .col(on.text("kind"))
            .col(on.bytes("sealed").null())
            .col(on.one_of("state", &["queued", "sent", "abandoned"]))
            .col(on.micros("created_at"))
            .col(on.micros("sent_at").null())
            .check(rule("letter_queued_has_its_text", "state <> 'queued' OR sealed IS NOT NULL"))
            .check(rule("letter_sent_has_a_time", "state <> 'sent' OR sent_at IS NOT NULL"))
            .to_owned();
        schema.create_table(letter).await?;
        schema.create_index(unique("letter_by_idempotency_key", "letter", ["idempotency_key"])).await
    }
}
