//! What a check of everything finds.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::shelf::{Shelf, Target, damage, quiet};
use crate::harness::{Studio, database, files::files_below};
use backline::backup::{self, Bytes, Report};

async fn verify(studio: &Studio) -> Report {
    backup::verify(studio.world.app(), Bytes::Own, true, &quiet()).await.unwrap()
}

#[track_caller]
fn assert_found(report: &Report, words: &[&str]) {
    let line = report.wrong.iter().find(|line| words.iter().all(|word| line.contains(word)));
    assert!(line.is_some(), "{words:?} is not among {:?}", report.wrong);
}

#[tokio::test]
async fn everything_that_is_wrong_is_listed() {
    let studio = Studio::open().await;
    let world = &studio.world;
    studio.submitted("Tide").await;
    world.finalized(&studio.ana, &crate::harness::files::song(77)).await;
    let whole = verify(&studio).await;
    assert!(whole.is_whole(), "{:?}", whole.wrong);
    assert!(whole.objects >= 2 && whole.samples > 2 && whole.audit_rows > 5, "{whole:?}");
    assert_eq!(whole.unnamed, 0);

    let objects = files_below(&world.folder.path().join("objects/content"));
    let (changed, lost) = (&objects[0], &objects[1]);
    let bytes = std::fs::read(changed).unwrap();
    damage(changed);
    let lost_bytes = std::fs::read(lost).unwrap();
    std::fs::remove_file(lost).unwrap();
    std::fs::write(world.folder.path().join("objects/content/nobodys"), "left by somebody").unwrap();
    let db = world.db().await;
    db.execute_unprepared("UPDATE audit_event SET action = 'nothing_happened' WHERE sequence = 3").await.unwrap();
    let report = verify(&studio).await;
    let name = |path: &std::path::Path| path.file_name().unwrap().to_string_lossy().into_owned();
    assert_found(&report, &[&name(changed), "SHA-256"]);
    assert_found(&report, &[&name(lost), "not in the object store"]);
    assert_found(&report, &["audit trail", "row 3"]);
    assert_eq!(report.unnamed, 1);
    assert_eq!(report.wrong.len(), 3, "{:?}", report.wrong);

    // A backup is not taken of what is damaged; what is lost is named.
    let shelf = Shelf::new(world);
    let refused = shelf.make(world, backup::Wanted::default()).await.unwrap_err().to_string();
    assert!(refused.contains("backline verify"), "{refused}");
    assert!(shelf.place.find().await.unwrap().whole.is_empty());
    std::fs::write(changed, bytes).unwrap();
    std::fs::write(lost, lost_bytes).unwrap();
    shelf.keep(world).await;
}

#[tokio::test]
async fn rows_that_refer_to_nothing_are_found() {
    if database::is_postgres() {
        return;
    }
    let studio = Studio::open().await;
    let db = studio.world.db().await;
    db.execute_unprepared("PRAGMA foreign_keys = OFF; UPDATE track SET artist_id = zeroblob(16)").await.unwrap();
    studio.draft("Tide").await;
    db.execute_unprepared("PRAGMA foreign_keys = OFF; UPDATE track SET artist_id = zeroblob(16)").await.unwrap();
    let report = verify(&studio).await;
    assert_found(&report, &["track", "artist", "not there"]);
}

#[tokio::test]
async fn other_keys_open_nothing_that_is_sealed() {
    let studio = Studio::open().await;
    let world = &studio.world;
    let shelf = Shelf::new(world);
    shelf.keep(world).await;
    let target = Target::bare();
    target.restore(world, &shelf, true).await.unwrap();
    let app = backline::app::App::open(target.config(), super::shelf::parts(world)).await.unwrap();
    let report = backup::verify(&app, Bytes::Own, true, &quiet()).await.unwrap();
    app.db.close().await;
    assert_found(&report, &["subject_key", "do not open"]);
    assert_found(&report, &["audit trail"]);
}

#[tokio::test]
async fn a_drill_restores_a_backup_and_leaves_nothing() {
    let studio = Studio::open().await;
    let world = &studio.world;
    studio.submitted("Tide").await;
    // One whose pieces are still to be put together.
    let half = studio.ana.announced(&crate::harness::files::song(5)).await;
    studio.ana.write(&half, 0, &crate::harness::files::song(5)[..1000]).await.unwrap();
    let shelf = Shelf::new(world);
    let manifest = shelf.keep(world).await;
    assert_eq!(manifest.staging.count, 1);
    let report = backup::drill(world.app(), &shelf.place, &manifest, &quiet()).await.unwrap();
    assert_eq!(report.objects, manifest.objects.count + manifest.staging.count);
    assert!(shelf.place.find().await.unwrap().drilled.contains(&manifest.name));
    for folder in ["backup", "drill", "drill-lists"] {
        assert!(!world.folder.path().join(folder).exists(), "{folder} was left");
    }
    if world.db().await.get_database_backend() == DbBackend::Postgres {
        let left = "SELECT datname::text FROM pg_database WHERE datname LIKE 'backline_drill_%'";
        let statement = Statement::from_string(DbBackend::Postgres, left);
        crate::harness::eventually(async || {
            world.db().await.query_all_raw(statement.clone()).await.unwrap().is_empty()
        })
        .await;
    }

    damage(&shelf.file("objects/"));
    let refused = backup::drill(world.app(), &shelf.place, &manifest, &quiet()).await.unwrap_err().to_string();
    assert!(refused.contains("does not stand a restore") && refused.contains("SHA-256"), "{refused}");
}
