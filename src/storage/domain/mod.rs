//! The rules and the use cases.

mod create;
mod download;
mod end;
mod finalize;
mod parts;
mod release;
mod sweep;
mod write;

use crate::{
    app::App,
    entity::upload::{Model, Purpose, State},
    kernel::{Caller, Timestamp, ids::UploadId},
};

#[cfg(test)]
pub use self::sweep::final_key;
pub use self::{
    create::{NewUpload, create},
    download::{Reading, SignedUrl, open, read, sign_url},
    end::{Completion, cancel, complete},
    finalize::finalize,
    parts::{SignedParts, commit_parts, keep_part, sign_parts},
    release::{Released, destroy, give_up, release},
    sweep::{settle, sweep},
    write::{Append, Chunk, Writer, append},
};
use super::{error::Error, store};

/// Largest `data` of one chunk.
pub const MAX_CHUNK_BYTES: usize = 1024 * 1024;
/// A stream makes its bytes durable at least this often; also the longest segment.
pub const PART_BYTES: usize = 8 * 1024 * 1024;

/// An upload as its owner is told of it.
#[derive(Clone, Debug)]
pub struct Told {
    pub upload: Model,
    pub max_bytes: i64,
}

impl Told {
    pub fn of(app: &App, upload: Model) -> Self {
        let max_bytes = max_bytes(app, upload.purpose);
        Self { upload, max_bytes }
    }
}

/// The caller's upload.
pub async fn find(app: &App, caller: &Caller, id: UploadId) -> Result<Told, Error> {
    Ok(Told::of(app, owned(app, caller, id).await?))
}

/// Largest file of this purpose.
pub fn max_bytes(app: &App, purpose: Purpose) -> i64 {
    let limits = &app.config.uploads;
    match purpose {
        Purpose::TrackAudio => limits.max_audio_bytes,
        Purpose::Artwork => limits.max_artwork_bytes,
        Purpose::TaxForm => limits.max_tax_form_bytes,
        Purpose::Attachment => limits.max_attachment_bytes,
    }
}

async fn owned(app: &App, caller: &Caller, id: UploadId) -> Result<Model, Error> {
    store::find_owned(&app.db, caller.account, id).await?.ok_or(Error::NotFound("upload"))
}

/// Why an upload takes no bytes, if it takes none.
fn must_be_open(upload: &Model, now: Timestamp) -> Result<(), Error> {
    match upload.state {
        State::Pending | State::Receiving if upload.expires_at <= now => Err(Error::Expired),
        State::Pending | State::Receiving => Ok(()),
        State::Verifying | State::Finalized | State::Rejected => Err(Error::AlreadyCompleted(upload.state)),
        State::Cancelled => Err(Error::Cancelled),
        State::Expired => Err(Error::Expired),
    }
}
