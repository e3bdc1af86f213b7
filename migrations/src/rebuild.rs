//! Making a table anew: SQLite cannot widen a CHECK, so a new table takes the old one's place on both databases alike.

use sea_orm_migration::{SchemaManager, prelude::*};

use crate::column::is_sqlite;

/// Renames a table to `<table>_before`, so that a new one may take its name, and drops the indexes that the new one
/// makes again under their names.
///
/// PostgreSQL's index behind the primary key steps aside as well: the new one would get a name that says nothing.
pub async fn step_aside(schema: &SchemaManager<'_>, table: &str, indexes: &[&'static str]) -> Result<(), DbErr> {
    for index in indexes {
        schema.drop_index(Index::drop().name(*index).to_owned()).await?;
    }
    let before = before(table);
    schema.rename_table(Table::rename().table(Alias::new(table), Alias::new(&before)).to_owned()).await?;
    if !is_sqlite(schema) {
        let rename = format!("ALTER INDEX {table}_pkey RENAME TO {before}_pkey");
        schema.get_connection().execute_unprepared(&rename).await?;
    }
    Ok(())
}

/// Fills the new table by `fill`, a statement that reads `<table>_before`, and drops the old one.
pub async fn take_over(schema: &SchemaManager<'_>, table: &str, fill: &str) -> Result<(), DbErr> {
    schema.get_connection().execute_unprepared(fill).await?;
    schema.drop_table(Table::drop().table(Alias::new(before(table))).to_owned()).await
}

fn before(table: &str) -> String {
    format!("{table}_before")
}
