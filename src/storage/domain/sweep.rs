//! Clearing up: uploads that nobody finished, and what ended uploads leave behind.

use super::super::{catalog, error::Error, hold, store};
use crate::{
    app::App,
    audit,
    kernel::{Principal, ids::UploadId},
    objects::ObjectKey,
};

/// Uploads handled per look at the database.
const BATCH: u64 = 100;

/// Expires what is overdue, then clears the staging of everything that has ended.
pub async fn sweep(app: &App) -> Result<(), Error> {
    loop {
        let overdue = store::list_overdue(&app.db, app.clock.now(), BATCH).await?;
        for &id in &overdue {
            expire(app, id).await?;
        }
        if overdue.is_empty() {
            break;
        }
    }
    let mut after = None;
    loop {
        let ended = store::list_ended_staged(&app.db, after, BATCH).await?;
        for &id in &ended {
            // One that fails must not keep the others waiting; it is found again next time.
            if let Err(error) = settle(app, id).await {
                tracing::warn!(%error, upload = %id, "the staging of an upload was not cleared");
            }
        }
        match ended.last() {
            Some(&last) => after = Some(last),
            None => return Ok(()),
        }
    }
}

async fn expire(app: &App, id: UploadId) -> Result<(), Error> {
    let tx = app.db.begin_write().await?;
    if store::update_expired(&tx, id, app.clock.now()).await? {
        let event = audit::Event::new(Principal::System, "upload_expired", "upload", id);
        audit::write(&tx, app, None, event).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Clears what an ended upload leaves: its staging, a final object that no blob refers to (the content was there
/// already, or a run was interrupted), and half-written files. Bytes go first, rows after them; repeating is harmless,
/// and an upload that has not ended is left alone. Of two finalising runs at once, the later one to come here clears up
/// after both. `false` while the store's objects are held: the next sweep finds it again.
pub async fn settle(app: &App, id: UploadId) -> Result<bool, Error> {
    let upload = store::find(&app.db, id).await?;
    if !upload.is_some_and(|upload| store::has_ended(upload.state)) {
        return Ok(true);
    }
    if hold::is_held(&app.db, app.clock.now()).await? {
        return Ok(false);
    }
    let content = final_key(id);
    if !catalog::is_stored(&app.db, &content).await? {
        app.objects.delete(&content).await?;
    }
    app.objects.delete_drafts(&content).await?;
    app.objects.delete_below(&ObjectKey::staging(id)).await?;
    let tx = app.db.begin_write().await?;
    store::delete_staging(&tx, id).await?;
    tx.commit().await?;
    Ok(true)
}

/// Where the bytes of an upload lie once it is final.
pub fn final_key(upload: UploadId) -> ObjectKey {
    ObjectKey::content(catalog::blob_of(upload))
}
