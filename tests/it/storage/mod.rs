//! Files: announced, sent, checked, read, downloaded, cleared away.

mod access;
mod announcing;
mod bucket;
mod bucket_start;
mod bucket_trouble;
mod checking;
mod clearing;
mod downloading;
mod outage;
mod parts;
mod presigned;
mod reading;
mod sending;
mod streaming;
mod synced;
mod web;

use std::time::Duration;

use backline::entity::{object_reference, stored_blob, upload_segment};
use sea_orm::{EntityTrait, PaginatorTrait};

use crate::harness::{
    files::{announcement, chunk, completion, length, part, sha256, song, stream_of},
    s3::S3,
    *,
};

const MIB: usize = 1024 * 1024;
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Bytes that begin like a WAV file and go on for long: for tests that need size, not sound.
fn long_wav(bytes: usize) -> Vec<u8> {
    let mut file = song(1);
    file.extend((file.len()..bytes).map(|at| u8::try_from(at * 7 % 251).unwrap()));
    file.truncate(bytes);
    file
}

/// How many segments, blobs and objects there are.
async fn rows(world: &World) -> (u64, u64, u64) {
    let db = world.db().await;
    let segments = upload_segment::Entity::find().count(&db).await.unwrap();
    let blobs = stored_blob::Entity::find().count(&db).await.unwrap();
    (segments, blobs, object_reference::Entity::find().count(&db).await.unwrap())
}

/// A world whose files lie in a bucket.
async fn world_on(s3: &S3, further: &[(&str, &str)]) -> World {
    let settings = s3.settings();
    let mut all: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    all.extend_from_slice(further);
    World::with(&all).await
}
