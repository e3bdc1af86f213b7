//! Letting go of everything that one account brought: for its erasure.

use std::time::Duration;

use sea_orm::DbErr;

use super::super::{catalog, error::Error, hold, jobs::DestroyBlob, store};
use crate::{
    app::App,
    kernel::ids::{AccountId, BlobId},
    objects::ObjectKey,
};

/// Uploads let go of with one transaction.
const BATCH: u64 = 100;
/// How long after the last reference to some bytes they are destroyed: whoever takes them up again in the same moment
/// has committed by then.
const REGRET: Duration = Duration::from_mins(1);
/// When to ask again whether the store's objects are still held.
const WAIT: Duration = Duration::from_mins(5);

/// How far a release has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Released {
    pub uploads: u64,
    /// Bytes that nobody else owns.
    pub files: u64,
}

/// Gives up the account's unfinished uploads and clears what ended ones left. `false` while some are being checked, or the
/// store's objects are held: ask again.
pub async fn give_up(app: &App, owner: AccountId) -> Result<bool, Error> {
    let tx = app.db.begin_write().await?;
    store::update_all_cancelled(&tx, owner, app.clock.now()).await?;
    tx.commit().await?;
    loop {
        let ended = store::list_ended_staged_of(&app.db, owner, BATCH).await?;
        for &upload in &ended {
            if !super::settle(app, upload).await? {
                return Ok(false);
            }
        }
        if ended.is_empty() {
            return Ok(!store::any_verifying(&app.db, owner).await?);
        }
    }
}

/// Forgets some of the account's uploads and objects that no track uses, oldest first; their bytes go with the last
/// reference. What tracks use stays, without the name that the file had. Nothing is left to do when it returns zeros.
///
/// # Errors
/// When the database fails.
pub async fn release(app: &App, owner: AccountId) -> Result<Released, DbErr> {
    let tx = app.db.begin_write().await?;
    let uploads = store::list_unused(&tx, owner, BATCH).await?;
    let blobs = catalog::delete_objects(&tx, &uploads).await?;
    let mut released = Released { uploads: store::delete(&tx, &uploads).await?, files: 0 };
    for blob in catalog::update_orphans_destroyed(&tx, &blobs, app.clock.now()).await? {
        app.queue.enqueue_after(&tx, &DestroyBlob { blob }, REGRET).await?;
        released.files += 1;
    }
    if uploads.is_empty() {
        store::update_file_names(&tx, owner).await?;
        catalog::update_file_names(&tx, owner).await?;
    }
    tx.commit().await?;
    Ok(released)
}

/// Destroys the bytes of a blob that nobody owns any more; one that found an owner in time comes back. While the store's
/// objects are held it is put off.
pub async fn destroy(app: &App, id: BlobId) -> Result<(), Error> {
    if catalog::update_revived(&app.db, id).await? {
        return Ok(());
    }
    let Some(blob) = catalog::find_destroyed(&app.db, id).await? else { return Ok(()) };
    if hold::is_held(&app.db, app.clock.now()).await? {
        let tx = app.db.begin_write().await?;
        app.queue.enqueue_after(&tx, &DestroyBlob { blob: id }, WAIT).await?;
        return Ok(tx.commit().await?);
    }
    app.objects.delete(&ObjectKey::stored(&blob.storage_key)).await?;
    Ok(catalog::delete_blob(&app.db, id).await?)
}
