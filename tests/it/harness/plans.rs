//! No statement reads a whole table.
//!
//! When a world ends, every statement that its server sent is explained, once per process, on the database that the
//! server used. So whatever a test does, the statements behind it are judged.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement};

/// Tables with a handful of rows, whatever happens: reading them whole is right.
const SMALL: [&str; 1] = ["schedule"];

/// Explains those of `statements` that were not explained before, and returns a line for each that scans.
pub async fn scans(db: &DatabaseConnection, statements: Vec<Statement>) -> Vec<String> {
    static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if db.get_database_backend() == DbBackend::Postgres {
        // A table of three rows is read whole whatever its indexes, unless that is made dear.
        db.execute_unprepared("SET enable_seqscan = off").await.unwrap();
    }
    let mut found = Vec::new();
    for statement in statements {
        let has_plan = ["SELECT", "UPDATE", "DELETE", "INSERT", "WITH"].iter().any(|v| statement.sql.starts_with(v));
        if !has_plan || !SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(statement.sql.clone()) {
            continue;
        }
        let text = statement.sql.clone();
        let steps = plan(db, statement).await;
        if steps.iter().any(|step| is_scan(step, &text)) {
            found.push(format!("{text}\n    {}", steps.join("\n    ")));
        }
    }
    found
}

/// The steps of a statement's plan, for the values it was sent with: whether a partial index serves depends on them.
async fn plan(db: &DatabaseConnection, mut statement: Statement) -> Vec<String> {
    let sqlite = db.get_database_backend() == DbBackend::Sqlite;
    statement.sql.insert_str(0, if sqlite { "EXPLAIN QUERY PLAN " } else { "EXPLAIN " });
    let text = statement.sql.clone();
    let rows = db.query_all_raw(statement).await.unwrap_or_else(|error| panic!("{error}: {text}"));
    let read = |row: &QueryResult| if sqlite { row.try_get("", "detail") } else { row.try_get_by_index(0) };
    rows.iter().map(|row| read(row).unwrap()).collect()
}

/// Whether a step reads a whole table: `SCAN job` on SQLite, `Seq Scan on job` on PostgreSQL. The rows of a subquery
/// that `statement` gives a name are no table.
fn is_scan(step: &str, statement: &str) -> bool {
    let table = match step.split_once("Seq Scan on ") {
        Some((_, rest)) => rest,
        None => match step.strip_prefix("SCAN ") {
            // By an index, of a virtual table, of a subquery's rows, or of no table at all.
            Some(rest) if rest.contains("USING") || rest.contains("VIRTUAL") || rest.starts_with(['(', '0']) => {
                return false;
            }
            Some(rest) if rest.starts_with("CONSTANT ROW") || rest.ends_with("VALUES CLAUSE") => return false,
            Some(rest) => rest,
            None => return false,
        },
    };
    let name = table.split([' ', '(']).next().unwrap_or_default().trim_matches('"');
    let is_subquery = statement.contains(&format!("{name} AS (")) || statement.contains(&format!(") AS {name} "));
    !SMALL.contains(&name) && !is_subquery
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_is_told_from_a_search() {
        for scan in ["SCAN job", "SCAN account AS a", "  ->  Seq Scan on job  (cost=0.00..1.01 rows=1 width=4)"] {
            assert!(is_scan(scan, ""), "{scan}");
        }
        for search in [
            "SEARCH job USING INDEX job_due (state=?)",
            "SCAN job USING INDEX job_due",
            "SCAN search_index VIRTUAL TABLE INDEX 0:M1",
            "SCAN CONSTANT ROW",
            "SCAN 2-ROW VALUES CLAUSE",
            "SCAN (subquery-1)",
            "SCAN schedule",
            "Index Scan using job_pkey on job",
        ] {
            assert!(!is_scan(search, ""), "{search}");
        }
    }
}
