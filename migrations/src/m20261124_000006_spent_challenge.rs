//! Challenges whose solution was taken: none is taken twice, by whichever instance.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, index};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let spent = on
            .table("spent_challenge")
            .col(on.digest("nonce_sha256").primary_key())
            .col(on.micros("expires_at"))
            .to_owned();
        schema.create_table(spent).await?;
        schema.create_index(index("spent_challenge_by_expiry", "spent_challenge", ["expires_at"])).await
    }
}
