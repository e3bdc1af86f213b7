//! An app counts the wrong codes since the last right one, however long ago they were: after too many it is off.

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
        let mut failures = on.counter("failures").default(0).to_owned();
        schema.alter_table(Table::alter().table("factor").add_column(&mut failures).to_owned()).await
    }
}
