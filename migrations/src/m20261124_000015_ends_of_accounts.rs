//! What an account leaves behind when its address changes, and a suspension while it waits to be erased.

use sea_orm_migration::prelude::*;

use crate::column::{Spelling, index, sql};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let on = Spelling::of(schema);
        for (table, mut column) in [
            ("account", on.micros("barred_at").null().to_owned()),
            ("letter", on.id("account_id").null().to_owned()),
            ("registration", on.id("account_id").null().to_owned()),
        ] {
            schema.alter_table(Table::alter().table(table).add_column(&mut column).to_owned()).await?;
        }
        for (name, table) in [("letter_by_account", "letter"), ("registration_by_account", "registration")] {
            let of_accounts =
                index(name, table, ["account_id", "id"]).cond_where(sql("account_id IS NOT NULL")).to_owned();
            schema.create_index(of_accounts).await?;
        }
        Ok(())
    }
}
