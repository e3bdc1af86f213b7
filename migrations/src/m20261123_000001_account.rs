//! Accounts: one row per person, whatever roles they hold.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, index, sql, unique};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let account = on
            .table("account")
            .col(on.id("id").primary_key())
            .col(on.text("email"))
            .col(on.text("display_name"))
            .col(on.text("password_hash"))
            .col(on.one_of("status", &["active", "suspended", "deleted"]))
            .col(on.text("roles"))
            .col(on.counter("roles_version"))
            .col(on.micros("roles_changed_at").null())
            .col(on.one_of("tier", &["free", "premium"]))
            .col(on.text("locale"))
            .col(on.text("terms_version"))
            .col(on.micros("created_at"))
            .col(on.micros("updated_at"))
            .col(on.micros("last_seen_at").null())
            .col(on.counter("row_version"))
            .to_owned();
        schema.create_table(account).await?;
        schema.create_index(unique("account_by_email", "account", ["email"])).await?;
        schema.create_index(index("account_by_status", "account", ["status", "id"])).await?;
        schema.create_index(index("account_by_roles_change", "account", ["roles_changed_at"])).await?;
        schema.create_index(index("account_by_age", "account", ["created_at", "id"])).await?;
        // One list per role that not everyone has, newest first. A query must repeat the condition to the letter.
        for (name, condition) in [
            ("account_artists", "roles LIKE '%artist%'"),
            ("account_reviewers", "roles LIKE '%reviewer%'"),
            ("account_admins", "roles LIKE '%admin%'"),
        ] {
            schema.create_index(index(name, "account", ["id"]).cond_where(sql(condition)).to_owned()).await?;
        }
        Ok(())
    }
}
