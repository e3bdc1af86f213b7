//! Writing bytes: one chunk, or a run of them.
//!
//! Bytes come before rows: a segment's object is durable before the upload's prefix moves over it. What was stored and
//! not committed is litter in the upload's staging, and goes with it.

use bytes::Bytes;
use futures::StreamExt;
use object_store::PutPayload;
use tokio::{task::JoinHandle, time::Instant};
use tracing::Instrument;

use super::{MAX_CHUNK_BYTES, PART_BYTES, Told, must_be_open, owned};
use crate::{
    app::App,
    entity::{upload::Model, upload_segment},
    kernel::{Caller, deadline, ids::UploadId},
    objects::ObjectKey,
    storage::{
        error::Error,
        prefix::{self, Comparison},
        store::{self, Progress},
    },
};

/// A stream's bytes wait at most so long in memory.
const PART_AGE: std::time::Duration = std::time::Duration::from_secs(2);
/// How often a chunk is tried against others that move the prefix at the same time.
const ATTEMPTS: usize = 5;

/// Bytes and where they belong, `1..=1 MiB` of them.
#[derive(Clone, Debug)]
pub struct Chunk {
    pub offset: i64,
    pub data: Bytes,
    /// As the client counted it; `None` if it did not.
    pub crc32c: Option<u32>,
}

impl Chunk {
    fn check(&self) -> Result<(), Error> {
        debug_assert!(self.data.len() <= MAX_CHUNK_BYTES);
        match self.crc32c {
            Some(crc) if crc != crc32c::crc32c(&self.data) => Err(Error::Checksum { offset: self.offset }),
            _ => Ok(()),
        }
    }
}

/// How a single chunk wants to be written.
#[derive(Clone, Copy, Debug)]
pub struct Append {
    pub upload: UploadId,
    /// The writer the client believes to be; `None` if it does not care.
    pub generation: Option<i64>,
    pub take_over: bool,
}

/// Writes one chunk; durable on return.
///
/// Two equal chunks at once both succeed: whoever loses the race looks again and finds its bytes stored.
pub async fn append(app: &App, caller: &Caller, how: Append, chunk: Chunk) -> Result<Told, Error> {
    let mut upload = owned(app, caller, how.upload).await?;
    chunk.check()?;
    for _ in 0..ATTEMPTS {
        let now = app.clock.now();
        must_be_open(&upload, now)?;
        // Taking over needs no leave of whoever wrote before.
        let generation = how.generation.filter(|_| !how.take_over);
        if generation.is_some_and(|known| known != upload.writer_generation) {
            return Err(Error::Superseded { generation: upload.writer_generation });
        }
        let known = compare(app, &upload, &chunk).await?;
        let tail = chunk.data.slice(known..);
        let written = if !tail.is_empty() {
            let mut part = Part::at(upload.persisted_bytes);
            // The checksum of the chunk is the segment's, if the whole chunk is.
            part.push(tail, chunk.crc32c.filter(|_| known == 0));
            persist(app, how.upload, generation, how.take_over, part).await?
        } else if how.take_over {
            store::update_writer(&app.db.write_one(), how.upload, None, now).await?
        } else {
            Some(upload)
        };
        match written {
            Some(upload) => return Ok(Told::of(app, upload)),
            None => upload = owned(app, caller, how.upload).await?,
        }
    }
    Err(Error::Superseded { generation: upload.writer_generation })
}

/// Finds the chunk's place and compares what lies below the durable prefix. Returns how many of its bytes are stored.
async fn compare(app: &App, upload: &Model, chunk: &Chunk) -> Result<usize, Error> {
    let (prefix, size) = (upload.persisted_bytes, upload.size_bytes);
    let place = prefix::place(prefix, size, chunk.offset, chunk.data.len())
        .map_err(|why| Error::misplaced(why, prefix, chunk.offset, size))?;
    if place.known > 0 {
        let end = chunk.offset + length(place.known);
        let longest = length(PART_BYTES);
        let segments = store::list_segments_between(&app.db, upload.id, chunk.offset, end, longest).await?;
        // Segments vanish only with their upload, which its next look-up tells.
        let plan = prefix::comparisons(&segments, chunk.offset, place.known).ok_or(Error::Conflict { offset: end })?;
        for comparison in plan {
            if !is_equal(app, &comparison, &chunk.data[comparison.chunk.clone()]).await? {
                return Err(Error::Conflict { offset: chunk.offset });
            }
        }
    }
    Ok(place.known)
}

async fn is_equal(app: &App, comparison: &Comparison<'_>, bytes: &[u8]) -> Result<bool, Error> {
    if comparison.is_whole() {
        return Ok(i64::from(crc32c::crc32c(bytes)) == comparison.segment.crc32c);
    }
    let key = ObjectKey::stored(&comparison.segment.storage_key);
    let mut stored = app.objects.read(&key, comparison.stored.clone()).await?;
    let mut left = bytes;
    while let Some(block) = stored.next().await.transpose()? {
        match left.split_at_checked(block.len()) {
            Some((head, rest)) if head == block => left = rest,
            _ => return Ok(false),
        }
    }
    Ok(left.is_empty())
}

/// Bytes on their way to become one segment.
#[derive(Debug)]
struct Part {
    start: i64,
    bytes: usize,
    crc32c: u32,
    pieces: Vec<Bytes>,
    /// When the first of them came.
    since: Instant,
}

impl Part {
    fn at(start: i64) -> Self {
        Self { start, bytes: 0, crc32c: 0, pieces: Vec::new(), since: Instant::now() }
    }

    /// `crc32c` of the piece, if it is known: combining two checksums is cheaper than reading a large piece again.
    fn push(&mut self, piece: Bytes, crc32c: Option<u32>) {
        const WORTH_COMBINING: usize = 32 * 1024;
        if self.pieces.is_empty() {
            self.since = Instant::now();
        }
        self.crc32c = match crc32c {
            Some(crc) if self.bytes == 0 => crc,
            Some(crc) if piece.len() >= WORTH_COMBINING => crc32c::crc32c_combine(self.crc32c, crc, piece.len()),
            _ => crc32c::crc32c_append(self.crc32c, &piece),
        };
        self.bytes += piece.len();
        self.pieces.push(piece);
    }

    fn end(&self) -> i64 {
        self.start + length(self.bytes)
    }
}

/// Makes a part durable: its bytes, then its row and the upload's new prefix.
///
/// `None` if the upload, its writer or its prefix is not what it was; then nothing changed.
async fn persist(
    app: &App,
    upload: UploadId,
    generation: Option<i64>,
    take_over: bool,
    part: Part,
) -> Result<Option<Model>, Error> {
    let key = ObjectKey::segment(upload, part.start, &app.dice);
    app.objects.put(&key, part.pieces.iter().cloned().collect::<PutPayload>()).await?;

    let now = app.clock.now();
    let from = part.start;
    let progress = Progress { upload, from, length: length(part.bytes), generation, take_over, now };
    let tx = app.db.begin_write().await?;
    let Some(upload) = store::update_progress(&tx, progress, app.config.uploads.expire_after).await? else {
        tx.rollback().await?;
        if let Err(error) = app.objects.delete(&key).await {
            tracing::warn!(%error, "a segment that nobody refers to stays until its upload ends");
        }
        return Ok(None);
    };
    let segment = upload_segment::Model {
        upload_id: upload.id,
        start_offset: part.start,
        length_bytes: length(part.bytes),
        crc32c: i64::from(part.crc32c),
        storage_key: key.as_str().to_owned(),
        created_at: now,
    };
    store::insert_segment(&tx, segment).await?;
    tx.commit().await?;
    Ok(Some(upload))
}

/// The writer of one stream. It holds at most two parts: one that fills, and one on its way to the disk.
pub struct Writer {
    app: App,
    caller: Caller,
    /// As of the last commit that was waited for.
    upload: Model,
    part: Part,
    flight: Option<JoinHandle<Result<Option<Model>, Error>>>,
}

impl Writer {
    /// Becomes the upload's only writer; with `generation`, only if nobody else did since.
    pub async fn open(app: &App, caller: &Caller, id: UploadId, generation: Option<i64>) -> Result<Self, Error> {
        let upload = owned(app, caller, id).await?;
        let now = app.clock.now();
        must_be_open(&upload, now)?;
        let Some(upload) = store::update_writer(&app.db.write_one(), id, generation, now).await? else {
            let upload = owned(app, caller, id).await?;
            must_be_open(&upload, now)?;
            return Err(Error::Superseded { generation: upload.writer_generation });
        };
        let part = Part::at(upload.persisted_bytes);
        Ok(Self { app: app.clone(), caller: caller.clone(), upload, part, flight: None })
    }

    /// Until when [`Writer::flush`] is wanted, if bytes are waiting.
    pub fn due(&self) -> Option<Instant> {
        (self.part.bytes > 0).then(|| self.part.since + PART_AGE)
    }

    /// Takes a chunk; it may wait in memory.
    pub async fn take(&mut self, chunk: Chunk) -> Result<(), Error> {
        chunk.check()?;
        let (end, size) = (self.part.end(), self.upload.size_bytes);
        let place = prefix::place(end, size, chunk.offset, chunk.data.len())
            .map_err(|why| Error::misplaced(why, end, chunk.offset, size))?;
        if place.known > 0 {
            // Seldom: a client that repeats itself. Its bytes are compared where all others are, in the store.
            self.settle().await?;
            compare(&self.app, &self.upload, &chunk).await?;
        }
        let tail = chunk.data.slice(place.known..);
        if tail.is_empty() {
            return Ok(());
        }
        if self.part.bytes + tail.len() > PART_BYTES {
            self.flush().await?;
        }
        self.part.push(tail, chunk.crc32c.filter(|_| place.known == 0));
        if self.part.bytes == PART_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Sends what waits on its way to the disk, once what went before has arrived.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.land().await?;
        if self.part.bytes > 0 {
            let next = Part::at(self.part.end());
            let part = std::mem::replace(&mut self.part, next);
            let (app, id, generation) = (self.app.clone(), self.upload.id, self.upload.writer_generation);
            // Another task knows nothing of this one's deadline.
            let flight = deadline::until(deadline::within(app.config.objects.timeout), async move {
                persist(&app, id, Some(generation), false, part).await
            });
            self.flight = Some(tokio::spawn(flight.in_current_span()));
        }
        Ok(())
    }

    /// Makes everything durable that was taken.
    pub async fn settle(&mut self) -> Result<(), Error> {
        self.flush().await?;
        self.land().await
    }

    /// Ends the stream; everything taken is durable on return.
    pub async fn finish(mut self) -> Result<Told, Error> {
        self.settle().await?;
        Ok(Told::of(&self.app, self.upload))
    }

    /// Waits for the part on its way. If it did not arrive, what came after it is worth nothing.
    async fn land(&mut self) -> Result<(), Error> {
        let Some(flight) = self.flight.take() else { return Ok(()) };
        let landed = match flight.await? {
            Ok(Some(upload)) => {
                self.upload = upload;
                return Ok(());
            }
            Ok(None) => None,
            Err(error) => Some(error),
        };
        self.part = Part::at(self.upload.persisted_bytes);
        if let Some(error) = landed {
            return Err(error);
        }
        let upload = owned(&self.app, &self.caller, self.upload.id).await?;
        must_be_open(&upload, self.app.clock.now())?;
        Err(Error::Superseded { generation: upload.writer_generation })
    }
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
