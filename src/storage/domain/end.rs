//! The two ends that an owner gives an upload: complete, or given up.

use super::{Told, must_be_open, owned};
use crate::{
    app::App,
    audit,
    entity::upload::{Model, State},
    kernel::{Caller, Digest, Principal, Timestamp, ids::UploadId},
    rpc::once::Record,
    storage::{
        error::Error,
        jobs::{ClearStaging, FinalizeUpload},
        store,
    },
};

/// What the owner says the whole file is.
#[derive(Clone, Copy, Debug)]
pub struct Completion {
    pub size_bytes: i64,
    pub sha256: Digest,
}

/// Closes a whole upload and starts its check. Of a completed one it tells how it stands.
pub async fn complete(
    app: &App,
    caller: &Caller,
    id: UploadId,
    completion: Completion,
    once: &impl Record<Told>,
) -> Result<Told, Error> {
    let now = app.clock.now();
    let upload = owned(app, caller, id).await?;
    if is_completed(&upload, completion, now)? {
        return Ok(Told::of(app, upload));
    }

    let tx = app.db.begin_write().await?;
    let Some(upload) = store::update_verifying(&tx, id, completion.sha256, now).await? else {
        tx.rollback().await?;
        // Someone was faster: either to the same end, or to one that says why not.
        let upload = owned(app, caller, id).await?;
        if is_completed(&upload, completion, now)? {
            return Ok(Told::of(app, upload));
        }
        return Err(Error::Superseded { generation: upload.writer_generation });
    };
    app.queue.enqueue(&tx, &FinalizeUpload { upload: id }).await?;
    let event = audit::Event::new(Principal::Account(caller.account), "upload_completed", "upload", id);
    audit::write(&tx, app, Some(&caller.facts), event).await?;
    let told = Told::of(app, upload);
    once.record(&tx, &told).await?;
    tx.commit().await?;
    Ok(told)
}

/// Whether the upload was completed before, as the same file; `false` if it is ready to be.
fn is_completed(upload: &Model, completion: Completion, now: Timestamp) -> Result<bool, Error> {
    let completed = matches!(upload.state, State::Verifying | State::Finalized | State::Rejected);
    if !completed {
        must_be_open(upload, now)?;
    }
    if completion.size_bytes != upload.size_bytes {
        return Err(Error::Size { declared: upload.size_bytes });
    }
    if upload.expected_sha256.is_some_and(|declared| declared != completion.sha256) {
        return Err(Error::Digest);
    }
    if !completed && upload.persisted_bytes < upload.size_bytes {
        return Err(Error::Incomplete { from: upload.persisted_bytes, to: upload.size_bytes });
    }
    Ok(completed)
}

/// Gives an open upload up. One that is given up already stays so.
pub async fn cancel(app: &App, caller: &Caller, id: UploadId, once: &impl Record<Told>) -> Result<Told, Error> {
    let now = app.clock.now();
    let upload = owned(app, caller, id).await?;
    if upload.state == State::Cancelled {
        return Ok(Told::of(app, upload));
    }
    must_be_open(&upload, now)?;

    let tx = app.db.begin_write().await?;
    let Some(upload) = store::update_cancelled(&tx, id, now).await? else {
        tx.rollback().await?;
        let upload = owned(app, caller, id).await?;
        return match upload.state {
            State::Cancelled => Ok(Told::of(app, upload)),
            state => Err(must_be_open(&upload, now).err().unwrap_or(Error::AlreadyCompleted(state))),
        };
    };
    app.queue.enqueue(&tx, &ClearStaging { upload: id }).await?;
    let event = audit::Event::new(Principal::Account(caller.account), "upload_cancelled", "upload", id);
    audit::write(&tx, app, Some(&caller.facts), event).await?;
    let told = Told::of(app, upload);
    once.record(&tx, &told).await?;
    tx.commit().await?;
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        entity::upload::{Purpose, Scan},
        kernel::ids::AccountId,
    };

    fn upload(state: State, persisted_bytes: i64) -> Model {
        let moment = Timestamp::from_micros(10);
        Model {
            id: UploadId::from(uuid::Uuid::nil()),
            owner_id: AccountId::from(uuid::Uuid::nil()),
            purpose: Purpose::Artwork,
            state,
            size_bytes: 8,
            media_type: "image/png".into(),
            file_name: "cover.png".into(),
            expected_sha256: Some(Digest::sha256(b"whole")),
            final_sha256: None,
            persisted_bytes,
            writer_generation: 0,
            object_id: None,
            reject_reason: None,
            detected_media_type: None,
            scan: Scan::NotConfigured,
            created_at: moment,
            updated_at: moment,
            expires_at: moment,
            hard_expires_at: moment,
            staged: true,
        }
    }

    #[test]
    fn every_state_answers_completion_in_its_way() {
        let whole = Completion { size_bytes: 8, sha256: Digest::sha256(b"whole") };
        let now = Timestamp::from_micros(9);
        assert!(matches!(is_completed(&upload(State::Receiving, 8), whole, now), Ok(false)));
        for state in [State::Verifying, State::Finalized, State::Rejected] {
            assert!(matches!(is_completed(&upload(state, 8), whole, now), Ok(true)));
            let other = Completion { sha256: Digest::sha256(b"other"), ..whole };
            assert!(matches!(is_completed(&upload(state, 8), other, now), Err(Error::Digest)));
        }
        assert!(matches!(is_completed(&upload(State::Cancelled, 8), whole, now), Err(Error::Cancelled)));
        assert!(matches!(is_completed(&upload(State::Expired, 8), whole, now), Err(Error::Expired)));
        let late = Timestamp::from_micros(10);
        assert!(matches!(is_completed(&upload(State::Receiving, 8), whole, late), Err(Error::Expired)));
        let part = is_completed(&upload(State::Receiving, 5), whole, now);
        assert!(matches!(part, Err(Error::Incomplete { from: 5, to: 8 })));
        let longer = Completion { size_bytes: 9, ..whole };
        assert!(matches!(is_completed(&upload(State::Receiving, 8), longer, now), Err(Error::Size { declared: 8 })));
    }
}
