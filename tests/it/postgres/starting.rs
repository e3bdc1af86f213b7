//! What is refused at the start, in one sentence that holds no password.

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use backline::{
    config::{Config, DatabaseConfig, Mode},
    db,
};
use sea_orm::{ConnectionTrait, Statement};
use secrecy::SecretString;

use crate::harness::{
    database::{TestDatabase, is_postgres},
    postgres::{PASSWORD as SECRET, PostgresServer, ROLE},
    program::{Running, backline, stderr, stdout},
    world::channel_to,
    *,
};

fn serving(folder: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = backline(folder, arguments);
    command.env("BACKLINE_DATABASE_URL", url);
    command
}

/// One sentence with these words, exit code 1, and no password anywhere.
#[track_caller]
fn assert_refused(output: &Output, words: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let complaint: Vec<&str> = said.lines().filter(|line| line.starts_with("backline: ")).collect();
    assert_eq!(complaint.len(), 1, "{said}");
    for word in words {
        assert!(complaint[0].contains(word), "«{word}» is missing: {said}");
    }
    for hidden in [SECRET, "wrong-canary-password", "panicked"] {
        assert!(!said.contains(hidden) && !stdout(output).contains(hidden), "{said}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_used_is_told_in_one_sentence() {
    if !is_postgres() {
        return;
    }
    let Some(server) = PostgresServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let start = |url: &str| serving(folder.path(), url, &[]).output().unwrap();
    let place = format!("127.0.0.1:{}", server.port);

    let url = format!("postgres://{ROLE}:wrong-canary-password@{place}/postgres");
    assert_refused(&start(&url), &["refuses the password of the role backline", "database.url"]);
    assert_refused(&start(&server.url("absent")), &["the database absent does not exist", "createdb"]);
    let url = format!("postgres://{ROLE}:{SECRET}@127.0.0.1:port/postgres");
    assert_refused(&start(&url), &["database.url is malformed"]);

    server.administer(&["CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"]).await;
    assert_refused(&start(&server.url("latin")), &["LATIN1", "createdb --encoding=UTF8"]);

    server.stop();
    for arguments in [&[] as &[&str], &["work"], &["migrate"]] {
        let output = serving(folder.path(), &server.url("postgres"), arguments).output().unwrap();
        assert_refused(&output, &["does not answer at", &place, "database.url"]);
    }
}

#[tokio::test]
async fn production_refuses_a_server_that_may_forget_what_it_acknowledged() {
    if !is_postgres() {
        return;
    }
    let Some(server) = PostgresServer::start() else { return };
    let connect = async |mode| {
        let database = DatabaseConfig { url: Some(SecretString::from(server.url("postgres"))), ..Default::default() };
        db::connect(&Config { mode, database, ..Config::default() }).await.map_err(|error| error.to_string())
    };
    connect(Mode::Production).await.unwrap().close().await;
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        server.administer(&[&format!("ALTER SYSTEM SET {setting} = off"), "SELECT pg_reload_conf()"]).await;
        eventually(async || connect(Mode::Production).await.is_err()).await;
        let said = connect(Mode::Production).await.unwrap_err();
        assert!(said.contains(&format!("{setting} = off")), "{said}");
        connect(Mode::Development).await.unwrap().close().await;
        server.administer(&[&format!("ALTER SYSTEM RESET {setting}"), "SELECT pg_reload_conf()"]).await;
        eventually(async || connect(Mode::Production).await.is_ok()).await;
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_whether_or_not_migrations_run_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::make(folder.path());
    let url = database.url();
    let db = database.connect().await;
    db.execute_unprepared("INSERT INTO seaql_migrations VALUES ('m29990101_000001_future', 0)").await.unwrap();
    for migrate in ["true", "false"] {
        for arguments in [&["serve"] as &[&str], &["work"]] {
            let mut command = serving(folder.path(), &url, arguments);
            let output = command.env("BACKLINE_DATABASE_MIGRATE_ON_START", migrate).output().unwrap();
            assert_refused(&output, &["newer release", "m29990101_000001_future"]);
        }
    }
    // An older one wants a migration, and is told which command does it.
    let older = "DELETE FROM seaql_migrations WHERE version LIKE 'm2999%' OR version LIKE '%password_hint'";
    db.execute_unprepared(older).await.unwrap();
    let mut command = serving(folder.path(), &url, &["serve"]);
    let output = command.env("BACKLINE_DATABASE_MIGRATE_ON_START", "false").output().unwrap();
    assert_refused(&output, &["lacks 1 ", "backline migrate"]);
    db.close().await.unwrap();
    database.remove();
}

#[tokio::test]
async fn three_instances_that_start_at_once_on_an_empty_database_migrate_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::empty(folder.path());
    let starting = (0..3).map(|number| {
        let log = folder.path().join(format!("log{number}"));
        let mut command = serving(folder.path(), &database.url(), &["serve"]);
        std::thread::spawn(move || Running::start(&mut command, &log))
    });
    // All begin before the first is waited for.
    let starting: Vec<_> = starting.collect();
    let running: Vec<Running> = starting.into_iter().map(|thread| thread.join().unwrap()).collect();
    for server in &running {
        let channel = channel_to(std::sync::Arc::new(parking_lot::Mutex::new(server.address)));
        Actor::anonymous(channel).server().get_server_info(pb::GetServerInfoRequest {}).await.unwrap();
        let ready = raw::send(server.admin_address, Http::One, http::Method::GET, "/readyz", &[], "").await;
        assert_eq!(ready.status, 200, "{}", ready.text());
    }

    let logs = (0..3).map(|number| std::fs::read_to_string(folder.path().join(format!("log{number}"))).unwrap());
    let applied: Vec<usize> = logs.map(|log| log.matches("applied").count()).collect();
    let db = database.connect().await;
    let count = Statement::from_string(db.get_database_backend(), "SELECT count(*) AS n FROM seaql_migrations");
    let all: i64 = db.query_one_raw(count).await.unwrap().unwrap().try_get("", "n").unwrap();
    assert_eq!(applied.iter().sum::<usize>(), usize::try_from(all).unwrap(), "each once: {applied:?}");
    assert_eq!(
        applied.iter().filter(|count| **count > 0).count(),
        1,
        "one works, the others find nothing: {applied:?}"
    );
    db.close().await.unwrap();
    drop(running);
    database.remove();
}

#[tokio::test]
async fn the_server_sees_which_process_it_talks_to_and_has_its_limits() {
    if !is_postgres() {
        return;
    }
    let world = World::with(&[("database.lock_timeout", "1500ms")]).await;
    let text = "SELECT current_setting('application_name') AS name, current_setting('statement_timeout') AS statement, \
                current_setting('lock_timeout') AS lock, \
                current_setting('idle_in_transaction_session_timeout') AS idle";
    let question = Statement::from_string(sea_orm::DbBackend::Postgres, text);
    let row = world.app().db.query_one_raw(question).await.unwrap().unwrap();
    let told = |column: &str| row.try_get::<String>("", column).unwrap();
    assert!(told("name").starts_with("backline/") && told("name").ends_with(&std::process::id().to_string()));
    assert_eq!((told("statement"), told("lock"), told("idle")), ("5s".into(), "1500ms".into(), "10s".into()));
    eventually_within(Duration::from_secs(1), async || world.app().db.ping().await.is_ok()).await;
}
