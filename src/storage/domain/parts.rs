//! Parts that arrive by signed URLs: where they go, and how they come to count.

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::PutPayload;

use super::{PART_BYTES, Told, must_be_open, owned};
use crate::{
    app::App,
    entity::{upload::Model, upload_segment},
    kernel::{Caller, Timestamp, ids::UploadId},
    objects::{ObjectError, ObjectKey},
    storage::{
        error::Error,
        part::{Marker, Part},
        store::{self, Progress},
    },
};

/// How long a URL works.
const LIFE: std::time::Duration = std::time::Duration::from_mins(15);

/// URLs for some parts.
#[derive(Clone, Debug)]
pub struct SignedParts {
    pub told: Told,
    pub urls: Vec<(Part, String)>,
    pub expires_at: Timestamp,
}

/// Signs a URL for each part: one of the store's own where the settings want that, else one of ours.
pub async fn sign_parts(app: &App, caller: &Caller, how: super::Append, parts: &[Part]) -> Result<SignedParts, Error> {
    let mut upload = open_to(app, caller, how.upload, how.generation.filter(|_| !how.take_over)).await?;
    for part in parts {
        if part.end() > upload.size_bytes {
            return Err(Error::Size { declared: upload.size_bytes });
        }
        if part.offset < upload.persisted_bytes {
            return Err(Error::Gap { expected: upload.persisted_bytes, provided: part.offset });
        }
    }
    let now = app.clock.now();
    if how.take_over {
        let taken = store::update_writer(&app.db.write_one(), how.upload, None, now).await?;
        upload = match taken {
            Some(upload) => upload,
            None => open_to(app, caller, how.upload, None).await?,
        };
    }
    let expires = (now + LIFE).min(upload.expires_at).micros().div_euclid(1_000_000);
    let life = LIFE.min(upload.expires_at.since(now));
    let (marker, generation) = (Marker::new(&app.keys), upload.writer_generation);
    let mut urls = Vec::with_capacity(parts.len());
    for &part in parts {
        let theirs = app.objects.sign_upload(&marker.key(upload.id, generation, part), life).await?;
        let ours = || marker.url(&app.config.public_url(), upload.id, generation, part, expires);
        urls.push((part, theirs.unwrap_or_else(ours)));
    }
    let expires_at = Timestamp::from_micros(expires * 1_000_000);
    Ok(SignedParts { told: Told::of(app, upload), urls, expires_at })
}

/// Keeps the bytes of a part that came to a URL of ours; durable on return, and not yet counted.
pub async fn keep_part(app: &App, id: UploadId, generation: i64, part: Part, bytes: Bytes) -> Result<(), Error> {
    let upload = store::find(&app.db, id).await?.ok_or(Error::NotFound("upload"))?;
    must_be_open(&upload, app.clock.now())?;
    if upload.writer_generation != generation {
        return Err(Error::Superseded { generation: upload.writer_generation });
    }
    if i64::try_from(bytes.len()) != Ok(part.size_bytes) || crc32c::crc32c(&bytes) != part.crc32c {
        return Err(Error::Checksum { offset: part.offset });
    }
    must_have_room(app, &upload, part).await?;
    let key = Marker::new(&app.keys).key(id, generation, part);
    Ok(app.objects.put(&key, PutPayload::from_bytes(bytes)).await?)
}

/// Parts may be sent again, with other places and checksums too: what lies there of an upload is twice its size at most, and
/// one part.
async fn must_have_room(app: &App, upload: &Model, part: Part) -> Result<(), Error> {
    let bytes = |size: i64| u64::try_from(size).unwrap_or(0);
    super::create::must_leave_reserve(app, part.size_bytes).await?;
    let listed = app.objects.list(&ObjectKey::staging(upload.id));
    let stored: u64 = listed.map_ok(|object| object.size_bytes).try_fold(0, async |sum, size| Ok(sum + size)).await?;
    if stored + bytes(part.size_bytes) > 2 * bytes(upload.size_bytes) + PART_BYTES as u64 {
        return Err(Error::Quota { quota: "in_flight_bytes", limit: 2 * upload.size_bytes });
    }
    Ok(())
}

/// Takes parts in: each is read and checked, then the prefix moves over all of them in one transaction.
pub async fn commit_parts(
    app: &App,
    caller: &Caller,
    id: UploadId,
    generation: Option<i64>,
    parts: &[Part],
) -> Result<Told, Error> {
    let upload = open_to(app, caller, id, generation).await?;
    let new = unknown(app, &upload, parts).await?;
    let (Some(first), Some(last)) = (new.first(), new.last()) else { return Ok(Told::of(app, upload)) };
    let marker = Marker::new(&app.keys);
    let mut segments = Vec::with_capacity(new.len());
    let now = app.clock.now();
    for &part in new {
        let key = marker.key(id, upload.writer_generation, part);
        must_be_whole(app, &key, part).await?;
        segments.push(upload_segment::Model {
            upload_id: id,
            start_offset: part.offset,
            length_bytes: part.size_bytes,
            crc32c: i64::from(part.crc32c),
            storage_key: key.as_str().to_owned(),
            created_at: now,
        });
    }
    let progress = Progress {
        upload: id,
        from: first.offset,
        length: last.end() - first.offset,
        generation: Some(upload.writer_generation),
        take_over: false,
        now,
    };
    let tx = app.db.begin_write().await?;
    let Some(moved) = store::update_progress(&tx, progress, app.config.uploads.expire_after).await? else {
        tx.rollback().await?;
        let upload = open_to(app, caller, id, generation).await?;
        // The same call at the same time was faster, or somebody else was.
        return match unknown(app, &upload, parts).await? {
            [] => Ok(Told::of(app, upload)),
            _ => Err(Error::Superseded { generation: upload.writer_generation }),
        };
    };
    for segment in segments {
        store::insert_segment(&tx, segment).await?;
    }
    tx.commit().await?;
    Ok(Told::of(app, moved))
}

/// The caller's upload, if it takes bytes and its writer is who the caller believes.
async fn open_to(app: &App, caller: &Caller, id: UploadId, generation: Option<i64>) -> Result<Model, Error> {
    let upload = owned(app, caller, id).await?;
    must_be_open(&upload, app.clock.now())?;
    match generation {
        Some(known) if known != upload.writer_generation => {
            Err(Error::Superseded { generation: upload.writer_generation })
        }
        _ => Ok(upload),
    }
}

/// Those of the parts that are not taken in yet: they go on where the prefix ends, without a gap.
async fn unknown<'a>(app: &App, upload: &Model, parts: &'a [Part]) -> Result<&'a [Part], Error> {
    let known = parts.iter().take_while(|part| part.offset < upload.persisted_bytes).count();
    let (known, new) = parts.split_at(known);
    if let (Some(first), Some(last)) = (known.first(), known.last()) {
        let segments = store::list_segments_between(&app.db, upload.id, first.offset, last.end(), 1).await?;
        let is_there = |part: &Part| {
            segments.iter().any(|segment| {
                (segment.start_offset, segment.length_bytes, segment.crc32c)
                    == (part.offset, part.size_bytes, i64::from(part.crc32c))
            })
        };
        if let Some(other) = known.iter().find(|part| !is_there(part)) {
            return Err(Error::Conflict { offset: other.offset });
        }
    }
    let mut expected = upload.persisted_bytes;
    for part in new {
        if part.offset != expected {
            return Err(Error::Gap { expected, provided: part.offset });
        }
        expected = part.end();
    }
    if expected > upload.size_bytes { Err(Error::Size { declared: upload.size_bytes }) } else { Ok(new) }
}

/// Reads a part: all of its bytes are there, and they are the right ones.
async fn must_be_whole(app: &App, key: &ObjectKey, part: Part) -> Result<(), Error> {
    let missing = Error::Incomplete { from: part.offset, to: part.end() };
    let (mut length, mut crc32c) = (0, 0);
    let mut blocks = match app.objects.read_all(key).await {
        Err(ObjectError::Missing) => return Err(missing),
        blocks => blocks?,
    };
    while let Some(block) = blocks.try_next().await? {
        length += i64::try_from(block.len()).unwrap_or(i64::MAX);
        if length > part.size_bytes {
            break;
        }
        crc32c = crc32c::crc32c_append(crc32c, &block);
    }
    if (length, crc32c) == (part.size_bytes, part.crc32c) {
        return Ok(());
    }
    drop(blocks);
    app.objects.delete(key).await?;
    Err(Error::Checksum { offset: part.offset })
}
