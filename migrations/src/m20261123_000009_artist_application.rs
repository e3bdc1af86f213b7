//! Applications to become an artist; one open application per person.

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
        let artist_application = on
            .table("artist_application")
            .col(on.id("id").primary_key())
            .col(on.id("applicant_id"))
            .col(on.text("stage_name"))
            .col(on.text("biography"))
            .col(on.text("links"))
            .col(on.one_of("state", &STATES))
            .col(on.id("artist_id").null())
            .col(on.id("decided_by").null())
            .col(on.text("decision_reason").null())
            .col(on.text("decision_note").null())
            .col(on.micros("submitted_at").null())
            .col(on.micros("decided_at").null())
            .col(on.micros("created_at"))
            .col(on.micros("updated_at"))
            .col(on.counter("row_version"))
            .foreign_key(&mut refers("applicant_id", "account"))
            .foreign_key(&mut refers("artist_id", "artist"))
            .foreign_key(&mut refers("decided_by", "account"))
            .check(rule(
                "artist_application_decision_is_signed",
                "state NOT IN ('approved', 'rejected') OR (decided_by IS NOT NULL AND decided_at IS NOT NULL)",
            ))
            .check(rule("artist_application_approval_has_an_artist", "state <> 'approved' OR artist_id IS NOT NULL"))
            .check(rule(
                "artist_application_submitted_has_a_time",
                "state IN ('draft', 'withdrawn') OR submitted_at IS NOT NULL",
            ))
            // Nobody decides on their own application.
            .check(rule("artist_application_decided_by_another", "decided_by IS NULL OR decided_by <> applicant_id"))
            .to_owned();
        schema.create_table(artist_application).await?;
        schema
            .create_index(
                unique("artist_application_one_open", "artist_application", ["applicant_id"])
                    .cond_where(sql("state IN ('draft', 'submitted', 'in_review', 'info_requested')"))
                    .to_owned(),
            )
            .await?;
        schema.create_index(index("artist_application_by_state", "artist_application", ["state", "id"])).await?;
        // What staff may see. A query must repeat the condition to the letter.
        schema
            .create_index(
                index("artist_application_handed_in", "artist_application", ["id"])
                    .cond_where(sql("state <> 'draft'"))
                    .to_owned(),
            )
            .await?;
        schema
            .create_index(index("artist_application_by_applicant", "artist_application", ["applicant_id", "id"]))
            .await
    }
}

const STATES: [&str; 8] =
    ["draft", "submitted", "in_review", "info_requested", "approved", "rejected", "withdrawn", "expired"];
