//! Registrations: addresses that wait to be proven.
//!
//! No foreign key leads to `account`: a registration of a known address must look like any other.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, index, unique};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let registration = on
            .table("registration")
            .col(on.id("id").primary_key())
            .col(on.one_of("kind", &["new", "known"]))
            .col(on.text("email"))
            .col(on.text("display_name"))
            .col(on.text("password_hash"))
            .col(on.text("locale"))
            .col(on.text("terms_version"))
            .col(on.digest("link_sha256"))
            .col(on.micros("link_expires_at"))
            .col(on.digest("code_mac"))
            .col(on.micros("code_expires_at"))
            .col(on.counter("code_attempts"))
            .col(on.one_of("state", &["pending", "verified", "void"]))
            .col(on.micros("resend_after"))
            .col(on.counter("resends"))
            .col(on.micros("created_at"))
            .col(on.micros("updated_at"))
            .to_owned();
        schema.create_table(registration).await?;
        schema.create_index(unique("registration_by_link", "registration", ["link_sha256"])).await?;
        schema.create_index(index("registration_by_email", "registration", ["email", "id"])).await?;
        schema.create_index(index("registration_by_expiry", "registration", ["link_expires_at"])).await
    }
}
