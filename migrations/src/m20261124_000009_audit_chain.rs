//! The audit trail becomes a chain of hashes, and what is personal in it is sealed under keys that can be destroyed.
//!
//! Hashing and sealing want the server's keys, which no migration has. So the rows that are there wait in a table of
//! their own, and the server takes them into the chain when it starts. None is lost.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, index, rule, unique};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let subject_key = on
            .table("subject_key")
            .col(on.id("subject_id").primary_key())
            .col(on.bytes("wrapped"))
            .col(on.micros("created_at"))
            .col(on.micros("destroyed_at").null())
            .to_owned();
        schema.create_table(subject_key).await?;

        set_aside(schema, &on).await?;
        let audit_event = on
            .table("audit_event")
            .col(on.id("id").primary_key())
            .col(on.size("sequence"))
            .col(on.one_of("actor_kind", &["account", "system", "anonymous", "operator"]))
            .col(on.id("actor_id").null())
            .col(on.text("action"))
            .col(on.text("subject_kind"))
            .col(on.id("subject_id").null())
            .col(on.id("person_id").null())
            .col(on.text("reason").null())
            .col(on.text("request_id"))
            .col(on.text("facts"))
            .col(on.bytes("actor_sealed").null())
            .col(on.bytes("person_sealed").null())
            .col(on.micros("created_at"))
            .col(on.digest("previous_hash"))
            .col(on.digest("hash"))
            .check(rule("audit_event_names_its_account", "(actor_kind = 'account') = (actor_id IS NOT NULL)"))
            .to_owned();
        schema.create_table(audit_event).await?;
        schema.create_index(unique("audit_event_in_order", "audit_event", ["sequence"])).await?;
        schema.create_index(index("audit_event_by_subject", "audit_event", ["subject_id", "id"])).await?;
        schema.create_index(index("audit_event_by_actor", "audit_event", ["actor_id", "id"])).await?;
        schema.create_index(index("audit_event_by_person", "audit_event", ["person_id", "id"])).await?;
        schema.create_index(index("audit_event_by_action", "audit_event", ["action", "id"])).await?;

        let audit_head = on
            .table("audit_head")
            .col(on.one_of("name", &["trail"]).primary_key())
            .col(on.counter("sequence"))
            .col(on.digest("hash"))
            .col(on.digest("mac"))
            .to_owned();
        schema.create_table(audit_head).await?;
        let nothing = || vec![0_u8; 32];
        let first = Query::insert()
            .into_table("audit_head")
            .columns(["name", "sequence", "hash", "mac"])
            .values_panic(["trail".into(), 0_i64.into(), nothing().into(), nothing().into()])
            .to_owned();
        schema.execute(first).await
    }
}

/// Moves the rows that are there out of the way. Not by renaming: PostgreSQL would keep the name of the primary key.
async fn set_aside(schema: &SchemaManager<'_>, on: &Spelling) -> Result<(), DbErr> {
    let unchained = on
        .table("audit_event_unchained")
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
        .to_owned();
    schema.create_table(unchained).await?;
    schema
        .get_connection()
        .execute_unprepared(&format!("INSERT INTO audit_event_unchained ({BEFORE}) SELECT {BEFORE} FROM audit_event"))
        .await?;
    schema.drop_table(Table::drop().table("audit_event").to_owned()).await
}

const BEFORE: &str =
    "id, actor_kind, actor_id, action, subject_kind, subject_id, reason, request_id, address_prefix, facts, created_at";
