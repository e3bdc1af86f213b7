//! Everything that stands in a database, as text: for what must not have changed, and for what must not stand anywhere.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

/// The rows of every table but the database's own, each as one line and in order. Bytes are in hexadecimal.
pub async fn all(db: &DatabaseConnection) -> BTreeMap<String, Vec<String>> {
    let sqlite = db.get_database_backend() == DbBackend::Sqlite;
    let tables = if sqlite {
        // The tables in which the full-text index keeps its words among them.
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    } else {
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'"
    };
    let mut rows = BTreeMap::new();
    for table in texts(db, tables).await {
        let each = if sqlite {
            let columns = texts(db, &format!("SELECT name FROM pragma_table_info('{table}')")).await;
            let columns: Vec<String> = columns.iter().map(|column| format!("quote(\"{column}\")")).collect();
            format!("SELECT {} FROM \"{table}\" ORDER BY 1", columns.join(" || '|' || "))
        } else {
            format!("SELECT t::text FROM \"{table}\" t ORDER BY 1")
        };
        let lines = texts(db, &each).await;
        rows.insert(table, lines);
    }
    rows
}

async fn texts(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}
