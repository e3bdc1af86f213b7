//! Taking a backup.
//!
//! In this order, on which everything rests: the hold on the objects; the copy of the database; what the copy names; the
//! manifest; the end of the hold.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt};
use sea_orm::ConnectionTrait;
use tokio::time::Instant;

use super::{
    Error, Manifest, Name, Progress,
    list::{Entry, Reader, Summary, Writer},
    manifest::Database,
    place::{Found, List, Place},
    progress::size,
    prune, store,
    transfer::{self, AT_ONCE, Expected, Fault},
};
use crate::{
    app::App,
    db::{self, Snapshot},
    entity::{stored_blob, upload_segment},
    kernel::{Digest, Timestamp},
    objects::ObjectKey,
    storage::hold,
    vault::{Ring, pepper_ids},
};

/// Rows read at once.
const PAGE: u64 = 500;

/// What backup is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// How many backups to keep, this one included; all, if nothing is said.
    pub keep: Option<usize>,
    /// None, if there is one that is not older than this.
    pub unless_younger: Option<Duration>,
}

/// Takes a backup, and drops those that are too many once it is whole. `None` if there was one that is young enough.
///
/// # Errors
/// [`Error::UnderWay`] if somebody is at it; when anything that the database names cannot be copied. Then there is no
/// backup, and the next one clears up.
pub async fn make(app: &App, place: &Place, wanted: Wanted, progress: &Progress) -> Result<Option<Manifest>, Error> {
    let current = migrations::status(app.db.for_migrations()).await?;
    if !current.is_current() {
        return Err(Error::OtherSchema);
    }
    let began = app.clock.now();
    // Most looks end here, before anybody's deletions are held.
    if is_young(&place.find().await?, wanted, began)? {
        return Ok(None);
    }
    let holder = hex::encode(app.dice.bytes::<8>());
    if !hold::take(app, &holder).await? {
        return Err(Error::UnderWay);
    }
    let made = tokio::select! {
        made = under_hold(app, place, wanted, progress, &holder) => made,
        () = beat(app, &holder) => Err(Error::HoldLost),
    };
    if let Err(error) = hold::end(app, &holder).await {
        tracing::warn!(%error, "the hold on the objects ends by itself in two minutes");
    }
    made
}

/// Extends the hold again and again; returns only when it was lost.
async fn beat(app: &App, holder: &str) {
    let mut extended = Instant::now();
    loop {
        tokio::time::sleep(hold::BEAT).await;
        match hold::extend(app, holder).await {
            Ok(true) => extended = Instant::now(),
            Ok(false) => return,
            Err(error) if extended.elapsed() < hold::LEASE => {
                tracing::warn!(%error, "the hold on the objects was not extended");
            }
            Err(_) => return,
        }
    }
}

async fn under_hold(
    app: &App,
    place: &Place,
    wanted: Wanted,
    progress: &Progress,
    holder: &str,
) -> Result<Option<Manifest>, Error> {
    let (found, mut began) = (place.find().await?, app.clock.now());
    if is_young(&found, wanted, began)? {
        return Ok(None);
    }
    // Backups are told apart by age, whatever the clock does.
    if let Some(newest) = found.whole.last() {
        began = began.max(newest.moment() + Duration::from_micros(1));
    }
    let name = &Name::new(began, &app.dice);
    let folder = Folder::make(app.config.data_dir.join("backup"))?;
    let timer = Instant::now();
    progress.step("copying the database");
    let (database, file, objects) = copy_database(app, &folder).await?;
    let mut manifest = Manifest::begun(name.clone(), began, database);
    progress.step(&format!("storing the database, {}", size(manifest.database.size_bytes)));
    let (size_bytes, sha256) =
        transfer::upload(&file, &place.store, &Place::file(name, &manifest.database.file)).await?;
    (manifest.database.size_bytes, manifest.database.sha256) = (size_bytes, sha256);
    drop(tokio::fs::remove_file(&file).await);

    let copier = Copier { app, place, name, progress };
    (manifest.new_objects, manifest.new_bytes) = copier.objects(&folder.list(List::Objects)).await?;
    manifest.objects = objects;
    manifest.staging = copier.staging(&folder.list(List::Staging), &folder.0.join("staging.out")).await?;
    place.put_list(name, List::Objects, &folder.list(List::Objects)).await?;
    place.put_list(name, List::Staging, &folder.0.join("staging.out")).await?;
    manifest.keys = key_ids(app);
    manifest.took_ms = u64::try_from(timer.elapsed().as_millis()).unwrap_or(u64::MAX);
    // Up to here nothing can have been deleted; from here on nothing matters to this backup.
    if !hold::extend(app, holder).await? {
        return Err(Error::HoldLost);
    }
    let manifest = place.put_manifest(manifest).await?;
    prune::after(place, &found, wanted.keep, &folder.0, progress).await?;
    Ok(Some(manifest))
}

/// Clocks of instances differ by less.
const SKEW: Duration = Duration::from_mins(1);

/// Whether there is a backup that is not older than wanted.
///
/// # Errors
/// When the newest is of a time to come: until then none would be made.
fn is_young(found: &Found, wanted: Wanted, now: Timestamp) -> Result<bool, Error> {
    let newest = found.whole.last().map(Name::moment);
    if newest.is_some_and(|newest| newest.since(now) > SKEW) {
        let newest = found.whole.last().map(ToString::to_string).unwrap_or_default();
        return Err(Error::Place(format!(
            "the newest backup, {newest}, is of a time to come; set the clock by NTP, or remove that backup"
        )));
    }
    Ok(wanted.unless_younger.zip(newest).is_some_and(|(age, newest)| now.since(newest) < age))
}

/// A folder of this machine that goes with its value, and what a killed run left of it with the next.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn make(path: PathBuf) -> Result<Self, Error> {
        use std::os::unix::fs::DirBuilderExt;

        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::disk(&path)(error)),
            _ => {}
        }
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(Error::disk(&path))?;
        Ok(Self(path))
    }

    pub fn list(&self, list: List) -> PathBuf {
        self.0.join(match list {
            List::Objects => "objects.jsonl",
            List::Staging => "staging.jsonl",
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Copies the database and writes down, of the same moment, what it names.
async fn copy_database(app: &App, folder: &Folder) -> Result<(Database, PathBuf, Summary), Error> {
    let snapshot: Snapshot = db::snapshot(&app.config, &folder.0).await?;
    let (reader, file) = (snapshot.reader(), snapshot.file.clone());
    let database = Database {
        kind: db::kind(&app.config).name().to_owned(),
        file: file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        size_bytes: std::fs::metadata(&file).map_err(Error::disk(&file))?.len(),
        sha256: String::new(),
        migrations: store::list_migrations(reader).await?,
        rows: store::count_rows(reader).await?,
    };
    let objects = write_objects(reader, &folder.list(List::Objects)).await?;
    write_staging(reader, &folder.list(List::Staging)).await?;
    snapshot.end().await?;
    Ok((database, file, objects))
}

/// All that the database names, in the order of contents.
async fn write_objects(db: &impl ConnectionTrait, path: &Path) -> Result<Summary, Error> {
    let entry = |blob: &stored_blob::Model| {
        Entry::new(&blob.storage_key, &blob.sha256, u64::try_from(blob.size_bytes).unwrap_or(0))
    };
    let mut list = Writer::create(path)?;
    let mut reviving = store::list_reviving_blobs(db).await?.into_iter().peekable();
    let mut after: Option<Digest> = None;
    loop {
        let page = store::list_live_blobs(db, after, PAGE).await?;
        for blob in &page {
            while let Some(early) = reviving.next_if(|early| early.sha256.as_bytes() <= blob.sha256.as_bytes()) {
                list.add(&entry(&early))?;
            }
            list.add(&entry(blob))?;
        }
        match page.last() {
            Some(end) => after = Some(end.sha256),
            None => break,
        }
    }
    for late in reviving {
        list.add(&entry(&late))?;
    }
    list.finish()
}

/// The pieces of unfinished uploads. What they are is known when they are read: their rows have no SHA-256.
async fn write_staging(db: &impl ConnectionTrait, path: &Path) -> Result<(), Error> {
    let mut list = Writer::create(path)?;
    let mut upload = None;
    loop {
        let uploads = store::list_open_uploads(db, upload, PAGE).await?;
        for &id in &uploads {
            let mut offset = None;
            loop {
                let segments = store::list_segments(db, id, offset, PAGE).await?;
                for segment in &segments {
                    let size = u64::try_from(segment.length_bytes).unwrap_or(0);
                    list.add(&Entry::new(&segment.storage_key, &placeholder(segment), size))?;
                }
                match segments.last() {
                    Some(end) => offset = Some(end.start_offset),
                    None => break,
                }
            }
        }
        match uploads.last() {
            Some(&end) => upload = Some(end),
            None => return list.finish().map(drop),
        }
    }
}

/// Carries the checksum of a piece to where it is read.
fn placeholder(segment: &upload_segment::Model) -> Digest {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&segment.crc32c.to_be_bytes());
    Digest::from_bytes(bytes)
}

struct Copier<'a> {
    app: &'a App,
    place: &'a Place,
    name: &'a Name,
    progress: &'a Progress,
}

impl Copier<'_> {
    /// Copies every content that the place does not have. Returns how many and how large.
    async fn objects(&self, list: &Path) -> Result<(u64, u64), Error> {
        let mut reader = Reader::open(list)?;
        let (mut shard, mut known) = (String::new(), HashMap::new());
        let (mut count, mut bytes) = (0, 0);
        self.progress.step("copying objects");
        loop {
            let page = reader.batch(usize::try_from(PAGE).unwrap_or(500))?;
            if page.is_empty() {
                return Ok((count, bytes));
            }
            let mut missing = Vec::new();
            for entry in page {
                if entry.sha256[..2] != shard {
                    entry.sha256[..2].clone_into(&mut shard);
                    known = self.place.shard(&shard).await?;
                }
                if known.insert(entry.sha256.clone(), entry.size_bytes) != Some(entry.size_bytes) {
                    missing.push(entry);
                }
            }
            count += missing.len() as u64;
            bytes += missing.iter().map(|entry| entry.size_bytes).sum::<u64>();
            let copies = missing.into_iter().map(|entry| self.object(entry));
            futures::stream::iter(copies).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        }
    }

    async fn object(&self, entry: Entry) -> Result<(), Error> {
        let key = ObjectKey::stored(&entry.key);
        let expected = Expected { sha256: &entry.sha256, size_bytes: entry.size_bytes };
        let from = (&self.app.objects, &key);
        let copied = transfer::copy(from, (&self.place.store, &Place::content(&entry.sha256)), expected).await;
        copied.map_err(|fault| source(&entry.key, fault))?;
        self.progress.add("objects copied", 1, entry.size_bytes);
        Ok(())
    }

    /// Copies the pieces of unfinished uploads, and writes down what they are.
    async fn staging(&self, list: &Path, out: &Path) -> Result<Summary, Error> {
        let (mut reader, mut writer) = (Reader::open(list)?, Writer::create(out)?);
        while let Some(entry) = reader.next()? {
            writer.add(&self.piece(&entry).await?)?;
        }
        writer.finish()
    }

    async fn piece(&self, entry: &Entry) -> Result<Entry, Error> {
        let key = ObjectKey::stored(&entry.key);
        let read = async {
            let blocks: Vec<bytes::Bytes> =
                self.app.objects.read(&key, 0..entry.size_bytes).await?.try_collect().await?;
            Ok::<_, crate::objects::ObjectError>(blocks)
        };
        let blocks = read.await.map_err(|error| source(&entry.key, error.into()))?;
        let whole = blocks.concat();
        let crc32c = hex::encode(crc32c::crc32c(&whole).to_be_bytes());
        if whole.len() as u64 != entry.size_bytes || !entry.sha256.ends_with(&crc32c) {
            return Err(source(&entry.key, Fault::Differs));
        }
        let piece = Entry::new(&entry.key, &Digest::sha256(&whole), entry.size_bytes);
        self.place.store.put(&Place::piece(self.name, &piece.sha256), whole.into()).await?;
        Ok(piece)
    }
}

fn source(key: &str, fault: Fault) -> Error {
    match fault {
        Fault::Store(error) => error.into(),
        other => Error::Source { key: key.to_owned(), why: other.why() },
    }
}

/// Identifiers of all keys. The vault's are those that a restore needs.
fn key_ids(app: &App) -> BTreeMap<String, Vec<String>> {
    let ids = |ring: &Ring| ring.keys().iter().map(|key| key.id().to_owned()).collect();
    let rings = [("token", &app.keys.token), ("page", &app.keys.page), ("vault", &app.keys.vault)];
    let mut keys: BTreeMap<_, Vec<String>> =
        rings.into_iter().map(|(kind, ring)| (kind.to_owned(), ids(ring))).collect();
    keys.insert("pepper".to_owned(), pepper_ids(&app.config.passwords));
    keys
}
