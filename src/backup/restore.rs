//! The way back, into an empty place.
//!
//! Objects go first and the database last, so that nothing can serve from half a restore; on SQLite its file appears
//! whole, on PostgreSQL in one transaction. Whatever is wrong with the backup is found before that, or by the check at
//! the end.

use std::path::{Path, PathBuf};

use futures::{StreamExt, TryStreamExt};

use super::{
    Error, Manifest, Progress, Report,
    list::{Entry, Reader},
    make::Folder,
    place::{List, Place},
    progress::size,
    store,
    transfer::{self, AT_ONCE, Expected},
    verify::{self, Bytes, verify},
};
use crate::{
    app::{App, World},
    audit,
    config::Config,
    db::{self, Db},
    fleet,
    kernel::Dice,
    objects::{ObjectKey, Objects},
    privacy,
    storage::hold,
    vault::{KeyFolder, KeyKind, pepper_ids},
};

/// Entries of a list read at once.
const PAGE: usize = 500;

/// What was restored, and what a check of all of it found.
pub struct Restored {
    pub manifest: Manifest,
    /// Migrations of this release that the backup did not have yet.
    pub migrated: Vec<String>,
    pub report: Report,
}

/// Restores `manifest`'s backup into the empty database and the empty object store that `config` names, brings the
/// schema to this release, and checks everything.
///
/// # Errors
/// One sentence: something is there already, a key is missing (unless `without_keys`), the backup is damaged, newer, or of
/// the other kind of database.
pub async fn restore(
    config: Config,
    world: World,
    place: &Place,
    manifest: Manifest,
    without_keys: bool,
    progress: &Progress,
) -> Result<Restored, Error> {
    must_suit(&config, &manifest)?;
    let missing = missing_keys(&config, &world, &manifest)?;
    if !missing.is_empty() && !without_keys {
        return Err(Error::KeysMissing { missing, folder: config.keys_dir().display().to_string() });
    }
    let objects = Objects::connect(&config).map_err(opening)?;
    must_be_empty(&config, &objects).await?;

    let folder = Folder::make(config.data_dir.join("restore"))?;
    progress.step(&format!("fetching the database, {}", size(manifest.database.size_bytes)));
    let draft = fetch_database(&config, place, &manifest, &folder.0).await?;
    let put = put_objects(place, &manifest, &objects, &folder, progress).await;
    if put.is_err() {
        drop(tokio::fs::remove_file(&draft).await);
    }
    put?;
    progress.step("putting the database in place");
    put_database(&config, &draft).await?;
    compare(&config, &manifest).await?;

    let migrated = take_over(&config, &world).await?;
    let app = App::open(config, world).await.map_err(opening)?;
    prepare(&app, missing.is_empty()).await?;
    let report = verify(&app, Bytes::Own, missing.is_empty(), progress).await;
    app.db.close().await;
    Ok(Restored { manifest, migrated, report: report? })
}

/// Refuses what this release and these settings cannot take.
pub fn must_suit(config: &Config, manifest: &Manifest) -> Result<(), Error> {
    let known = migrations::names();
    let newer: Vec<String> =
        manifest.database.migrations.iter().filter(|name| !known.contains(name)).cloned().collect();
    if !newer.is_empty() {
        return Err(Error::NewerSchema(newer));
    }
    let wanted = db::kind(config).name();
    if manifest.database.kind == wanted {
        Ok(())
    } else {
        Err(Error::OtherKind { found: manifest.database.kind.clone(), wanted })
    }
}

/// Keys that something in the backup was made with and that are not at hand. Those of tokens do not count: tokens are
/// short-lived, and whoever holds one signs in again.
fn missing_keys(config: &Config, world: &World, manifest: &Manifest) -> Result<Vec<String>, Error> {
    let ring = KeyFolder::new(config.keys_dir()).ring(KeyKind::Vault, &world.clock);
    let ring = ring.map_err(opening)?;
    let vault: Vec<String> =
        ring.map(|ring| ring.keys().iter().map(|key| key.id().to_owned()).collect()).unwrap_or_default();
    let at_hand = [("vault", vault), ("pepper", pepper_ids(&config.passwords))];
    let mut missing = Vec::new();
    for (kind, here) in at_hand {
        let wanted = manifest.keys.get(kind).into_iter().flatten();
        missing.extend(wanted.filter(|id| !here.contains(id)).map(|id| format!("{kind} {id}")));
    }
    Ok(missing)
}

async fn must_be_empty(config: &Config, objects: &Objects) -> Result<(), Error> {
    if !objects.is_empty().await? {
        return Err(Error::NotEmpty("the object store has objects already".to_owned()));
    }
    // A file that is not there has no tables, and must not be made by asking.
    if db::sqlite_file(config).is_some_and(|file| !file.exists()) {
        return Ok(());
    }
    let database = db::without_limits(config)?;
    let tables = db::tables(&database).await?;
    database.close().await?;
    if tables.is_empty() { Ok(()) } else { Err(Error::NotEmpty("the database has tables already".to_owned())) }
}

/// Fetches the copy to where it can be put in place: beside the final file, or into `folder`.
async fn fetch_database(config: &Config, place: &Place, manifest: &Manifest, folder: &Path) -> Result<PathBuf, Error> {
    let draft = match db::sqlite_file(config) {
        Some(file) => file.with_extension("restoring"),
        None => folder.join("database"),
    };
    let database = &manifest.database;
    let expected = Expected { sha256: &database.sha256, size_bytes: database.size_bytes };
    transfer::download(&place.store, &Place::file(&manifest.name, &database.file), &draft, expected).await?;
    Ok(draft)
}

async fn put_objects(
    place: &Place,
    manifest: &Manifest,
    objects: &Objects,
    folder: &Folder,
    progress: &Progress,
) -> Result<(), Error> {
    for list in [List::Objects, List::Staging] {
        let path = folder.list(list);
        place.fetch_list(manifest, list, &path).await?;
        progress.step(&format!("restoring {} objects, {}", list.of(manifest).count, size(list.of(manifest).bytes)));
        let mut reader = Reader::open(&path)?;
        loop {
            let page = reader.batch(PAGE)?;
            if page.is_empty() {
                break;
            }
            let copies = page.into_iter().map(|entry| put(place, manifest, list, objects, entry, progress));
            futures::stream::iter(copies).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        }
    }
    Ok(())
}

async fn put(
    place: &Place,
    manifest: &Manifest,
    list: List,
    objects: &Objects,
    entry: Entry,
    progress: &Progress,
) -> Result<(), Error> {
    let from = match list {
        List::Objects => Place::content(&entry.sha256),
        List::Staging => Place::piece(&manifest.name, &entry.sha256),
    };
    let expected = Expected { sha256: &entry.sha256, size_bytes: entry.size_bytes };
    let copied = transfer::copy((&place.store, &from), (objects, &ObjectKey::stored(&entry.key)), expected).await;
    copied.map_err(|fault| transfer::refused(format!("{} of the backup", from.as_str()), fault))?;
    progress.add("objects restored", 1, entry.size_bytes);
    Ok(())
}

/// Makes the database appear, whole.
pub async fn put_database(config: &Config, draft: &Path) -> Result<(), Error> {
    let Some(file) = db::sqlite_file(config) else { return Ok(db::put_back(config, draft).await?) };
    let draft = draft.to_owned();
    let moved = tokio::task::spawn_blocking(move || {
        // What an empty database left beside it is of another file.
        for beside in ["-wal", "-shm"] {
            let mut name = file.clone().into_os_string();
            name.push(beside);
            match std::fs::remove_file(&name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::disk(&file)(error)),
                _ => {}
            }
        }
        std::fs::rename(&draft, &file).map_err(Error::disk(&file))?;
        let folder = file.parent().unwrap_or(Path::new("."));
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::disk(folder))
    });
    moved.await.map_err(|error| Error::Open(error.to_string()))?
}

/// Refuses a database that has not the rows that were counted when it was copied.
pub async fn compare(config: &Config, manifest: &Manifest) -> Result<(), Error> {
    let database = db::without_limits(config)?;
    let rows = store::count_rows(&database).await;
    database.close().await?;
    match verify::compare_rows(manifest, &rows?) {
        Some(other) => Err(Error::NotWhole(other)),
        None => Ok(()),
    }
}

/// Brings a restored schema to this release. Returns the migrations that were applied.
pub async fn migrate(db: &Db) -> Result<Vec<String>, Error> {
    migrations::run(db.for_migrations()).await.map_err(|error| Error::Migration(error.to_string()))
}

/// What a restored database of this release's schema needs before it serves: no hold, no copies that are not there, and,
/// if the keys that sign it are at hand, the chain of an audit trail that had none.
pub async fn prepare(app: &App, with_keys: bool) -> Result<(), Error> {
    hold::end_all(&app.db).await?;
    privacy::forget_copies(app).await?;
    if with_keys {
        audit::adopt(app).await?;
    }
    Ok(())
}

/// Migrates, and lets the database go on with the keys that are at hand: which of them must be there was decided before.
async fn take_over(config: &Config, world: &World) -> Result<Vec<String>, Error> {
    let db = db::connect(config).await.map_err(opening)?;
    let migrated = migrate(&db).await?;
    fleet::start_over(config, &db, &world.clock, &world.dice).await.map_err(opening)?;
    db.close().await;
    Ok(migrated)
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn opening(error: anyhow::Error) -> Error {
    Error::Open(format!("{error:#}"))
}

/// A name for a scratch database that nobody else has.
pub fn scratch_name(dice: &Dice) -> String {
    format!("backline_drill_{}", hex::encode(dice.bytes::<6>()))
}
