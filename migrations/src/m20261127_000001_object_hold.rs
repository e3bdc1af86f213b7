//! While a copy is taken of what the database names, the store's objects are held.

use sea_orm_migration::prelude::*;

use crate::column::Spelling;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        let object_hold = on
            .table("object_hold")
            .col(on.text("name").primary_key())
            .col(on.text("holder"))
            .col(on.micros("held_until"))
            .to_owned();
        schema.create_table(object_hold).await
    }
}
