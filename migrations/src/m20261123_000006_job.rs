//! The queue: jobs that wait, run or ended, and the schedules that enqueue some of them.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, index, rule, sql, unique};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let job = on
            .table("job")
            .col(on.id("id").primary_key())
            .col(on.text("kind"))
            .col(on.text("args"))
            .col(on.one_of("state", &STATES))
            .col(on.integer("priority"))
            .col(on.counter("attempt"))
            .col(on.size("max_attempts"))
            .col(on.micros("scheduled_at"))
            .col(on.text("leased_by").null())
            .col(on.micros("lease_until").null())
            .col(on.text("unique_key").null())
            .col(on.text("last_error").null())
            .col(on.micros("created_at"))
            .col(on.micros("finished_at").null())
            .check(rule(
                "job_running_is_leased",
                "state <> 'running' OR (leased_by IS NOT NULL AND lease_until IS NOT NULL)",
            ))
            .check(rule(
                "job_end_has_a_time",
                "state NOT IN ('completed', 'cancelled', 'discarded') OR finished_at IS NOT NULL",
            ))
            .to_owned();
        schema.create_table(job).await?;
        schema
            .create_index(
                unique("job_unique_while_open", "job", ["unique_key"])
                    .cond_where(sql("state IN ('available', 'scheduled', 'running', 'retryable')"))
                    .to_owned(),
            )
            .await?;
        schema.create_index(index("job_to_claim", "job", ["state", "priority", "scheduled_at", "id"])).await?;
        schema
            .create_index(index("job_by_lease", "job", ["lease_until"]).cond_where(sql("state = 'running'")).to_owned())
            .await?;
        schema.create_index(index("job_by_finish", "job", ["finished_at"])).await?;

        let schedule = on.table("schedule").col(on.text("name").primary_key()).col(on.micros("next_run_at")).to_owned();
        schema.create_table(schedule).await
    }
}

const STATES: [&str; 7] = ["available", "scheduled", "running", "retryable", "completed", "cancelled", "discarded"];
