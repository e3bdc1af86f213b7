//! Tracks on the wire.

use tonic::Status;

use super::{Error, isrc, language, store::Track};
use crate::{
    entity::track::{Model, State},
    kernel::{
        ids::{ArtistId, TrackId, UploadId},
        text,
    },
    pb,
    rpc::{Fields, Refusal, convert, fields::id_or},
};

/// Longest title, in characters.
const MAX_TITLE: usize = 200;

/// A track to be.
#[derive(Debug)]
pub struct NewTrack {
    pub artist: ArtistId,
    pub title: String,
    pub version_title: String,
    pub isrc: Option<String>,
    pub language: String,
    pub explicit: bool,
    pub audio_upload: UploadId,
    pub artwork_upload: Option<UploadId>,
    pub allow_download: bool,
}

/// New values for the fields that an update mask names; the others are `None`.
#[derive(Debug)]
#[expect(clippy::option_option, reason = "the outer one is «not named», the inner one «left empty»")]
pub struct Changes {
    pub track: TrackId,
    /// As it was read; empty for «whatever stands there».
    pub etag: String,
    pub title: Option<String>,
    pub version_title: Option<String>,
    pub isrc: Option<Option<String>>,
    pub language: Option<String>,
    pub explicit: Option<bool>,
    pub audio_upload: Option<UploadId>,
    pub artwork_upload: Option<Option<UploadId>>,
    pub allow_download: Option<bool>,
}

impl Changes {
    /// The row with the new values.
    pub fn apply(self, mut row: Model) -> Model {
        row.title = self.title.unwrap_or(row.title);
        row.version_title = self.version_title.unwrap_or(row.version_title);
        row.isrc = self.isrc.unwrap_or(row.isrc);
        row.language = self.language.unwrap_or(row.language);
        row.explicit = self.explicit.unwrap_or(row.explicit);
        row.audio_upload_id = self.audio_upload.unwrap_or(row.audio_upload_id);
        row.artwork_upload_id = self.artwork_upload.unwrap_or(row.artwork_upload_id);
        row.allow_download = self.allow_download.unwrap_or(row.allow_download);
        row
    }
}

pub fn track_id(text: &str) -> Result<TrackId, Status> {
    id_or(text, || Error::NotFound)
}

pub fn artist_id(text: &str) -> Result<ArtistId, Status> {
    id_or(text, || Error::ArtistNotFound)
}

fn upload_id(text: &str) -> Result<UploadId, Status> {
    id_or(text, || Error::UploadNotFound)
}

fn optional_upload_id(text: &str) -> Result<Option<UploadId>, Status> {
    if text.is_empty() { Ok(None) } else { upload_id(text).map(Some) }
}

fn optional_isrc(text: &str) -> Result<Option<String>, isrc::InvalidIsrc> {
    if text.trim().is_empty() { Ok(None) } else { isrc::parse(text).map(Some) }
}

fn optional_language(text: &str) -> Result<String, language::InvalidLanguage> {
    if text.trim().is_empty() { Ok(String::new()) } else { language::parse(text) }
}

/// Reads what describes a track to be. Malformed fields come first; an id of nothing is answered as an absent one.
pub fn new_track(message: &pb::CreateTrackRequest) -> Result<NewTrack, Status> {
    let mut fields = Fields::default();
    fields.expect(!message.artist_id.is_empty(), "artist_id", "must not be empty");
    fields.expect(!message.audio_upload_id.is_empty(), "audio_upload_id", "must not be empty");
    let title = fields.read("title", text::line(&message.title, MAX_TITLE));
    let version_title = fields.read("version_title", text::optional_line(&message.version_title, MAX_TITLE));
    let isrc = fields.read("isrc", optional_isrc(&message.isrc));
    let language = fields.read("language", optional_language(&message.language));
    let (title, version_title, isrc, language) = fields.finish(|| Some((title?, version_title?, isrc?, language?)))?;
    Ok(NewTrack {
        artist: artist_id(&message.artist_id)?,
        title,
        version_title,
        isrc,
        language,
        explicit: message.explicit,
        audio_upload: upload_id(&message.audio_upload_id)?,
        artwork_upload: optional_upload_id(&message.artwork_upload_id)?,
        allow_download: message.allow_download,
    })
}

const MASKABLE: &str =
    "title, version_title, isrc, language, explicit, audio_upload_id, artwork_upload_id, allow_download";

/// Reads the fields that the mask names, and no others.
pub fn changes(message: &pb::UpdateTrackRequest) -> Result<Changes, Status> {
    let given = message.track.clone().unwrap_or_default();
    let paths = message.update_mask.as_ref().map(|mask| mask.paths.as_slice()).unwrap_or_default();
    if paths.is_empty() {
        return Err(Refusal::UpdateMaskInvalid(format!("name at least one of {MASKABLE}")).into());
    }
    let mut changes = Changes {
        track: track_id(&given.track_id)?,
        etag: message.etag.clone(),
        title: None,
        version_title: None,
        isrc: None,
        language: None,
        explicit: None,
        audio_upload: None,
        artwork_upload: None,
        allow_download: None,
    };
    let mut fields = Fields::default();
    for path in paths {
        match path.as_str() {
            "title" => changes.title = fields.read("track.title", text::line(&given.title, MAX_TITLE)),
            "version_title" => {
                let value = text::optional_line(&given.version_title, MAX_TITLE);
                changes.version_title = fields.read("track.version_title", value);
            }
            "isrc" => changes.isrc = fields.read("track.isrc", optional_isrc(&given.isrc)),
            "language" => changes.language = fields.read("track.language", optional_language(&given.language)),
            "explicit" => changes.explicit = Some(given.explicit),
            "allow_download" => changes.allow_download = Some(given.allow_download),
            "audio_upload_id" => {
                fields.expect(!given.audio_upload_id.is_empty(), "track.audio_upload_id", "must not be empty");
            }
            "artwork_upload_id" => {}
            other => {
                let shown: String = other.chars().filter(|c| !c.is_control()).take(50).collect();
                return Err(Refusal::UpdateMaskInvalid(format!("{shown} is none of {MASKABLE}")).into());
            }
        }
    }
    fields.finish(|| Some(()))?;
    let named = |field: &str| paths.iter().any(|path| path == field);
    if named("audio_upload_id") {
        changes.audio_upload = Some(upload_id(&given.audio_upload_id)?);
    }
    if named("artwork_upload_id") {
        changes.artwork_upload = Some(optional_upload_id(&given.artwork_upload_id)?);
    }
    Ok(changes)
}

/// A track as everyone gets it who may see it.
pub fn proto(track: &Track) -> pb::Track {
    let Track { model, audio_object, artwork_object } = track;
    let visibility =
        if model.state == State::Active { pb::TrackVisibility::Public } else { pb::TrackVisibility::Private };
    let text = |id: Option<&dyn ToString>| id.map(ToString::to_string).unwrap_or_default();
    pb::Track {
        track_id: model.id.to_string(),
        artist_id: model.artist_id.to_string(),
        title: model.title.clone(),
        version_title: model.version_title.clone(),
        isrc: model.isrc.clone().unwrap_or_default(),
        language: model.language.clone(),
        explicit: model.explicit,
        audio_upload_id: model.audio_upload_id.to_string(),
        artwork_upload_id: text(model.artwork_upload_id.as_ref().map(|id| id as _)),
        audio_object_id: text(audio_object.as_ref().map(|id| id as _)),
        artwork_object_id: text(artwork_object.as_ref().map(|id| id as _)),
        allow_download: model.allow_download,
        state: state(model.state).into(),
        visibility: visibility.into(),
        publish_time: model.published_at.map(convert::timestamp),
        create_time: Some(convert::timestamp(model.created_at)),
        update_time: Some(convert::timestamp(model.updated_at)),
        delete_time: model.deleted_at.map(convert::timestamp),
        etag: model.row_version.to_string(),
    }
}

fn state(state: State) -> pb::TrackState {
    match state {
        State::Draft => pb::TrackState::Draft,
        State::Locked => pb::TrackState::Locked,
        State::Active => pb::TrackState::Active,
        State::Withdrawn => pb::TrackState::Withdrawn,
        State::TakenDown => pb::TrackState::TakenDown,
    }
}

pub fn created(track: &Track) -> pb::CreateTrackResponse {
    pb::CreateTrackResponse { track: Some(proto(track)) }
}

pub fn updated(track: &Track) -> pb::UpdateTrackResponse {
    pb::UpdateTrackResponse { track: Some(proto(track)) }
}

pub fn deleted(track: &Track) -> pb::DeleteTrackResponse {
    pb::DeleteTrackResponse { track: Some(proto(track)) }
}
