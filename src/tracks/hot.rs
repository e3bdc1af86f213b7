//! Published tracks, kept for a moment: everybody may read them, and many do.
//!
//! Every other statement on tracks is guarded by a state that is not published; whoever changes a published row calls
//! [`changed`] in the same transaction.

use std::sync::Arc;

use super::Track;
use crate::{
    app::App,
    cache::{Row, Ticket},
    db::WriteTx,
    entity::track::State,
    kernel::ids::TrackId,
};

/// The track, if it was kept: then it is published, and everyone's to see.
pub(super) fn recall(app: &App, id: TrackId) -> Result<Arc<Track>, Ticket> {
    app.cache.recall(Row::Track(id))
}

/// Keeps a track that was read since, if it is published.
pub(super) fn keep(app: &App, ticket: &Ticket, track: Track) -> Arc<Track> {
    let track = Arc::new(track);
    if track.model.state == State::Active {
        app.cache.keep(ticket, &track);
    }
    track
}

/// Makes every instance forget these tracks, once it is durable that they changed.
pub fn changed(tx: &WriteTx, app: &App, tracks: &[TrackId]) {
    let (cache, rows) = (app.cache.clone(), tracks.iter().map(|id| Row::Track(*id)).collect::<Vec<_>>());
    tx.after_commit(move || cache.forget(&rows));
}
