//! Request records: the reply that a repeated `request_id` gets again.

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
        let request_record = on
            .table("request_record")
            .col(on.digest("scope").primary_key())
            .col(on.digest("payload_digest"))
            .col(on.bytes("reply"))
            .col(on.micros("created_at"))
            .col(on.micros("expires_at"))
            .to_owned();
        schema.create_table(request_record).await?;
        schema.create_index(index("request_record_by_expiry", "request_record", ["expires_at"])).await
    }
}
