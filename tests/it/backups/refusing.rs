//! What a restore does not take, each told in one sentence, and nothing is left of the attempt.

use std::{
    io::{BufRead, BufReader},
    process::Command,
};

use backline::backup::Error;
use base64::{Engine, prelude::BASE64_STANDARD};
use sea_orm::ConnectionTrait;

use super::shelf::{Shelf, Target, damage};
use crate::harness::{
    PASSWORD, Studio, World, audio,
    database::{self, TestDatabase},
    program::{backline, stderr},
};

/// A world with something of everything, and a backup of it.
async fn kept() -> (Studio, Shelf) {
    let studio = Studio::open().await;
    studio.submitted("Tide").await;
    studio.world.run_jobs().await;
    let shelf = Shelf::new(&studio.world);
    shelf.keep(&studio.world).await;
    (studio, shelf)
}

/// Restores, which must fail with one sentence that has these words, and leave nothing.
async fn assert_refused(world: &World, shelf: &Shelf, target: &Target, words: &[&str]) {
    let Err(refused) = target.restore(world, shelf, false).await else { panic!("it was taken: {words:?}") };
    let sentence = refused.to_string();
    for word in words {
        assert!(sentence.contains(word), "{word} is missing: {sentence}");
    }
    assert!(!sentence.contains('\n'), "{sentence}");
}

#[tokio::test]
async fn a_damaged_backup_is_refused() {
    let (studio, shelf) = Box::pin(kept()).await;
    let world = &studio.world;
    for part in ["/database.", "/objects.jsonl", "manifest.json", "objects/"] {
        let (file, target) = (shelf.file(part), Target::of(world));
        let whole = std::fs::read(&file).unwrap();
        damage(&file);
        assert_refused(world, &shelf, &target, &["damaged"]).await;
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        assert_refused(world, &shelf, &Target::of(world), &["damaged"]).await;
        if part != "manifest.json" {
            std::fs::remove_file(&file).unwrap();
            assert_refused(world, &shelf, &Target::of(world), &["damaged"]).await;
        }
        std::fs::write(&file, whole).unwrap();
        // Objects that were whole may have come; the database never does.
        let database = target.config();
        assert!(backline::db::sqlite_file(&database).is_none_or(|file| !file.exists()), "{part}");
    }
    // As it was, it is taken.
    Target::of(world).restore(world, &shelf, false).await.unwrap();
}

#[tokio::test]
async fn a_backup_of_a_newer_release_is_refused() {
    let (studio, shelf) = Box::pin(kept()).await;
    let world = &studio.world;
    let manifest = shelf.place.choose("latest").await.unwrap();
    let mut newer = manifest.clone();
    newer.format = 2;
    shelf.place.put_manifest(newer).await.unwrap();
    let target = Target::of(world);
    assert_refused(world, &shelf, &target, &["format 2", "newer release"]).await;

    let mut newer = manifest.clone();
    newer.database.migrations.push("m29990101_000001_future".to_owned());
    shelf.place.put_manifest(newer).await.unwrap();
    assert_refused(world, &shelf, &target, &["newer release", "m29990101_000001_future"]).await;
    assert!(target.is_empty().await);
}

#[tokio::test]
async fn a_backup_of_the_other_database_is_refused() {
    let (studio, shelf) = Box::pin(kept()).await;
    let mut other = shelf.place.choose("latest").await.unwrap();
    let (here, there) = if database::is_postgres() { ("postgresql", "sqlite") } else { ("sqlite", "postgresql") };
    assert_eq!(other.database.kind, here);
    other.database.kind = there.to_owned();
    shelf.place.put_manifest(other).await.unwrap();
    let target = Target::of(&studio.world);
    assert_refused(&studio.world, &shelf, &target, &[here, there]).await;
    assert!(target.is_empty().await);
}

#[tokio::test]
async fn a_restore_goes_into_an_empty_place_only() {
    let (studio, shelf) = Box::pin(kept()).await;
    let world = &studio.world;
    let mut target = Target::of(world);
    target.database.remove();
    target.database = TestDatabase::make(target.folder.path());
    assert_refused(world, &shelf, &target, &["the database has tables", "empty place"]).await;

    let target = Target::of(world);
    std::fs::create_dir_all(target.folder.path().join("objects/content")).unwrap();
    std::fs::write(target.folder.path().join("objects/content/something"), "there").unwrap();
    assert_refused(world, &shelf, &target, &["object store has objects", "empty place"]).await;
}

#[tokio::test]
async fn keys_that_are_missing_are_named() {
    let (studio, shelf) = Box::pin(kept()).await;
    let world = &studio.world;
    let id = world.app().keys.vault.active().id().to_owned();
    let target = Target::bare();
    assert_refused(world, &shelf, &target, &["vault", &id, "--without-keys"]).await;
    assert!(target.is_empty().await);
    assert!(!target.folder.path().join("keys").exists(), "no key was made in the place of the missing one");
    let restored = target.restore(world, &shelf, true).await.unwrap();
    assert!(restored.report.is_whole(), "{:?}", restored.report.wrong);
    assert_eq!(restored.report.samples, 0, "nothing sealed was tried");
}

#[tokio::test]
async fn no_key_and_no_password_stands_in_a_backup() {
    let (studio, shelf) = Box::pin(kept()).await;
    let mut secrets = vec![PASSWORD.as_bytes().to_vec()];
    let keys = &studio.world.app().keys;
    for ring in [&keys.token, &keys.page, &keys.vault] {
        for key in ring.keys() {
            secrets.push(key.bytes().to_vec());
            secrets.push(BASE64_STANDARD.encode(key.bytes()).into_bytes());
            secrets.push(hex::encode(key.bytes()).into_bytes());
        }
    }
    let files = shelf.files();
    assert!(files.len() >= 5, "{files:?}");
    for (name, path) in files {
        let bytes = std::fs::read(&path).unwrap();
        for secret in &secrets {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{name} has a secret");
        }
    }
    let manifest = std::fs::read_to_string(shelf.file("manifest.json")).unwrap();
    assert!(manifest.contains(keys.vault.active().id()), "the keys are named");
    assert!(!manifest.contains("ana@example.org"));
}

#[tokio::test]
async fn a_backup_that_was_killed_is_not_there_and_is_cleared_up() {
    let studio = Studio::open().await;
    let world = &studio.world;
    for seed in 10..50 {
        studio.ana.send_wav(&audio::wav(0.05, seed)).await;
        if seed % 8 == 0 {
            world.run_jobs().await;
        }
    }
    world.run_jobs().await;
    let shelf = Shelf::new(world);
    let place = shelf.folder.path().display().to_string();
    let command = || -> Command {
        let mut command = backline(world.folder.path(), &["backup", "--to", &place]);
        if database::is_postgres() {
            command.env("BACKLINE_DATABASE_URL", world.database.url());
        }
        command
    };
    let mut child = command().spawn().unwrap();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        if line.unwrap().contains("copying objects") {
            child.kill().unwrap();
            break;
        }
    }
    assert!(!child.wait().unwrap().success(), "it was killed");
    let found = shelf.place.find().await.unwrap();
    assert_eq!((found.whole.len(), found.unfinished.len()), (0, 1));
    assert!(matches!(shelf.place.choose("latest").await, Err(Error::NoneThere)));

    // Its hold outlives it for two minutes.
    let early = command().output().unwrap();
    assert_eq!(early.status.code(), Some(1));
    assert!(stderr(&early).contains("another backup"), "{}", stderr(&early));
    world.db().await.execute_unprepared("UPDATE object_hold SET held_until = 0").await.unwrap();

    let next = command().output().unwrap();
    assert!(next.status.success(), "{}", stderr(&next));
    let found = shelf.place.find().await.unwrap();
    assert_eq!((found.whole.len(), found.unfinished.len()), (1, 0), "what was left is gone");
    let manifest = shelf.place.choose("latest").await.unwrap();
    assert_eq!(shelf.objects() as u64, manifest.objects.count, "no object is there twice or for nothing");
}

#[test]
fn a_place_that_is_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let objects = folder.path().join("objects").display().to_string();
    for (arguments, word) in [
        (&["backup"][..], "--to"),
        (&["restore"][..], "--from"),
        (&["backup", "--to", "ftp://example.org/backups"][..], "file://"),
        (&["backup", "--to", &objects][..], "must not lie within each other"),
        (&["restore", "--from", "nothing-there"][..], "no whole backup"),
    ] {
        let mut command = backline(folder.path(), arguments);
        let output = command.current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains(word), "{arguments:?}: {}", stderr(&output));
    }
}

#[tokio::test]
async fn a_missing_program_of_postgresql_is_told() {
    if !database::is_postgres() {
        return;
    }
    let world = World::start().await;
    let shelf = tempfile::tempdir().unwrap();
    let mut command = backline(world.folder.path(), &["backup", "--to", &shelf.path().display().to_string()]);
    command.env("BACKLINE_DATABASE_URL", world.database.url()).env("PATH", "/nowhere");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("pg_dump") && said.contains("PATH") && said.contains("postgresql-client"), "{said}");
}
