//! The check of a complete upload, and what it becomes.
//!
//! The segments are read once, in order; digest, type and the final object all come from that read. The final object's
//! key follows from the upload's id, so an interrupted run leaves nothing that the next one does not write over.

use futures::TryStreamExt;
use sha2::{Digest as _, Sha256};

use super::{settle, sweep};
use crate::{
    app::App,
    audit,
    entity::{
        object_reference, stored_blob,
        upload::{Model, Scan, State},
    },
    kernel::{
        Digest, Principal,
        ids::{Id, ObjectId, UploadId},
    },
    objects::{ObjectError, ObjectKey, ObjectWriter},
    pb::ErrorReason,
    rpc::fault::short_name,
    storage::{
        catalog,
        error::Error,
        kinds,
        sniff::{self, Finding},
        store::{self, Verdict},
    },
};

/// Segments read from the database at once.
const SEGMENTS_AT_ONCE: u64 = 500;

/// Checks an upload and ends it as FINALIZED or REJECTED. Of an ended one, only the staging is cleared.
pub async fn finalize(app: &App, id: UploadId) -> Result<(), Error> {
    let Some(upload) = store::find(&app.db, id).await? else { return Ok(()) };
    if upload.state == State::Verifying {
        match examine(app, &upload).await? {
            Ok(content) => accept(app, &upload, content).await?,
            Err(refused) => reject(app, &upload, refused).await?,
        }
    }
    settle(app, id).await.map(drop)
}

/// Whole, of an allowed type, and stored under the final key.
struct Content {
    sha256: Digest,
    crc32c: u32,
    media_type: &'static str,
}

/// Why the bytes are not taken, and what is known of them.
struct Refused {
    reason: ErrorReason,
    sha256: Option<Digest>,
    media_type: Option<&'static str>,
}

impl Refused {
    fn unread(reason: ErrorReason) -> Self {
        Self { reason, sha256: None, media_type: None }
    }
}

/// Reads everything once, writing the final object on the way. A refused file leaves none.
async fn examine(app: &App, upload: &Model) -> Result<Result<Content, Refused>, Error> {
    let mut writer = app.objects.writer(&sweep::final_key(upload.id)).await?;
    match read_through(app, upload, &mut writer).await {
        Ok(Ok(content)) => {
            writer.finish().await?;
            Ok(Ok(content))
        }
        other => {
            writer.abort().await;
            match other {
                // The row says that the bytes are durable: the store has lost them, and no repeat brings them back.
                Err(Error::Store(ObjectError::Missing)) => {
                    tracing::error!(upload = %upload.id, "a segment is gone from the object store");
                    Ok(Err(Refused::unread(ErrorReason::UploadIncomplete)))
                }
                other => other,
            }
        }
    }
}

async fn read_through(app: &App, upload: &Model, writer: &mut ObjectWriter) -> Result<Result<Content, Refused>, Error> {
    let (mut sha256, mut crc32c, mut at) = (Sha256::new(), 0, 0);
    let mut head = Vec::with_capacity(sniff::HEAD_BYTES);
    let mut media_type = None;
    while at < upload.size_bytes {
        let segments = store::list_segments(&app.db, upload.id, at, SEGMENTS_AT_ONCE).await?;
        if segments.first().is_none_or(|segment| segment.start_offset != at) {
            return Ok(Err(Refused::unread(ErrorReason::UploadIncomplete)));
        }
        for segment in segments {
            let key = ObjectKey::stored(&segment.storage_key);
            let length = u64::try_from(segment.length_bytes).unwrap_or(0);
            let mut blocks = app.objects.read(&key, 0..length).await?;
            while let Some(block) = blocks.try_next().await? {
                sha256.update(&block);
                crc32c = crc32c::crc32c_append(crc32c, &block);
                if media_type.is_none() {
                    let room = sniff::HEAD_BYTES - head.len();
                    head.extend_from_slice(&block[..block.len().min(room)]);
                    if head.len() == sniff::HEAD_BYTES {
                        match judge(upload, &head) {
                            Ok(name) => media_type = Some(name),
                            Err(refused) => return Ok(Err(refused)),
                        }
                    }
                }
                writer.write(block).await?;
            }
            at += segment.length_bytes;
        }
    }
    let media_type = match media_type.map_or_else(|| judge(upload, &head), Ok) {
        Ok(name) => name,
        Err(refused) => return Ok(Err(refused)),
    };
    let sha256 = Digest::from_bytes(sha256.finalize().into());
    if upload.expected_sha256.is_some_and(|expected| expected != sha256) {
        let reason = ErrorReason::DigestMismatch;
        return Ok(Err(Refused { reason, sha256: Some(sha256), media_type: Some(media_type) }));
    }
    Ok(Ok(Content { sha256, crc32c, media_type }))
}

/// Compares what the first bytes are with what was declared and what the purpose takes.
fn judge(upload: &Model, head: &[u8]) -> Result<&'static str, Refused> {
    let finding = sniff::sniff(head);
    let refused = |reason| Refused { reason, sha256: None, media_type: finding.name() };
    let name = match finding {
        Finding::Known(name) => kinds::usual_name(upload.purpose, name),
        Finding::Foreign(_) | Finding::Unknown => None,
    };
    match name {
        None => Err(refused(ErrorReason::MediaTypeNotAllowed)),
        Some(name) if kinds::usual_name(upload.purpose, &upload.media_type) != Some(name) => {
            Err(refused(ErrorReason::MediaTypeMismatch))
        }
        Some(name) => Ok(name),
    }
}

/// Makes the owner's object, over stored bytes if an equal content is there already.
async fn accept(app: &App, upload: &Model, content: Content) -> Result<(), Error> {
    let now = app.clock.now();
    let Content { sha256, crc32c, media_type } = content;
    let object_id = ObjectId::new(now, &app.dice);
    let blob = stored_blob::Model {
        id: catalog::blob_of(upload.id),
        sha256,
        crc32c: i64::from(crc32c),
        size_bytes: upload.size_bytes,
        media_type: media_type.to_owned(),
        storage_key: sweep::final_key(upload.id).as_str().to_owned(),
        scan: Scan::NotConfigured,
        access_epoch: 0,
        created_at: now,
        destroyed_at: None,
    };
    let mut blob_id = blob.id;

    let tx = app.db.begin_write().await?;
    let verdict = Verdict { sha256: Some(sha256), media_type: Some(media_type), outcome: Ok(object_id) };
    if !store::update_verdict(&tx, upload.id, verdict, now).await? {
        // Another run was faster.
        return Ok(tx.rollback().await?);
    }
    if !catalog::insert_blob(&tx, blob).await? {
        let there = catalog::find_blob_by_content(&tx, sha256).await?;
        blob_id = there.ok_or(sea_orm::DbErr::RecordNotInserted)?.id;
    }
    let object = object_reference::Model {
        id: object_id,
        owner_id: upload.owner_id,
        blob_id,
        upload_id: upload.id,
        purpose: upload.purpose,
        file_name: upload.file_name.clone(),
        media_type: media_type.to_owned(),
        created_at: now,
    };
    catalog::insert_object(&tx, object).await?;
    let facts = serde_json::json!({ "object_id": object_id, "media_type": media_type });
    let event = audit::Event::new(Principal::System, "upload_finalized", "upload", upload.id).with(facts);
    audit::write(&tx, app, None, event).await?;
    tx.commit().await?;
    metrics::counter!("backline_uploads_total", "outcome" => "ready").increment(1);
    Ok(())
}

async fn reject(app: &App, upload: &Model, refused: Refused) -> Result<(), Error> {
    let now = app.clock.now();
    let reason = short_name(refused.reason);
    let tx = app.db.begin_write().await?;
    let verdict = Verdict { sha256: refused.sha256, media_type: refused.media_type, outcome: Err(reason) };
    if !store::update_verdict(&tx, upload.id, verdict, now).await? {
        return Ok(tx.rollback().await?);
    }
    let event = audit::Event::new(Principal::System, "upload_rejected", "upload", upload.id).because(reason);
    audit::write(&tx, app, None, event).await?;
    tx.commit().await?;
    metrics::counter!("backline_uploads_total", "outcome" => "refused").increment(1);
    Ok(())
}
