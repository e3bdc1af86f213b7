//! A database for each test, copied from a template that is migrated once per process.
//!
//! `TEST_DATABASE` chooses `sqlite` (the default) or `postgres`; for the latter `TEST_POSTGRES_URL` names a
//! server on which databases may be made.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use backline::{entity::job, kernel::Timestamp};
use sea_orm::{
    ColumnTrait, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, EntityTrait, QueryFilter, Statement,
};

use super::{blocking, environment, plans};

/// Where one test keeps its rows.
pub enum TestDatabase {
    /// A file in the test's data folder, where the server looks for it by itself.
    Sqlite { file: PathBuf },
    /// A database on the given server, gone when the test ends.
    Postgres { name: String },
    /// A database of a server that the test started itself, and that goes with it.
    Own { url: String },
}

/// Whether this run is on PostgreSQL.
pub fn is_postgres() -> bool {
    match environment("TEST_DATABASE").as_deref() {
        None | Some("" | "sqlite") => false,
        Some("postgres") => true,
        Some(other) => panic!("TEST_DATABASE is {other}; it must be sqlite or postgres"),
    }
}

impl TestDatabase {
    /// A migrated, empty database for a server whose data lies in `data_dir`.
    pub fn make(data_dir: &Path) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if !is_postgres() {
            let file = data_dir.join("backline.db");
            std::fs::copy(sqlite_template(), &file).unwrap();
            return Self::Sqlite { file };
        }
        let template = postgres_template();
        let name = format!("it_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        administer(&[format!("CREATE DATABASE {name} TEMPLATE {template}")]);
        Self::Postgres { name }
    }

    /// A database without any table.
    pub fn empty(data_dir: &Path) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if !is_postgres() {
            return Self::Sqlite { file: data_dir.join("backline.db") };
        }
        let name = format!("it_empty_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        administer(&[format!("CREATE DATABASE {name} TEMPLATE template0")]);
        Self::Postgres { name }
    }

    /// Empties it, gives it the schema of an earlier release (its first `count` migrations) and that release's `rows`,
    /// and brings all of it up to date. No server may be running on it.
    pub async fn upgrade_from(&self, count: u32, rows: &str) {
        let db = match self {
            Self::Sqlite { file } => {
                std::fs::remove_file(file).unwrap();
                connect(&format!("{}?mode=rwc", self.url())).await
            }
            Self::Postgres { .. } | Self::Own { .. } => {
                let db = self.connect().await;
                db.execute_unprepared("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await.unwrap();
                db
            }
        };
        migrations::run_first(&db, count).await.unwrap();
        db.execute_unprepared(rows).await.unwrap();
        migrations::run(&db).await.unwrap();
        db.close().await.unwrap();
    }

    pub fn url(&self) -> String {
        match self {
            Self::Sqlite { file } => format!("sqlite://{}", file.display()),
            Self::Postgres { name } => postgres_url(name),
            Self::Own { url } => url.clone(),
        }
    }

    /// What the server must be told to find it.
    pub fn setting(&self) -> Option<(&'static str, String)> {
        (!matches!(self, Self::Sqlite { .. })).then(|| ("database.url", self.url()))
    }

    /// A connection beside the server's.
    pub async fn connect(&self) -> DatabaseConnection {
        connect(&self.url()).await
    }

    /// What is wrong with what a test left, in words: jobs still to do, and `statements` that scan.
    pub async fn judge(&self, now: Timestamp, statements: Vec<Statement>) -> Vec<String> {
        use job::{Column, Entity, State};
        let db = self.connect().await;
        let left = Entity::find()
            .filter(Column::State.is_not_in([State::Completed, State::Cancelled]))
            .filter(Column::ScheduledAt.lte(now))
            .all(&db)
            .await
            .unwrap();
        let line = |job: &job::Model| {
            format!("a job is {}: {} {}", job.state, job.kind, job.last_error.as_deref().unwrap_or_default())
        };
        let mut wrong: Vec<String> = left.iter().map(line).collect();
        wrong.extend(plans::scans(&db, statements).await.into_iter().map(|scan| format!("a statement scans: {scan}")));
        db.close().await.unwrap();
        wrong
    }

    /// Deletes it, whoever is still connected. A file goes with its folder.
    ///
    /// PostgreSQL waits half a second for a checkpoint; nobody waits for that. Databases that are left when the process
    /// ends go with the server.
    pub fn remove(&self) {
        if let Self::Postgres { name } = self {
            let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            std::thread::spawn(move || {
                blocking(async {
                    let server = connect(&server_url()).await;
                    drop(server.execute_unprepared(&statement).await);
                });
            });
        }
    }
}

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

pub fn server_url() -> String {
    environment("TEST_POSTGRES_URL").expect("TEST_POSTGRES_URL names the PostgreSQL server; tests/run starts one")
}

fn postgres_url(database: &str) -> String {
    let url = server_url();
    let (server, _) = url.rsplit_once('/').expect("TEST_POSTGRES_URL ends in /database");
    format!("{server}/{database}")
}

/// Runs statements one at a time: two copies of one template at once are refused.
fn administer(statements: &[String]) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    blocking(async {
        let server = connect(&server_url()).await;
        for statement in statements {
            server.execute_unprepared(statement).await.unwrap();
        }
        server.close().await.unwrap();
    });
}

fn sqlite_template() -> &'static Path {
    static TEMPLATE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, file) = TEMPLATE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("template.db");
        migrate(&format!("sqlite://{}?mode=rwc", file.display()));
        (folder, file)
    });
    file
}

/// The template's name. It stays until the server goes, which `tests/run` sees to.
fn postgres_template() -> &'static str {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let name = format!("it_template_{}", std::process::id());
        administer(&[format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name}")]);
        migrate(&postgres_url(&name));
        name
    })
}

/// Brings the database to our schema.
pub fn migrate(url: &str) {
    blocking(async {
        let db = connect(url).await;
        migrations::run(&db).await.unwrap();
        db.close().await.unwrap();
    });
}
