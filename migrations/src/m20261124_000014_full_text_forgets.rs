//! The full-text index of SQLite forgets words when a document goes. FTS5 by itself only notes that they are not to be
//! found any more, and drops them when it next merges, which may be never. PostgreSQL's index holds no text.

use sea_orm_migration::prelude::*;

use crate::column::is_sqlite;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        if is_sqlite(schema) {
            for statement in FORGETTING {
                schema.get_connection().execute_unprepared(statement).await?;
            }
        }
        Ok(())
    }
}

/// What was deleted before goes with the old index.
const FORGETTING: [&str; 2] = [
    "INSERT INTO search_index (search_index, rank) VALUES ('secure-delete', 1)",
    "INSERT INTO search_index (search_index) VALUES ('rebuild')",
];
