//! A backup of an earlier release, restored by this one.

use backline::backup::Manifest;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use sha2::{Digest, Sha256};

use super::shelf::{Shelf, Target, parts};
use crate::{
    harness::{Actor, World, database, instance::Instance, world::channel_to},
    upgrades::{FIRST, OLD_PASSWORD, first_release},
};

/// Rows by table.
async fn count(db: &DatabaseConnection) -> std::collections::BTreeMap<String, u64> {
    let mut rows = std::collections::BTreeMap::new();
    for table in backline::db::tables(db).await.unwrap() {
        let count = format!("SELECT count(*) AS rows FROM \"{table}\"");
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), count)).await.unwrap().unwrap();
        let found: i64 = row.try_get("", "rows").unwrap();
        rows.insert(table, found.try_into().unwrap());
    }
    rows
}

/// Puts the first release's database in the place of that of the newest backup.
async fn age(world: &World, shelf: &Shelf, manifest: &Manifest) {
    let old = Target::of(world);
    let create = if database::is_postgres() { "" } else { "?mode=rwc" };
    let db = Database::connect(format!("{}{create}", old.database.url())).await.unwrap();
    migrations::run_first(&db, FIRST).await.unwrap();
    db.execute_unprepared(first_release()).await.unwrap();
    let rows = count(&db).await;
    db.close().await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let snapshot = backline::db::snapshot(&old.config(), folder.path()).await.unwrap();
    let bytes = std::fs::read(&snapshot.file).unwrap();
    snapshot.end().await.unwrap();
    std::fs::write(shelf.file("/database."), &bytes).unwrap();
    let mut aged = manifest.clone();
    aged.database.size_bytes = bytes.len() as u64;
    aged.database.sha256 = hex::encode(Sha256::digest(&bytes));
    aged.database.migrations.truncate(FIRST as usize);
    aged.database.rows = rows;
    shelf.place.put_manifest(aged).await.unwrap();
}

#[tokio::test]
async fn a_backup_of_an_earlier_release_is_brought_up_to_date() {
    let world = World::start().await;
    // Its replies can be asked for no more: they were sealed under keys that nobody has.
    world.advance(std::time::Duration::from_hours(24 * 270));
    let shelf = Shelf::new(&world);
    let manifest = shelf.keep(&world).await;
    age(&world, &shelf, &manifest).await;

    let target = Target::of(&world);
    let restored = target.restore(&world, &shelf, false).await.unwrap();
    assert_eq!(restored.migrated.len(), migrations::names().len() - FIRST as usize);
    assert!(restored.report.is_whole(), "{:?}", restored.report.wrong);
    let server = Instance::start(target.config(), parts(&world)).await;
    let channel = channel_to(std::sync::Arc::new(parking_lot::Mutex::new(server.address)));
    Actor::sign_in(channel, "ana@example.org", OLD_PASSWORD, "Laptop").await.unwrap();
    server.stop().await;
}
