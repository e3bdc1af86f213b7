//! Attempts to sign in are what the limits on guessing count: each knows its counter and whether it failed.

use sea_orm_migration::prelude::*;

use crate::{
    column::{Spelling, index},
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
        let old = [
            "login_attempt_by_age",
            "login_attempt_by_account",
            "login_attempt_by_identifier",
            "login_attempt_by_prefix",
        ];
        step_aside(schema, "login_attempt", &old).await?;
        let login_attempt = on
            .table("login_attempt")
            .col(on.id("id").primary_key())
            .col(on.id("account_id").null())
            .col(on.digest("identifier_mac"))
            .col(on.digest("counter"))
            .col(on.id("device_id").null())
            .col(on.text("address"))
            .col(on.text("address_prefix"))
            .col(on.text("user_agent"))
            .col(on.id("session_id").null())
            .col(on.one_of("result", &RESULTS))
            .col(on.one_of("verdict", &["right", "wrong"]).null())
            .col(on.micros("created_at"))
            .to_owned();
        schema.create_table(login_attempt).await?;
        take_over(schema, "login_attempt", FILL).await?;

        let table = "login_attempt";
        schema.create_index(index("login_attempt_by_age", table, ["created_at"])).await?;
        schema.create_index(index("login_attempt_by_account", table, ["account_id", "id"])).await?;
        schema.create_index(index("login_attempt_by_prefix", table, ["address_prefix", "id"])).await?;
        // Each sign-in asks for the newest failures and successes of its counter, and the failures of its network.
        schema.create_index(index("login_attempt_by_counter", table, ["counter", "verdict", "created_at"])).await?;
        let by_network = ["address_prefix", "verdict", "created_at"];
        schema.create_index(index("login_attempt_by_network", table, by_network)).await
    }
}

/// Until now nobody had a known device, and the counter of strangers is the identifier's.
const FILL: &str = "INSERT INTO login_attempt (id, account_id, identifier_mac, counter, address, address_prefix, \
                    user_agent, session_id, result, verdict, created_at) \
                    SELECT id, account_id, identifier_mac, identifier_mac, address, address_prefix, user_agent, \
                    session_id, result, CASE result WHEN 'succeeded' THEN 'right' WHEN 'wrong_credentials' THEN 'wrong' \
                    WHEN 'unknown_account' THEN 'wrong' END, created_at FROM login_attempt_before";

const RESULTS: [&str; 12] = [
    "succeeded",
    "wrong_credentials",
    "unknown_account",
    "not_verified",
    "suspended",
    "locked",
    "password_off",
    "challenge_required",
    "capacity",
    "factor_required",
    "wrong_factor",
    "overtaken",
];
