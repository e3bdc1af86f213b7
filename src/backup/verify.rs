//! Reading everything, and saying what is wrong.

use futures::{StreamExt, TryStreamExt};
use sea_orm::{ConnectionTrait, DatabaseConnection};

use super::{
    Error, Manifest, Progress,
    list::Reader,
    make::Folder,
    place::{List, Place},
    samples, store,
    transfer::{self, AT_ONCE, Expected, Fault},
};
use crate::{
    app::App,
    audit, db,
    entity::{stored_blob, upload_segment},
    objects::{ObjectKey, Objects},
};

/// Rows read at once.
const PAGE: u64 = 500;
/// Lines that a report holds; further ones are counted.
const MOST: usize = 100;

/// What was read, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// A line for each thing that is wrong; the first hundred.
    pub wrong: Vec<String>,
    /// Things that are wrong beyond those.
    pub more: u64,
    /// Objects that were read whole.
    pub objects: u64,
    pub bytes: u64,
    /// Objects that no row names: left by processes that were killed, or just being written. The sweeper sees to them.
    pub unnamed: u64,
    /// Sealed values that were opened.
    pub samples: u64,
    /// Rows of the audit trail that were followed.
    pub audit_rows: i64,
}

impl Report {
    pub fn is_whole(&self) -> bool {
        self.wrong.is_empty()
    }

    fn add(&mut self, line: String) {
        if self.wrong.len() < MOST { self.wrong.push(line) } else { self.more += 1 }
    }

    /// The first line, and how many there are: for a sentence.
    pub fn summary(&self) -> String {
        let count = self.wrong.len() as u64 + self.more;
        let first = self.wrong.first().map_or("nothing is wrong", String::as_str);
        if count > 1 { format!("{first} (and {} more)", count - 1) } else { first.to_owned() }
    }
}

/// Whose objects are read.
#[derive(Clone, Copy)]
pub enum Bytes<'a> {
    /// Those in the server's own store.
    Own,
    /// Those of a backup.
    Of(&'a Place, &'a Manifest),
}

/// Checks the database, every object that it names, the audit trail, and that sealed values open. `sealed` is `false`
/// where the keys are known to be missing: then what needs them is left out.
///
/// # Errors
/// When something cannot be asked at all. What is wrong is in the report.
pub async fn verify(app: &App, bytes: Bytes<'_>, sealed: bool, progress: &Progress) -> Result<Report, Error> {
    let mut report = Report::default();
    let whole = db::without_limits(&app.config)?;
    progress.step("checking the database");
    for line in db::integrity(&whole).await? {
        report.add(line);
    }
    if sealed {
        let (tried, closed) = samples::open(&whole, app).await?;
        report.samples = tried;
        for line in closed {
            report.add(line);
        }
        progress.step("following the audit trail");
        let trail = audit::verify(app, audit::Range { from: 1, to: None, after: None, until: None }).await?;
        report.audit_rows = trail.verified;
        if let Some((sequence, problem)) = trail.broken {
            report.add(format!("the audit trail is broken at row {sequence}: {problem}"));
        }
    }
    progress.step("reading objects");
    blobs(app, &whole, bytes, progress, &mut report).await?;
    match bytes {
        Bytes::Own => {
            segments(&whole, &app.objects, &mut report).await?;
            exports(app, &whole, &mut report).await?;
            unnamed(&whole, &app.objects, &mut report).await?;
        }
        Bytes::Of(place, manifest) => pieces(app, place, manifest, &mut report).await?,
    }
    whole.close().await?;
    Ok(report)
}

async fn blobs(
    app: &App,
    db: &DatabaseConnection,
    bytes: Bytes<'_>,
    progress: &Progress,
    report: &mut Report,
) -> Result<(), Error> {
    let mut after = None;
    loop {
        let page = store::list_blobs(db, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        let checks = page.into_iter().map(|blob| blob_is_whole(app, bytes, blob));
        let mut checks = futures::stream::iter(checks).buffer_unordered(AT_ONCE);
        while let Some((blob, checked)) = checks.next().await {
            let size = u64::try_from(blob.size_bytes).unwrap_or(0);
            report.objects += 1;
            report.bytes += size;
            progress.add("objects read", 1, size);
            match checked {
                Ok(()) => {}
                // It may have been let go of since the page was read.
                Err(Fault::Missing) if !store::is_live(db, blob.id).await? => {}
                Err(Fault::Store(error)) => return Err(error.into()),
                Err(fault) => report.add(format!("the object {} {}", blob.storage_key, fault.why())),
            }
        }
    }
}

async fn blob_is_whole(
    app: &App,
    bytes: Bytes<'_>,
    blob: stored_blob::Model,
) -> (stored_blob::Model, Result<(), Fault>) {
    let sha256 = hex::encode(blob.sha256.as_bytes());
    let expected = Expected { sha256: &sha256, size_bytes: u64::try_from(blob.size_bytes).unwrap_or(0) };
    let checked = match bytes {
        Bytes::Own => transfer::check(&app.objects, &ObjectKey::stored(&blob.storage_key), expected).await,
        Bytes::Of(place, _) => transfer::check(&place.store, &Place::content(&sha256), expected).await,
    };
    (blob, checked)
}

/// Pieces of unfinished uploads, by their CRC32C.
async fn segments(db: &DatabaseConnection, objects: &Objects, report: &mut Report) -> Result<(), Error> {
    let mut upload = None;
    loop {
        let uploads = store::list_open_uploads(db, upload, PAGE).await?;
        let Some(&last) = uploads.last() else { return Ok(()) };
        upload = Some(last);
        for id in uploads {
            let mut offset = None;
            loop {
                let page = store::list_segments(db, id, offset, PAGE).await?;
                let Some(last) = page.last() else { break };
                offset = Some(last.start_offset);
                for segment in &page {
                    report.objects += 1;
                    report.bytes += u64::try_from(segment.length_bytes).unwrap_or(0);
                    match segment_is_whole(objects, segment).await {
                        Ok(()) => {}
                        Err(Fault::Store(error)) => return Err(error.into()),
                        // Pieces go when their upload ends.
                        Err(_) if !store::is_open(db, id).await? => {}
                        Err(fault) => report.add(format!("the piece {} {}", segment.storage_key, fault.why())),
                    }
                }
            }
        }
    }
}

async fn segment_is_whole(objects: &Objects, segment: &upload_segment::Model) -> Result<(), Fault> {
    let key = ObjectKey::stored(&segment.storage_key);
    let size = u64::try_from(segment.length_bytes).unwrap_or(0);
    let mut blocks = objects.read(&key, 0..size).await?;
    let (mut crc32c, mut read) = (0, 0);
    while let Some(block) = blocks.try_next().await? {
        crc32c = crc32c::crc32c_append(crc32c, &block);
        read += block.len() as u64;
    }
    if read == size && i64::from(crc32c) == segment.crc32c { Ok(()) } else { Err(Fault::Differs) }
}

/// People's copies of their data.
async fn exports(app: &App, db: &DatabaseConnection, report: &mut Report) -> Result<(), Error> {
    let mut after = None;
    loop {
        let page = store::list_exports(db, app.clock.now(), after, PAGE).await?;
        let Some(end) = page.last() else { return Ok(()) };
        after = Some(end.id);
        for export in &page {
            let (Some(key), Some(size), Some(sha256)) = (&export.storage_key, export.size_bytes, &export.sha256) else {
                continue;
            };
            let sha256 = hex::encode(sha256.as_bytes());
            let expected = Expected { sha256: &sha256, size_bytes: u64::try_from(size).unwrap_or(0) };
            report.objects += 1;
            report.bytes += expected.size_bytes;
            match transfer::check(&app.objects, &ObjectKey::stored(key), expected).await {
                Ok(()) => {}
                Err(Fault::Store(error)) => return Err(error.into()),
                Err(fault) => report.add(format!("the copy {key} {}", fault.why())),
            }
        }
    }
}

/// Counts what no row names.
async fn unnamed(db: &impl ConnectionTrait, objects: &Objects, report: &mut Report) -> Result<(), Error> {
    let listed = objects.list(&ObjectKey::stored(""));
    let mut pages = std::pin::pin!(listed.try_chunks(usize::try_from(PAGE).unwrap_or(500)));
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| Error::from(error.1))?;
        let keys = page.iter().map(|object| object.key.as_str().to_owned()).collect();
        report.unnamed += store::list_unnamed(db, keys).await?.len() as u64;
    }
    Ok(())
}

/// A backup's pieces of unfinished uploads.
async fn pieces(app: &App, place: &Place, manifest: &Manifest, report: &mut Report) -> Result<(), Error> {
    let folder = Folder::make(app.config.data_dir.join("drill-lists"))?;
    place.fetch_list(manifest, List::Staging, &folder.list(List::Staging)).await?;
    place.fetch_list(manifest, List::Objects, &folder.list(List::Objects)).await?;
    let mut reader = Reader::open(&folder.list(List::Staging))?;
    while let Some(entry) = reader.next()? {
        let expected = Expected { sha256: &entry.sha256, size_bytes: entry.size_bytes };
        report.objects += 1;
        report.bytes += entry.size_bytes;
        match transfer::check(&place.store, &Place::piece(&manifest.name, &entry.sha256), expected).await {
            Ok(()) => {}
            Err(Fault::Store(error)) => return Err(error.into()),
            Err(fault) => report.add(format!("the piece {} {}", entry.key, fault.why())),
        }
    }
    Ok(())
}

/// Compares rows as they were counted with those of a restored database.
pub fn compare_rows(manifest: &Manifest, found: &std::collections::BTreeMap<String, u64>) -> Option<String> {
    let wanted = &manifest.database.rows;
    let other = wanted.iter().find(|(table, rows)| found.get(*table) != Some(rows));
    other.map(|(table, rows)| {
        let there = found.get(table).copied().unwrap_or(0);
        format!("the table {table} had {rows} rows and has {there}")
    })
}
