//! The audit trail: who did what to whom, and why.
//!
//! No foreign keys: the trail keeps what it says when the rows it speaks of are gone.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, index, rule};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let audit_event = on
            .table("audit_event")
            .col(on.id("id").primary_key())
            .col(on.one_of("actor_kind", &["account", "system", "anonymous", "operator"]))
            .col(on.id("actor_id").null())
            .col(on.text("action"))
            .col(on.text("subject_kind"))
            .col(on.id("subject_id").null())
            .col(on.text("reason").null())
            .col(on.text("request_id"))
            .col(on.text("address_prefix").null())
            .col(on.text("facts"))
            .col(on.micros("created_at"))
            .check(rule("audit_event_names_its_account", "(actor_kind = 'account') = (actor_id IS NOT NULL)"))
            .to_owned();
        schema.create_table(audit_event).await?;
        schema.create_index(index("audit_event_by_subject", "audit_event", ["subject_id", "id"])).await?;
        schema.create_index(index("audit_event_by_actor", "audit_event", ["actor_id", "id"])).await
    }
}
