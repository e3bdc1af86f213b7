//! Registrations carry a hint that spares comparing passwords which cannot be theirs.

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
        let mut hint = Spelling::of(schema).bytes("password_hint").null().to_owned();
        schema.alter_table(Table::alter().table("registration").add_column(&mut hint).to_owned()).await
    }
}
