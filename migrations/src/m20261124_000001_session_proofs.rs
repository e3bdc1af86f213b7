//! Sessions remember how a person proved who they are, how their tokens travel, and who else may be behind them.

use sea_orm_migration::prelude::*;

use crate::{
    column::{Spelling, index, refers, rule, sql},
    rebuild::{step_aside, take_over},
};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        step_aside(schema, "session", &["session_live_by_account", "session_by_account", "session_by_end"]).await?;
        let session = on
            .table("session")
            .col(on.id("id").primary_key())
            .col(on.id("account_id"))
            .col(on.text("device_name"))
            .col(on.text("user_agent"))
            .col(on.text("address"))
            .col(on.text("address_prefix"))
            .col(on.flag("remember_device"))
            .col(on.one_of("transport", &["bearer", "cookie"]))
            .col(on.id("device_id").null())
            .col(on.id("impersonator_id").null())
            .col(on.micros("created_at"))
            .col(on.micros("authenticated_at"))
            .col(on.micros("second_factor_at").null())
            .col(on.micros("last_used_at"))
            .col(on.micros("idle_expires_at"))
            .col(on.micros("absolute_expires_at"))
            .col(on.counter("generation"))
            .col(on.digest("refresh_sha256"))
            .col(on.digest("previous_sha256").null())
            .col(on.micros("rotated_at").null())
            .col(on.bytes("successor_sealed").null())
            .col(on.micros("successor_used_at").null())
            .col(on.micros("ended_at").null())
            .col(on.one_of("end_cause", &END_CAUSES).null())
            .foreign_key(&mut refers("account_id", "account"))
            .check(rule("session_over_has_a_cause", "(ended_at IS NULL) = (end_cause IS NULL)"))
            .to_owned();
        schema.create_table(session).await?;
        let fill = format!("INSERT INTO session ({KEPT}, transport) SELECT {KEPT}, 'bearer' FROM session_before");
        take_over(schema, "session", &fill).await?;

        schema
            .create_index(
                index("session_live_by_account", "session", ["account_id", "last_used_at"])
                    .cond_where(sql("ended_at IS NULL"))
                    .to_owned(),
            )
            .await?;
        schema.create_index(index("session_by_account", "session", ["account_id", "id"])).await?;
        // Every instance asks each second which sessions ended lately.
        schema
            .create_index(
                index("session_by_end", "session", ["ended_at"]).cond_where(sql("ended_at IS NOT NULL")).to_owned(),
            )
            .await
    }
}

/// The columns that were there before.
const KEPT: &str = "id, account_id, device_name, user_agent, address, address_prefix, remember_device, created_at, \
                    authenticated_at, last_used_at, idle_expires_at, absolute_expires_at, generation, refresh_sha256, \
                    previous_sha256, rotated_at, successor_sealed, successor_used_at, ended_at, end_cause";

const END_CAUSES: [&str; 13] = [
    "logout",
    "revoked",
    "evicted",
    "refresh_reuse",
    "expired",
    "suspended",
    "password_changed",
    "email_changed",
    "factor_changed",
    "undone",
    "deleted",
    "ended_by_staff",
    "impersonation_over",
];
