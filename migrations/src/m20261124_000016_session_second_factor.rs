//! Sessions remember by what a second factor was checked: sensitive acts want the strongest.

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
        let mut by = on.one_of("second_factor_by", &["passkey", "totp", "recovery_code"]).null().to_owned();
        schema.alter_table(Table::alter().table("session").add_column(&mut by).to_owned()).await
    }
}
