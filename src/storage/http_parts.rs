//! `PUT` of `/uploads/{upload_id}/parts/{offset}`: what a signed URL of ours for a part leads to.
//!
//! Whoever has the URL may put exactly the bytes it was made for; no token, no cookie. A part is held in memory while it
//! arrives: so many at once as there is room for, each no longer than a slow line needs.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{Response, StatusCode},
    routing::put,
};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    domain::{self, PART_BYTES},
    error::Error,
    http::plain,
    part::{Claims, Marker},
};
use crate::{app::App, rpc::fault};

/// Parts that may arrive at once: 256 MiB of them.
const AT_ONCE: usize = 32;
/// How long one may take to arrive: 8 MiB at 0.5 Mbit/s.
const PATIENCE: Duration = Duration::from_secs(140);

#[derive(Clone)]
struct Door {
    app: App,
    room: Arc<Semaphore>,
}

/// The routes of this feature.
pub fn router(app: App) -> Router {
    let door = Door { app, room: Arc::new(Semaphore::new(AT_ONCE)) };
    Router::new().route("/uploads/{upload_id}/parts/{offset}", put(take)).with_state(door)
}

async fn take(
    State(Door { app, room }): State<Door>,
    Path((upload, offset)): Path<(String, i64)>,
    claims: Result<Query<Claims>, QueryRejection>,
    body: Body,
) -> Response<Body> {
    let allowed = claims.ok().and_then(|Query(claims)| {
        let (upload, part) = Marker::new(&app.keys).allowed(&upload, offset, &claims, app.clock.now())?;
        Some((upload, claims.generation, part))
    });
    let Some((upload, generation, part)) = allowed else {
        return plain(StatusCode::FORBIDDEN, "This link has expired or is not one of ours. Ask for a new one.");
    };
    let Ok(_room) = room.try_acquire() else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "Too much is arriving at once. Try again shortly.");
    };
    let limit = usize::try_from(part.size_bytes).unwrap_or(PART_BYTES).min(PART_BYTES);
    let bytes = match timeout(PATIENCE, to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return plain(StatusCode::PAYLOAD_TOO_LARGE, "These are more bytes than the link is for."),
        Err(_) => return plain(StatusCode::REQUEST_TIMEOUT, "The bytes took too long. Send the part again."),
    };
    match domain::keep_part(&app, upload, generation, part, bytes).await {
        Ok(()) => {
            let mut kept = plain(StatusCode::NO_CONTENT, "");
            *kept.body_mut() = Body::empty();
            kept
        }
        Err(Error::Checksum { .. }) => {
            plain(StatusCode::UNPROCESSABLE_ENTITY, "These are not the bytes that the link is for. Send them again.")
        }
        Err(Error::Superseded { .. }) => plain(StatusCode::CONFLICT, "Another writer has taken over."),
        Err(Error::Quota { .. }) => {
            plain(StatusCode::PAYLOAD_TOO_LARGE, "Too many bytes wait for this upload. Commit parts, or cancel it.")
        }
        Err(Error::Store(_) | Error::Database(_) | Error::NoRoom) => {
            plain(StatusCode::SERVICE_UNAVAILABLE, "The bytes cannot be kept at the moment. Try again shortly.")
        }
        Err(error) => {
            tracing::info!(error = fault::causes(&error), "a part was refused");
            plain(StatusCode::GONE, "The upload takes no more bytes.")
        }
    }
}
