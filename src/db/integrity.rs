//! Whether a database is whole by its own rules: pages, indexes, references.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, QueryResult, Statement};

use super::long;

/// Findings that SQLite is asked for at most.
const MOST: u32 = 20;

/// Every reference between tables, and the statement that counts the rows which refer to nothing.
const REFERENCES: &str = "\
    SELECT c.conname::text AS name, format( \
        'SELECT count(*) AS broken FROM %s AS c WHERE %s AND NOT EXISTS (SELECT 1 FROM %s AS p WHERE %s)', \
        c.conrelid::regclass, string_agg(format('c.%I IS NOT NULL', a.attname), ' AND '), \
        c.confrelid::regclass, string_agg(format('p.%I = c.%I', f.attname, a.attname), ' AND ')) AS statement \
    FROM pg_constraint AS c \
    CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS k(child, parent) \
    JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.child \
    JOIN pg_attribute AS f ON f.attrelid = c.confrelid AND f.attnum = k.parent \
    WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace \
    GROUP BY c.oid, c.conname, c.conrelid, c.confrelid";

const UNCHECKED: &str = "\
    SELECT conname::text AS name FROM pg_constraint \
    WHERE NOT convalidated AND connamespace = current_schema()::regnamespace";

const BROKEN_INDEXES: &str = "\
    SELECT c.relname::text AS name FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid \
    WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace";

/// B-trees, for `amcheck` where somebody has installed it.
const TREES: &str = "\
    SELECT c.relname::text AS name, format('SELECT bt_index_check(%s)', c.oid) AS statement \
    FROM pg_class AS c JOIN pg_am AS m ON m.oid = c.relam \
    WHERE m.amname = 'btree' AND c.relkind = 'i' AND c.relnamespace = current_schema()::regnamespace \
    AND EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'amcheck')";

/// Reads the whole database on a connection without limits, and tells each thing that is wrong in one line.
///
/// SQLite checks itself. PostgreSQL has no such check of its own: each table is read whole, each reference is looked up,
/// and indexes are checked where the extension `amcheck` is installed.
///
/// # Errors
/// When the database cannot be asked at all.
pub async fn integrity(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    match db.get_database_backend() {
        DbBackend::Sqlite => sqlite(db).await,
        _ => postgres(db).await,
    }
}

async fn sqlite(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let mut wrong = Vec::new();
    for row in all(db, &format!("PRAGMA integrity_check({MOST})")).await? {
        let found: String = row.try_get_by_index(0)?;
        if found != "ok" {
            wrong.push(format!("the database file: {found}"));
        }
    }
    for row in all(db, "PRAGMA foreign_key_check").await?.iter().take(MOST as usize) {
        let (table, parent): (String, String) = (row.try_get("", "table")?, row.try_get("", "parent")?);
        wrong.push(format!("a row of {table} refers to a row of {parent} that is not there"));
    }
    Ok(wrong)
}

async fn postgres(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let mut wrong = Vec::new();
    for row in all(db, UNCHECKED).await? {
        wrong.push(format!("the rule {} was never checked against the rows", name(&row)?));
    }
    for row in all(db, BROKEN_INDEXES).await? {
        wrong.push(format!("the index {} is not valid", name(&row)?));
    }
    for table in long::tables(db).await? {
        let read = format!("SELECT count(t::text) AS rows FROM \"{table}\" AS t");
        if let Err(error) = all(db, &read).await {
            wrong.push(format!("the table {table} cannot be read: {error}"));
        }
    }
    for row in all(db, REFERENCES).await? {
        let statement: String = row.try_get("", "statement")?;
        let counted = all(db, &statement).await?;
        let broken: i64 = counted.first().map(|row| row.try_get("", "broken")).transpose()?.unwrap_or(0);
        if broken > 0 {
            wrong.push(format!("{broken} rows break the reference {}", name(&row)?));
        }
    }
    for row in all(db, TREES).await? {
        let statement: String = row.try_get("", "statement")?;
        if let Err(error) = all(db, &statement).await {
            wrong.push(format!("the index {} is damaged: {error}", name(&row)?));
        }
    }
    Ok(wrong)
}

fn name(row: &QueryResult) -> Result<String, DbErr> {
    row.try_get("", "name")
}

async fn all(db: &DatabaseConnection, sql: &str) -> Result<Vec<QueryResult>, DbErr> {
    db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await
}
