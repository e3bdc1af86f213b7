//! Announcing a file.

use super::{Told, max_bytes};
use crate::{
    app::App,
    audit,
    entity::upload::{Model, Purpose, Scan, State},
    kernel::{
        Caller, Digest, Principal,
        ids::{Id, UploadId},
    },
    rpc::once::Record,
    storage::{error::Error, kinds, store},
};

/// Bytes that a disk keeps free for everything else.
const DISK_RESERVE_BYTES: u64 = 256 * 1024 * 1024;

/// A file to come, well-formed.
#[derive(Clone, Debug)]
pub struct NewUpload {
    pub purpose: Purpose,
    pub size_bytes: i64,
    pub media_type: String,
    pub file_name: String,
    pub sha256: Option<Digest>,
}

/// Announces a file and reserves its quota, in the transaction that counts what is reserved already.
pub async fn create(app: &App, caller: &Caller, new: NewUpload, once: &impl Record<Told>) -> Result<Told, Error> {
    let max_bytes = max_bytes(app, new.purpose);
    if new.size_bytes > max_bytes {
        return Err(Error::TooLarge { size_bytes: new.size_bytes, max_bytes });
    }
    if kinds::usual_name(new.purpose, &new.media_type).is_none() {
        return Err(Error::TypeNotAllowed(new.purpose));
    }
    must_fit_on_disk(app, new.size_bytes).await?;

    let now = app.clock.now();
    let limits = &app.config.uploads;
    let upload = Model {
        id: UploadId::new(now, &app.dice),
        owner_id: caller.account,
        purpose: new.purpose,
        state: State::Pending,
        size_bytes: new.size_bytes,
        media_type: new.media_type,
        file_name: new.file_name,
        expected_sha256: new.sha256,
        final_sha256: None,
        persisted_bytes: 0,
        writer_generation: 0,
        object_id: None,
        reject_reason: None,
        detected_media_type: None,
        scan: Scan::NotConfigured,
        created_at: now,
        updated_at: now,
        expires_at: now + limits.expire_after,
        hard_expires_at: now + limits.expire_at_most,
        staged: true,
    };
    let told = Told { upload: upload.clone(), max_bytes };

    let tx = app.db.begin_write().await?;
    if !app.db.is_sqlite() {
        store::lock_account(&tx, caller.account).await?;
    }
    must_be_within_quota(app, store::find_usage(&tx, caller.account).await?, upload.size_bytes)?;
    let facts = serde_json::json!({ "purpose": upload.purpose.to_string(), "size_bytes": upload.size_bytes });
    let event = audit::Event::new(Principal::Account(caller.account), "upload_created", "upload", upload.id);
    store::insert(&tx, upload).await?;
    audit::write(&tx, app, Some(&caller.facts), event.with(facts)).await?;
    once.record(&tx, &told).await?;
    tx.commit().await?;
    Ok(told)
}

fn must_be_within_quota(app: &App, usage: store::Usage, size_bytes: i64) -> Result<(), Error> {
    let limits = &app.config.uploads;
    if usage.uploads >= i64::from(limits.max_open) {
        return Err(Error::Quota { quota: "open_uploads", limit: i64::from(limits.max_open) });
    }
    if usage.bytes.unwrap_or(0).saturating_add(size_bytes) > limits.max_in_flight_bytes {
        return Err(Error::Quota { quota: "in_flight_bytes", limit: limits.max_in_flight_bytes });
    }
    Ok(())
}

/// A local disk is never filled to the brim.
pub(super) async fn must_leave_reserve(app: &App, size_bytes: i64) -> Result<(), Error> {
    let Some(free) = app.objects.free_bytes().await? else { return Ok(()) };
    let wanted = u64::try_from(size_bytes).unwrap_or(0).saturating_add(DISK_RESERVE_BYTES);
    if free < wanted { Err(Error::NoRoom) } else { Ok(()) }
}

/// A local disk needs room twice: for the segments, and for the finished object beside them.
async fn must_fit_on_disk(app: &App, size_bytes: i64) -> Result<(), Error> {
    let Some(free) = app.objects.free_bytes().await? else { return Ok(()) };
    let wanted = u64::try_from(size_bytes).unwrap_or(0).saturating_mul(2).saturating_add(DISK_RESERVE_BYTES);
    if free < wanted { Err(Error::NoRoom) } else { Ok(()) }
}
