//! What waits for a decision.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{
    Error,
    store::{self, Place},
};
use crate::{
    app::App,
    entity::{artist, submission},
    kernel::{
        Timestamp,
        ids::{ArtistId, TrackId},
    },
    rpc::{Page, page::Slice},
    tracks::{self, Track},
};

/// One submission, with what a reviewer needs to tell it apart.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub submission: submission::Model,
    pub track: Option<Track>,
    pub artist: Option<artist::Model>,
}

/// A page of the queue: three statements, however many rows.
pub async fn list(app: &App, page: &Page) -> Result<Slice<Waiting>, Error> {
    let rows = store::list_queue(&app.db, place(&page.after), page.size).await?;
    let Slice { rows, next } = Slice::cut(rows, page, key);
    if rows.is_empty() {
        return Ok(Slice { rows: Vec::new(), next });
    }
    let track_ids: Vec<TrackId> = rows.iter().map(|row| row.track_id).collect();
    let artist_ids: HashSet<ArtistId> = rows.iter().map(|row| row.artist_id).collect();
    let tracks = tracks::find_many(&app.db, &track_ids).await?;
    let mut tracks: HashMap<TrackId, Track> = tracks.into_iter().map(|track| (track.model.id, track)).collect();
    let artists = store::list_artists(&app.db, artist_ids).await?;
    let artists: HashMap<ArtistId, artist::Model> = artists.into_iter().map(|artist| (artist.id, artist)).collect();
    let rows = rows.into_iter().map(|submission| Waiting {
        track: tracks.remove(&submission.track_id),
        artist: artists.get(&submission.artist_id).cloned(),
        submission,
    });
    Ok(Slice { rows: rows.collect(), next })
}

/// The sort key: priority, time and id, 32 bytes.
fn key(row: &submission::Model) -> Vec<u8> {
    let submitted_at = row.submitted_at.unwrap_or(row.created_at);
    let mut key = row.priority.to_be_bytes().to_vec();
    key.extend(submitted_at.micros().to_be_bytes());
    key.extend(Uuid::from(row.id).into_bytes());
    key
}

/// What [`key`] wrote. `None` for the first page.
fn place(key: &[u8]) -> Option<Place> {
    let (priority, rest) = key.split_first_chunk()?;
    let (submitted_at, id) = rest.split_first_chunk()?;
    Some(Place {
        priority: i64::from_be_bytes(*priority),
        submitted_at: Timestamp::from_micros(i64::from_be_bytes(*submitted_at)),
        id: Uuid::from_slice(id).ok()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::submission::{Model, State};

    #[test]
    fn a_place_in_the_queue_survives_its_token() {
        let id = Uuid::from_u128(7).into();
        let at = Timestamp::from_micros(1_700_000_000_000_001);
        let row = Model {
            id,
            track_id: Uuid::nil().into(),
            artist_id: Uuid::nil().into(),
            submitter_id: Uuid::nil().into(),
            state: State::Submitted,
            priority: -3,
            note: String::new(),
            revision: 1,
            sequence: 3,
            reviewer_id: None,
            submitted_at: Some(at),
            decided_by: None,
            decided_at: None,
            decision_reason: None,
            decision_note: None,
            published_at: None,
            created_at: at,
            updated_at: at,
            row_version: 2,
        };
        assert_eq!(place(&key(&row)), Some(Place { priority: -3, submitted_at: at, id }));
        assert_eq!(place(&[]), None);
    }
}
