//! Giving bytes out: by stream, or by a URL.

use std::ops::Range;

use super::super::{
    catalog::{self, Found},
    error::Error,
    http::disposition,
    signature,
};
use crate::{
    app::App,
    audit,
    entity::{object_reference, stored_blob},
    kernel::{Caller, Principal, Timestamp, ids::ObjectId},
    objects::{Bytestream, ObjectKey, Served},
};

/// An object that is being read.
pub struct Reading {
    pub object: object_reference::Model,
    pub blob: stored_blob::Model,
    /// Which of its bytes.
    pub range: Range<u64>,
    pub bytes: Bytestream,
}

/// Opens an object for a caller who may read it, from `offset` on and for at most `limit` bytes.
pub async fn read(app: &App, caller: &Caller, id: ObjectId, offset: u64, limit: Option<u64>) -> Result<Reading, Error> {
    let (object, blob) = readable(app, caller, id).await?;
    let size = u64::try_from(blob.size_bytes).unwrap_or(0);
    if offset > size {
        return Err(Error::BeyondEnd { size_bytes: blob.size_bytes });
    }
    let end = limit.map_or(size, |limit| offset.saturating_add(limit).min(size));
    let bytes = open(app, &blob, offset..end).await?;
    Ok(Reading { object, blob, range: offset..end, bytes })
}

/// Opens some bytes of a blob.
pub async fn open(app: &App, blob: &stored_blob::Model, range: Range<u64>) -> Result<Bytestream, Error> {
    Ok(app.objects.read(&ObjectKey::stored(&blob.storage_key), range).await?)
}

/// A URL that opens one object for a while.
#[derive(Clone, Debug)]
pub struct SignedUrl {
    pub url: String,
    pub expires_at: Timestamp,
}

/// Signs a URL for a caller who may read the object: one of the store's own where the settings want that, else one of
/// ours. The audit row is durable before the URL exists for anyone.
pub async fn sign_url(app: &App, caller: &Caller, id: ObjectId) -> Result<SignedUrl, Error> {
    let (object, blob) = readable(app, caller, id).await?;
    let life = app.config.uploads.download_url_life;
    // The URL carries whole seconds.
    let expires = (app.clock.now() + life).micros().div_euclid(1_000_000);
    let disposition = disposition(&object.file_name);
    let served = Served { media_type: &object.media_type, disposition: &disposition };
    let theirs = app.objects.sign_download(&ObjectKey::stored(&blob.storage_key), life, served).await?;
    let presigned = theirs.is_some();
    let url = theirs.unwrap_or_else(|| {
        let grant = signature::Grant { object: id, subject: caller.account, expires, epoch: blob.access_epoch };
        signature::Signer::new(&app.keys).url(&app.config.public_url(), grant)
    });

    let tx = app.db.begin_write().await?;
    let owner = object.owner_id == caller.account;
    let facts = serde_json::json!({ "expires": expires, "owner": owner, "presigned": presigned });
    let event = audit::Event::new(Principal::Account(caller.account), "download_url_created", "object", id);
    audit::write(&tx, app, Some(&caller.facts), event.with(facts)).await?;
    tx.commit().await?;
    Ok(SignedUrl { url, expires_at: Timestamp::from_micros(expires * 1_000_000) })
}

async fn readable(app: &App, caller: &Caller, id: ObjectId) -> Result<Found, Error> {
    catalog::find_readable(&app.db, caller, id).await?.ok_or(Error::NotFound("object"))
}
