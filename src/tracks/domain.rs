//! What one can do with tracks.

use std::sync::Arc;

use sea_orm::DbErr;
use tonic_types::FieldViolation;

use super::{
    Error, hot,
    states::{self, Act},
    store::{self, SeenTrack, Track},
    wire::{Changes, NewTrack},
};
use crate::{
    app::App,
    artists,
    audit::{self, Event},
    entity::{
        artist,
        track::{Model, State},
        upload::{self, Purpose},
    },
    kernel::{
        Caller, Permission, Principal,
        ids::{ArtistId, Id, TrackId, UploadId},
    },
    rpc::{
        Page,
        once::Record,
        page::{self, Slice},
    },
};

/// Makes a draft.
pub async fn create(app: &App, caller: &Caller, new: NewTrack, once: &impl Record<Track>) -> Result<Track, Error> {
    let standing = artists::find_standing(&app.db, new.artist, caller.account).await?;
    let standing = standing.filter(|standing| standing.is_member()).ok_or(Error::ArtistNotFound)?;
    if !standing.may_add() {
        return Err(Error::MayNotEdit);
    }
    let named = NamedUploads { audio: Some(new.audio_upload), artwork: new.artwork_upload };
    let uploads = named.find(app, caller, new.artist).await?;

    let now = app.clock.now();
    let model = Model {
        id: TrackId::new(now, &app.dice),
        artist_id: new.artist,
        title: new.title,
        version_title: new.version_title,
        isrc: new.isrc,
        language: new.language,
        explicit: new.explicit,
        audio_upload_id: new.audio_upload,
        artwork_upload_id: new.artwork_upload,
        allow_download: new.allow_download,
        state: State::Draft,
        published_at: None,
        deleted_at: None,
        created_at: now,
        updated_at: now,
        row_version: 1,
    };
    let track = with_objects(model, &uploads, None);

    let tx = app.db.begin_write().await?;
    store::insert(&tx, &track.model).await?;
    note(&tx, app, caller, "track_created", &track).await?;
    once.record(&tx, &track).await?;
    tx.commit().await?;
    Ok(track)
}

/// One track, if the caller may see it.
pub async fn get(app: &App, caller: &Caller, id: TrackId) -> Result<Arc<Track>, Error> {
    let ticket = match hot::recall(app, id) {
        Ok(published) => return Ok(published),
        Err(ticket) => ticket,
    };
    let seen = store::find_seen(&app.db, id, caller.account).await?.ok_or(Error::NotFound)?;
    if is_visible(&seen, caller) { Ok(hot::keep(app, &ticket, seen.track)) } else { Err(Error::NotFound) }
}

/// Published tracks are everyone's to see, others the members', and the reviewers' once they were handed in.
fn is_visible(seen: &SeenTrack, caller: &Caller) -> bool {
    seen.track.model.state == State::Active
        || seen.standing.is_member()
        || (seen.handed_in && caller.may(Permission::ReviewSubmissions))
}

/// A page of an artist's tracks: all for members, the published ones for others.
pub async fn list(app: &App, caller: &Caller, artist: ArtistId, page: &Page) -> Result<Slice<Track>, Error> {
    let standing = artists::find_standing(&app.db, artist, caller.account).await?.ok_or(Error::ArtistNotFound)?;
    let shown = standing.artist_state == artist::State::Active || standing.is_member() || caller.roles.is_staff();
    if !shown {
        return Err(Error::ArtistNotFound);
    }
    // A key of another shape cannot come out of our own tokens; it reads as the first page.
    let after = page::after_id(page).unwrap_or_default();
    let rows = store::list_by_artist(&app.db, artist, !standing.is_member(), after, page.size).await?;
    Ok(Slice::cut(rows, page, |track| page::id_key(track.model.id)))
}

/// Changes fields of a draft.
pub async fn update(app: &App, caller: &Caller, changes: Changes, once: &impl Record<Track>) -> Result<Track, Error> {
    let before = edited_by(app, caller, changes.track).await?;
    if !changes.etag.is_empty() && changes.etag != before.model.row_version.to_string() {
        return Err(Error::Changed);
    }
    states::allows(before.model.state, Act::Update)?;
    let named = NamedUploads { audio: changes.audio_upload, artwork: changes.artwork_upload.flatten() };
    let uploads = named.find(app, caller, before.model.artist_id).await?;

    let mut model = changes.apply(before.model.clone());
    model.updated_at = app.clock.now();
    model.row_version += 1;
    let track = with_objects(model, &uploads, Some(&before));

    match write_update(app, caller, &track, once).await {
        Err(Error::Changed) => Err(changed_meanwhile(app, &track, Act::Update).await?),
        Err(error) => Err(error),
        Ok(()) => Ok(track),
    }
}

async fn write_update(app: &App, caller: &Caller, track: &Track, once: &impl Record<Track>) -> Result<(), Error> {
    let tx = app.db.begin_write().await?;
    store::update_fields(&tx, &track.model).await?;
    note(&tx, app, caller, "track_updated", track).await?;
    once.record(&tx, track).await?;
    Ok(tx.commit().await?)
}

/// Deletes a track that is neither offered nor published.
pub async fn delete(app: &App, caller: &Caller, id: TrackId, once: &impl Record<Track>) -> Result<Track, Error> {
    let mut track = edited_by(app, caller, id).await?;
    states::allows(track.model.state, Act::Delete)?;

    let now = app.clock.now();
    let tx = app.db.begin_write().await?;
    if !store::update_deleted(&tx, id, now).await? {
        tx.rollback().await?;
        return Err(changed_meanwhile(app, &track, Act::Delete).await?);
    }
    // The row is ours now: whoever offers the track takes it first, too, so nobody slips in after this look.
    if store::is_offered(&tx, id).await? {
        tx.rollback().await?;
        return Err(states::offered(track.model.state).into());
    }
    track.model.deleted_at = Some(now);
    track.model.updated_at = now;
    track.model.row_version += 1;
    note(&tx, app, caller, "track_deleted", &track).await?;
    once.record(&tx, &track).await?;
    tx.commit().await?;
    Ok(track)
}

/// The track, for a member who may change it.
async fn edited_by(app: &App, caller: &Caller, id: TrackId) -> Result<Track, Error> {
    let seen = store::find_seen(&app.db, id, caller.account).await?.ok_or(Error::NotFound)?;
    match (seen.standing.may_edit(), is_visible(&seen, caller)) {
        (true, _) => Ok(seen.track),
        (false, true) => Err(Error::MayNotEdit),
        (false, false) => Err(Error::NotFound),
    }
}

/// Why a guard failed, in the words that a later call would have got.
async fn changed_meanwhile(app: &App, read: &Track, act: Act) -> Result<Error, DbErr> {
    let now = store::find(&app.db, read.model.id).await?;
    Ok(match now.map(|now| states::allows(now.model.state, act)) {
        None => Error::NotFound,
        Some(Err(refused)) => refused.into(),
        Some(Ok(())) => Error::Changed,
    })
}

/// The uploads that a request names.
struct NamedUploads {
    audio: Option<UploadId>,
    artwork: Option<UploadId>,
}

impl NamedUploads {
    /// Finds them all and makes sure that each can be what it is given for. Unfinished ones can.
    async fn find(&self, app: &App, caller: &Caller, artist: ArtistId) -> Result<Vec<upload::Model>, Error> {
        let wanted = [
            ("audio_upload_id", self.audio, Purpose::TrackAudio),
            ("artwork_upload_id", self.artwork, Purpose::Artwork),
        ];
        let ids: Vec<UploadId> = wanted.iter().filter_map(|(_, id, _)| *id).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let uploads = store::list_uploads(&app.db, &ids, artist, caller.account).await?;
        let mut violations = Vec::new();
        for (field, id, purpose) in wanted {
            let Some(id) = id else { continue };
            let upload = uploads.iter().find(|upload| upload.id == id).ok_or(Error::UploadNotFound)?;
            violations.extend(unusable(upload, purpose).map(|why| FieldViolation::new(field, why)));
        }
        if violations.is_empty() { Ok(uploads) } else { Err(Error::UploadUnusable(violations)) }
    }
}

fn unusable(upload: &upload::Model, purpose: Purpose) -> Option<String> {
    use upload::State::{Cancelled, Expired, Rejected};

    let state = upload.state.to_string().to_uppercase();
    match upload.state {
        _ if upload.purpose != purpose => {
            Some(format!("must be an upload with purpose {}", purpose.to_string().to_uppercase()))
        }
        Rejected | Cancelled | Expired => Some(format!("is {state}; make another upload")),
        _ => None,
    }
}

/// A track with its objects: of the uploads just named, or as they were before.
fn with_objects(model: Model, uploads: &[upload::Model], before: Option<&Track>) -> Track {
    let object = |id: Option<UploadId>| {
        let id = id?;
        match uploads.iter().find(|upload| upload.id == id) {
            Some(upload) => upload.object_id,
            None => before.and_then(|before| match id {
                id if id == before.model.audio_upload_id => before.audio_object,
                _ => before.artwork_object,
            }),
        }
    };
    Track { audio_object: object(Some(model.audio_upload_id)), artwork_object: object(model.artwork_upload_id), model }
}

async fn note(
    tx: &crate::db::WriteTx,
    app: &App,
    caller: &Caller,
    action: &'static str,
    track: &Track,
) -> Result<(), DbErr> {
    let event = Event::new(Principal::Account(caller.account), action, "track", track.model.id);
    audit::write(tx, app, Some(&caller.facts), event).await
}
