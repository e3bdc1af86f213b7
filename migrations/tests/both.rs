//! The migrations on real databases: a SQLite file always, PostgreSQL where `TEST_POSTGRES_URL` names a server on
//! which databases may be created.

#![expect(clippy::disallowed_methods, reason = "the runner names its PostgreSQL in the environment")]

use migrations::{Error, run, status};
use sea_orm_migration::sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement};

/// One empty database. The folder or the database goes when the test ends well.
struct Empty {
    url: String,
    folder: Option<tempfile::TempDir>,
    server: Option<(DatabaseConnection, String)>,
}

impl Empty {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("backline.db").display());
        Self { url, folder: Some(folder), server: None }
    }

    /// `None`, and a line that says so, where no server is given.
    async fn postgres(test: &str) -> Option<Self> {
        let Ok(server_url) = std::env::var("TEST_POSTGRES_URL") else {
            println!("skipped on PostgreSQL: TEST_POSTGRES_URL is not set");
            return None;
        };
        let server = Database::connect(&server_url).await.unwrap();
        let name = format!("migrations_{test}_{}", std::process::id());
        server.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        let (before, _) = server_url.rsplit_once('/').unwrap();
        Some(Self { url: format!("{before}/{name}"), folder: None, server: Some((server, name)) })
    }

    async fn connect(&self) -> DatabaseConnection {
        let mut options = ConnectOptions::new(&self.url);
        options.max_connections(1).sqlx_logging(false);
        Database::connect(options).await.unwrap()
    }

    async fn drop(self) {
        if let Some((server, name)) = self.server {
            server.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
        }
        drop(self.folder);
    }
}

/// Runs `check` on an empty SQLite file and on an empty PostgreSQL database.
async fn on_both(test: &str, check: impl AsyncFn(&Empty)) {
    let sqlite = Empty::sqlite();
    check(&sqlite).await;
    sqlite.drop().await;
    if let Some(postgres) = Empty::postgres(test).await {
        check(&postgres).await;
        postgres.drop().await;
    }
}

async fn texts(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

/// SQL for an id and for `length` bytes, all `byte`.
fn literals(db: &DatabaseConnection) -> (impl Fn(u8) -> String, impl Fn(u8, usize) -> String) {
    let sqlite = db.get_database_backend() == DbBackend::Sqlite;
    let hex = |byte: u8, length: usize| format!("{byte:02x}").repeat(length);
    (
        move |byte| if sqlite { format!("x'{}'", hex(byte, 16)) } else { format!("'{}'", hex(byte, 16)) },
        move |byte, length| {
            if sqlite { format!("x'{}'", hex(byte, length)) } else { format!(r"'\x{}'", hex(byte, length)) }
        },
    )
}

#[tokio::test]
async fn an_empty_database_is_brought_up_to_date_once() {
    on_both("once", async |empty| {
        let db = empty.connect().await;
        let before = status(&db).await.unwrap();
        assert!(!before.is_current() && before.unknown.is_empty());

        assert_eq!(run(&db).await.unwrap(), before.pending);
        assert!(status(&db).await.unwrap().is_current());
        assert_eq!(run(&db).await.unwrap(), Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn of_many_instances_one_migrates() {
    on_both("many", async |empty| {
        let starts: Vec<_> = (0..6)
            .map(|_| {
                let url = empty.url.clone();
                tokio::spawn(async move { run(&Database::connect(url).await.unwrap()).await })
            })
            .collect();
        let mut worked = 0;
        for start in starts {
            worked += usize::from(!start.await.unwrap().unwrap().is_empty());
        }
        assert_eq!(worked, 1);
    })
    .await;
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    on_both("newer", async |empty| {
        let db = empty.connect().await;
        run(&db).await.unwrap();
        let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29990101_000001_future', 0)";
        db.execute_unprepared(newer).await.unwrap();

        assert_eq!(status(&db).await.unwrap().unknown, ["m29990101_000001_future"]);
        let refused = run(&db).await.unwrap_err();
        assert!(matches!(&refused, Error::Newer { unknown } if unknown.len() == 1));
        assert!(refused.to_string().contains("newer release (m29990101_000001_future)"));
    })
    .await;
}

#[tokio::test]
async fn every_table_of_sqlite_is_strict_and_refers_to_tables_that_exist() {
    let empty = Empty::sqlite();
    let db = empty.connect().await;
    run(&db).await.unwrap();

    let loose = "SELECT name FROM pragma_table_list WHERE type = 'table' AND schema = 'main' AND strict = 0 \
                 AND name NOT LIKE 'sqlite_%'";
    assert_eq!(texts(&db, loose).await, Vec::<String>::new());
    let dangling = "SELECT t.name FROM pragma_table_list t, pragma_foreign_key_list(t.name) k \
                    WHERE k.\"table\" NOT IN (SELECT name FROM pragma_table_list)";
    assert_eq!(texts(&db, dangling).await, Vec::<String>::new());
    assert_eq!(texts(&db, "SELECT \"table\" FROM pragma_foreign_key_check").await, Vec::<String>::new());
    assert_eq!(texts(&db, "PRAGMA integrity_check").await, ["ok"]);
}

#[tokio::test]
async fn both_databases_have_the_same_tables_columns_and_indexes() {
    let sqlite = Empty::sqlite();
    let Some(postgres) = Empty::postgres("same").await else { return };
    let (lite, pg) = (sqlite.connect().await, postgres.connect().await);
    run(&lite).await.unwrap();
    run(&pg).await.unwrap();

    // What serves the full text only, and the keys that each database names itself, are left out.
    let lite_columns = "SELECT t.name || '.' || c.name || CASE WHEN c.\"notnull\" THEN '' ELSE '?' END \
        FROM pragma_table_list t, pragma_table_info(t.name) c \
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY 1";
    let pg_columns = "SELECT (table_name || '.' || column_name || CASE is_nullable WHEN 'NO' THEN '' ELSE '?' END) \
        COLLATE \"C\" FROM information_schema.columns \
        WHERE table_schema = 'public' AND column_name <> 'tsv' ORDER BY 1";
    assert_eq!(texts(&lite, lite_columns).await, texts(&pg, pg_columns).await);

    let lite_indexes = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1";
    let pg_indexes = "SELECT indexname::text COLLATE \"C\" FROM pg_indexes WHERE schemaname = 'public' \
        AND indexname NOT LIKE '%\\_pkey' AND indexname <> 'search_document_by_terms' ORDER BY 1";
    assert_eq!(texts(&lite, lite_indexes).await, texts(&pg, pg_indexes).await);

    pg.close().await.unwrap();
    postgres.drop().await;
}

#[tokio::test]
async fn the_database_itself_refuses_what_must_not_be() {
    on_both("rules", async |empty| {
        let db = empty.connect().await;
        run(&db).await.unwrap();
        let (id, bytes) = literals(&db);
        let account = |n: u8, email: &str, status: &str| {
            format!(
                "INSERT INTO account (id, email, display_name, password_hash, status, roles, roles_version, tier, \
                 locale, terms_version, created_at, updated_at, row_version) \
                 VALUES ({}, '{email}', 'Ana', '-', '{status}', 'listener', 1, 'free', 'en', '1', 0, 0, 1)",
                id(n)
            )
        };
        let job = |n: u8, state: &str, finished: &str| {
            format!(
                "INSERT INTO job (id, kind, args, state, priority, attempt, max_attempts, scheduled_at, unique_key, \
                 created_at, finished_at) VALUES ({}, 'k', '', '{state}', 0, 0, 25, 0, 'one', 0, {finished})",
                id(n)
            )
        };
        let record = |length: usize| {
            format!(
                "INSERT INTO request_record (scope, payload_digest, reply, created_at, expires_at) \
                 VALUES ({}, {}, {}, 0, 1)",
                bytes(1, length),
                bytes(2, 32),
                bytes(3, 0)
            )
        };
        let upload = |n: u8, state: &str, persisted: i64| {
            format!(
                "INSERT INTO upload (id, owner_id, purpose, state, size_bytes, media_type, file_name, \
                 persisted_bytes, writer_generation, scan, created_at, updated_at, expires_at, hard_expires_at, \
                 staged) VALUES ({}, {}, 'artwork', '{state}', 10, '', '', {persisted}, 0, 'clean', 0, 0, 0, 0, true)",
                id(n),
                id(1)
            )
        };
        let artist = |owner: u8| {
            format!("INSERT INTO artist VALUES ({}, {}, 'A', '', '[]', 'active', 0, 0, 1)", id(9), id(owner))
        };

        for (accepted, statement) in [
            (true, account(1, "ana@example.org", "active")),
            (false, account(2, "ana@example.org", "active")), // the address is taken
            (false, account(3, "rui@example.org", "asleep")), // no such status
            (true, job(1, "completed", "5")),
            (false, job(2, "completed", "NULL")), // ended, but when?
            (false, job(3, "running", "NULL")),   // running without a lease
            (true, job(4, "available", "NULL")),  // the first of this key is done
            (false, job(5, "scheduled", "NULL")), // two open jobs of one key
            (false, record(31)),
            (true, record(32)),
            (false, upload(1, "receiving", 11)), // more than declared
            (false, upload(2, "finalized", 10)), // without an object
            (true, upload(3, "receiving", 10)),
            (false, artist(7)), // nobody's
            (true, artist(1)),
        ] {
            let outcome = db.execute_unprepared(&statement).await;
            assert_eq!(outcome.is_ok(), accepted, "{statement}: {outcome:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_full_text_index_follows_its_documents() {
    on_both("search", async |empty| {
        let db = empty.connect().await;
        run(&db).await.unwrap();
        let (id, _) = literals(&db);
        let find = match db.get_database_backend() {
            DbBackend::Sqlite => {
                "SELECT d.display FROM search_index JOIN search_document d ON d.id = search_index.rowid \
                 WHERE search_index MATCH '\"nig\" *'"
            }
            _ => "SELECT display FROM search_document WHERE tsv @@ to_tsquery('simple', 'nig:*')",
        };
        let found = async || texts(&db, find).await;
        let change = async |sql: String| {
            db.execute_unprepared(&sql).await.unwrap();
        };

        change(format!(
            "INSERT INTO search_document (kind, subject_id, display, whole, terms, published_at) \
             VALUES ('track', {}, 'Night Bus', 'night bus', 'night bus', 1)",
            id(1)
        ))
        .await;
        assert_eq!(found().await, ["Night Bus"]);
        change("UPDATE search_document SET terms = 'day bus', display = 'Day Bus'".to_owned()).await;
        assert_eq!(found().await, Vec::<String>::new());
        change("UPDATE search_document SET terms = 'night'".to_owned()).await;
        assert_eq!(found().await, ["Day Bus"]);
        change("DELETE FROM search_document".to_owned()).await;
        assert_eq!(found().await, Vec::<String>::new());
    })
    .await;
}
