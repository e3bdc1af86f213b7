//! What letters prove: links and codes of resets and changes of address, and tries at one's own password.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, index, refers, unique};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let mail_proof = on
            .table("mail_proof")
            .col(on.id("id").primary_key())
            .col(on.one_of("purpose", &["reset_password", "change_email_old", "change_email_new"]))
            .col(on.id("flow_id"))
            .col(on.id("account_id").null())
            .col(on.digest("link_sha256"))
            .col(on.micros("link_expires_at"))
            .col(on.digest("code_mac"))
            .col(on.micros("code_expires_at"))
            .col(on.counter("code_attempts"))
            .col(on.one_of("state", &["pending", "spent", "void"]))
            .col(on.micros("created_at"))
            .col(on.micros("updated_at"))
            .foreign_key(&mut refers("account_id", "account"))
            .to_owned();
        schema.create_table(mail_proof).await?;
        schema.create_index(unique("mail_proof_by_link", "mail_proof", ["link_sha256"])).await?;
        schema.create_index(index("mail_proof_by_flow", "mail_proof", ["flow_id"])).await?;
        schema.create_index(index("mail_proof_by_account", "mail_proof", ["account_id", "id"])).await?;
        schema.create_index(index("mail_proof_by_expiry", "mail_proof", ["link_expires_at"])).await?;

        let email_change = on
            .table("email_change")
            .col(on.id("id").primary_key())
            .col(on.id("account_id"))
            .col(on.id("session_id"))
            .col(on.text("new_email"))
            .col(on.one_of("state", &["pending", "done", "void"]))
            .col(on.micros("created_at"))
            .col(on.micros("updated_at"))
            .foreign_key(&mut refers("account_id", "account"))
            .to_owned();
        schema.create_table(email_change).await?;
        schema.create_index(index("email_change_by_account", "email_change", ["account_id", "id"])).await?;
        schema.create_index(index("email_change_by_age", "email_change", ["created_at"])).await?;

        let password_try = on
            .table("password_try")
            .col(on.id("session_id").primary_key())
            .col(on.counter("tries"))
            .col(on.micros("began_at"))
            .to_owned();
        schema.create_table(password_try).await?;
        schema.create_index(index("password_try_by_age", "password_try", ["began_at"])).await
    }
}
