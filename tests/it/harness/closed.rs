//! A table that takes no more rows: for what must happen when a part of an act fails in the database.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend};

/// Lets every further insert into `table` fail, until [`open`].
pub async fn close(db: &DatabaseConnection, table: &str) {
    let closing = match db.get_database_backend() {
        DbBackend::Sqlite => format!(
            "CREATE TRIGGER {table}_closed BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, '{table} is closed'); END"
        ),
        _ => format!("ALTER TABLE {table} ADD CONSTRAINT {table}_closed CHECK (false) NOT VALID"),
    };
    db.execute_unprepared(&closing).await.unwrap();
}

/// Undoes [`close`].
pub async fn open(db: &DatabaseConnection, table: &str) {
    let opening = match db.get_database_backend() {
        DbBackend::Sqlite => format!("DROP TRIGGER {table}_closed"),
        _ => format!("ALTER TABLE {table} DROP CONSTRAINT {table}_closed"),
    };
    db.execute_unprepared(&opening).await.unwrap();
}
