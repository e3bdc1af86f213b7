//! What a hand-in freezes.

use serde_json::{Value, json};

use super::Error;
use crate::{
    entity::upload::{self, State},
    tracks::Track,
};

/// The track's metadata and bytes as JSON: objects by their ids, contents by their SHA-256 in hex. Reviewers and later
/// disputes go by this, whatever becomes of the track.
///
/// # Errors
/// [`Error::UploadNotFinalized`] for the first upload whose bytes are not safe and checked.
pub fn of(track: &Track, uploads: &[upload::Model]) -> Result<String, Error> {
    let model = &track.model;
    let file = |id| -> Result<Value, Error> {
        let upload = uploads.iter().find(|upload| upload.id == id);
        let missing = || Error::UploadNotFinalized {
            upload: id,
            state: upload.map_or_else(String::new, |upload| upload.state.to_string().to_uppercase()),
        };
        let upload = upload.filter(|upload| upload.state == State::Finalized).ok_or_else(missing)?;
        let (object, sha256) = upload.object_id.zip(upload.final_sha256).ok_or_else(missing)?;
        Ok(json!({
            "object_id": object,
            "sha256": hex::encode(sha256.as_bytes()),
            "size_bytes": upload.size_bytes,
            "media_type": upload.detected_media_type.as_ref().unwrap_or(&upload.media_type),
        }))
    };
    let snapshot = json!({
        "track_id": model.id,
        "title": model.title,
        "version_title": model.version_title,
        "isrc": model.isrc,
        "language": model.language,
        "explicit": model.explicit,
        "allow_download": model.allow_download,
        "audio": file(model.audio_upload_id)?,
        "artwork": model.artwork_upload_id.map(file).transpose()?,
    });
    Ok(snapshot.to_string())
}
