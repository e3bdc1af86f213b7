//! Second factors, the recovery codes beside them, and the flows in which they are asked for.

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
        factors(schema, &on).await?;
        recovery_codes(schema, &on).await?;
        flows(schema, &on).await
    }
}

async fn factors(schema: &SchemaManager<'_>, on: &Spelling) -> Result<(), DbErr> {
    let factor = on
        .table("factor")
        .col(on.id("id").primary_key())
        .col(on.id("account_id"))
        .col(on.one_of("kind", &["passkey", "totp"]))
        .col(on.one_of("state", &["pending", "active", "removed"]))
        .col(on.text("name"))
        .col(on.bytes("sealed"))
        .col(on.digest("credential_sha256").null())
        .col(on.counter("last_step").null())
        .col(on.counter("sign_count"))
        .col(on.counter("tries"))
        .col(on.micros("tries_since").null())
        .col(on.micros("locked_until").null())
        .col(on.micros("created_at"))
        .col(on.micros("last_used_at").null())
        .col(on.micros("gone_at").null())
        .foreign_key(&mut refers("account_id", "account"))
        .check(rule("factor_passkey_has_a_credential", "(kind = 'passkey') = (credential_sha256 IS NOT NULL)"))
        .check(rule("factor_in_force_stays", "(state = 'active') = (gone_at IS NULL)"))
        .to_owned();
    schema.create_table(factor).await?;
    schema.create_index(index("factor_by_account", "factor", ["account_id", "state"])).await?;
    schema
        .create_index(
            unique("factor_credential", "factor", ["credential_sha256"]).cond_where(sql("state = 'active'")).to_owned(),
        )
        .await?;
    schema
        .create_index(index("factor_by_end", "factor", ["gone_at"]).cond_where(sql("gone_at IS NOT NULL")).to_owned())
        .await
}

async fn recovery_codes(schema: &SchemaManager<'_>, on: &Spelling) -> Result<(), DbErr> {
    let code = on
        .table("recovery_code")
        .col(on.id("account_id"))
        .col(on.digest("code_mac"))
        .col(on.micros("created_at"))
        .col(on.micros("used_at").null())
        .primary_key(&mut key(["account_id", "code_mac"]))
        .foreign_key(&mut refers("account_id", "account"))
        .to_owned();
    schema.create_table(code).await
}

async fn flows(schema: &SchemaManager<'_>, on: &Spelling) -> Result<(), DbErr> {
    let flow = on
        .table("factor_flow")
        .col(on.id("id").primary_key())
        .col(on.one_of("kind", &["login", "passkey_login", "step_up", "registration"]))
        .col(on.id("account_id").null())
        .col(on.digest("client_mac"))
        .col(on.bytes("sealed"))
        .col(on.counter("tries"))
        .col(on.micros("created_at"))
        .col(on.micros("expires_at"))
        .col(on.micros("done_at").null())
        .foreign_key(&mut refers("account_id", "account"))
        .check(rule("factor_flow_has_an_account", "kind = 'passkey_login' OR account_id IS NOT NULL"))
        .to_owned();
    schema.create_table(flow).await?;
    schema.create_index(index("factor_flow_by_account", "factor_flow", ["account_id"])).await?;
    schema.create_index(index("factor_flow_by_expiry", "factor_flow", ["expires_at"])).await
}
