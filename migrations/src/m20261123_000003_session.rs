//! Sessions, and every attempt to open one.
//!
//! Attempts outlive sessions and may name an account that is unknown, so no foreign key leaves `login_attempt`.

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
        let session = on
            .table("session")
            .col(on.id("id").primary_key())
            .col(on.id("account_id"))
            .col(on.text("device_name"))
            .col(on.text("user_agent"))
            .col(on.text("address"))
            .col(on.text("address_prefix"))
            .col(on.flag("remember_device"))
            .col(on.micros("created_at"))
            .col(on.micros("authenticated_at"))
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
            .check(rule("session_end_has_a_cause", "(ended_at IS NULL) = (end_cause IS NULL)"))
            .to_owned();
        schema.create_table(session).await?;
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
            .await?;

        let login_attempt = on
            .table("login_attempt")
            .col(on.id("id").primary_key())
            .col(on.id("account_id").null())
            .col(on.digest("identifier_mac"))
            .col(on.text("address"))
            .col(on.text("address_prefix"))
            .col(on.text("user_agent"))
            .col(on.id("session_id").null())
            .col(on.one_of("result", &RESULTS))
            .col(on.micros("created_at"))
            .to_owned();
        schema.create_table(login_attempt).await?;
        schema.create_index(index("login_attempt_by_age", "login_attempt", ["created_at"])).await?;
        schema.create_index(index("login_attempt_by_account", "login_attempt", ["account_id", "id"])).await?;
        schema.create_index(index("login_attempt_by_identifier", "login_attempt", ["identifier_mac", "id"])).await?;
        schema.create_index(index("login_attempt_by_prefix", "login_attempt", ["address_prefix", "id"])).await
    }
}

const END_CAUSES: [&str; 7] =
    ["logout", "revoked", "evicted", "refresh_reuse", "expired", "suspended", "password_changed"];

const RESULTS: [&str; 8] = [
    "succeeded",
    "wrong_credentials",
    "unknown_account",
    "not_verified",
    "suspended",
    "locked",
    "challenge_required",
    "capacity",
];
