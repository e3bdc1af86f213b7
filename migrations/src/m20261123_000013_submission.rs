//! Submissions, what was frozen at each hand-in, and every change of state.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, index, key, refers, rule, sql, unique};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let submission = on
            .table("submission")
            .col(on.id("id").primary_key())
            .col(on.id("track_id"))
            .col(on.id("artist_id"))
            .col(on.id("submitter_id"))
            .col(on.one_of("state", &STATES))
            .col(on.integer("priority"))
            .col(on.text("note"))
            .col(on.counter("revision"))
            .col(on.counter("sequence"))
            .col(on.id("reviewer_id").null())
            .col(on.micros("submitted_at").null())
            .col(on.id("decided_by").null())
            .col(on.micros("decided_at").null())
            .col(on.text("decision_reason").null())
            .col(on.text("decision_note").null())
            .col(on.micros("published_at").null())
            .col(on.micros("created_at"))
            .col(on.micros("updated_at"))
            .col(on.counter("row_version"))
            .foreign_key(&mut refers("track_id", "track"))
            .foreign_key(&mut refers("artist_id", "artist"))
            .foreign_key(&mut refers("submitter_id", "account"))
            .foreign_key(&mut refers("reviewer_id", "account"))
            .foreign_key(&mut refers("decided_by", "account"))
            .check(rule(
                "submission_submitted_has_a_time",
                "state IN ('draft', 'withdrawn', 'expired') OR submitted_at IS NOT NULL",
            ))
            .check(rule(
                "submission_decision_is_signed",
                "state NOT IN ('approved', 'rejected', 'published', 'taken_down') OR \
                 (decided_by IS NOT NULL AND decided_at IS NOT NULL)",
            ))
            .check(rule(
                "submission_published_has_a_time",
                "state NOT IN ('published', 'taken_down') OR published_at IS NOT NULL",
            ))
            .to_owned();
        schema.create_table(submission).await?;
        schema
            .create_index(
                unique("submission_one_active", "submission", ["track_id"])
                    .cond_where(sql(
                        "state IN ('draft', 'processing', 'submitted', 'changes_requested', 'in_review', 'approved')",
                    ))
                    .to_owned(),
            )
            .await?;
        schema.create_index(index("submission_by_track", "submission", ["track_id", "id"])).await?;
        schema.create_index(index("submission_by_artist", "submission", ["artist_id", "id"])).await?;
        schema.create_index(index("submission_by_submitter", "submission", ["submitter_id", "id"])).await?;
        schema.create_index(review_queue()).await?;

        let submission_revision = on
            .table("submission_revision")
            .col(on.id("submission_id"))
            .col(on.size("number"))
            .col(on.text("snapshot"))
            .col(on.micros("created_at"))
            .primary_key(&mut key(["submission_id", "number"]))
            .foreign_key(&mut refers("submission_id", "submission"))
            .to_owned();
        schema.create_table(submission_revision).await?;

        let submission_history = on
            .table("submission_history")
            .col(on.id("id").primary_key())
            .col(on.id("submission_id"))
            .col(on.counter("sequence"))
            .col(on.one_of("from_state", &STATES).null())
            .col(on.one_of("to_state", &STATES))
            .col(on.id("actor_id").null())
            .col(on.text("note").null())
            .col(on.micros("created_at"))
            .foreign_key(&mut refers("submission_id", "submission"))
            .foreign_key(&mut refers("actor_id", "account"))
            .to_owned();
        schema.create_table(submission_history).await?;
        schema
            .create_index(unique("submission_history_in_order", "submission_history", ["submission_id", "sequence"]))
            .await?;
        // How often somebody handed in lately: the hourly limit.
        schema
            .create_index(
                index("submission_history_hand_ins", "submission_history", ["actor_id", "created_at"])
                    .cond_where(sql("to_state = 'processing'"))
                    .to_owned(),
            )
            .await
    }
}

const STATES: [&str; 11] = [
    "draft",
    "processing",
    "submitted",
    "changes_requested",
    "in_review",
    "approved",
    "rejected",
    "published",
    "taken_down",
    "withdrawn",
    "expired",
];

/// The reviewers' queue: most urgent first, then longest waiting. Both states stand in one order, so the index is partial
/// and begins with what the order begins with.
fn review_queue() -> IndexCreateStatement {
    Index::create()
        .name("submission_queue")
        .table("submission")
        .col(("priority", IndexOrder::Desc))
        .col("submitted_at")
        .col("id")
        .cond_where(sql("state IN ('submitted', 'in_review')"))
        .to_owned()
}
