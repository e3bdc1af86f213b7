//! What stands between a registration and a published track, in one call each: for tests that are about something else.

use std::time::Duration;

use backline::{
    entity::account,
    kernel::{
        StoredHash, Timestamp,
        ids::{AccountId, Id},
    },
};
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};
use sha2::{Digest, Sha256};

use super::{Actor, World, audio, pb};

/// Hands in an application. Returns its id.
pub async fn applied(actor: &Actor, stage_name: &str) -> String {
    let request = pb::CreateApplicationRequest { stage_name: stage_name.into(), ..Default::default() };
    let reply = actor.applications().create_application(request).await.unwrap().into_inner();
    let application_id = reply.application.unwrap().application_id;
    let request = pb::SubmitApplicationRequest { application_id: application_id.clone(), ..Default::default() };
    actor.applications().submit_application(request).await.unwrap();
    application_id
}

/// Makes `owner` the owner of one more artist, a second later than what was before. Returns its id.
pub async fn artist(world: &World, owner: &Actor, reviewer: &Actor, stage_name: &str) -> String {
    world.advance(Duration::from_secs(1));
    let application_id = applied(owner, stage_name).await;
    let request = pb::ApproveApplicationRequest { application_id, ..Default::default() };
    let reply = reviewer.applications().approve_application(request).await.unwrap().into_inner();
    reply.application.unwrap().artist_id
}

/// Announces a file and sends its bytes, without completing it.
pub async fn received(owner: &Actor, file: &[u8]) -> pb::Upload {
    let request = pb::CreateUploadRequest {
        purpose: pb::UploadPurpose::TrackAudio.into(),
        size_bytes: i64::try_from(file.len()).unwrap(),
        media_type: "audio/wav".into(),
        file_name: "take.wav".into(),
        ..Default::default()
    };
    let reply = owner.storage().create_upload(request).await.unwrap().into_inner();
    let upload_id = reply.upload.unwrap().upload_id;
    let request = pb::AppendChunkRequest { upload_id, offset: 0, data: file.to_vec().into(), ..Default::default() };
    owner.storage().append_chunk(request).await.unwrap().into_inner().upload.unwrap()
}

/// What completes an upload of this file.
pub fn completing(upload_id: &str, file: &[u8]) -> pb::CompleteUploadRequest {
    pb::CompleteUploadRequest {
        upload_id: upload_id.into(),
        size_bytes: i64::try_from(file.len()).unwrap(),
        sha256: Sha256::digest(file).to_vec().into(),
        request_id: String::new(),
    }
}

/// Uploads a file and lets it be checked. Runs the jobs. Returns the upload's id.
pub async fn uploaded(world: &World, owner: &Actor, file: &[u8]) -> String {
    let upload_id = received(owner, file).await.upload_id;
    owner.storage().complete_upload(completing(&upload_id, file)).await.unwrap();
    world.run_jobs().await;
    upload_id
}

/// A draft of a track with a sound of its own: `seed` tells it from others. Runs the jobs.
pub async fn track(world: &World, owner: &Actor, artist_id: &str, title: &str, seed: u32) -> pb::Track {
    let audio_upload_id = uploaded(world, owner, &audio::wav(0.05, seed)).await;
    let request = pb::CreateTrackRequest {
        artist_id: artist_id.into(),
        title: title.into(),
        audio_upload_id,
        ..Default::default()
    };
    owner.tracks().create_track(request).await.unwrap().into_inner().track.unwrap()
}

/// Hands a track in. Returns the submission's id.
pub async fn submitted(owner: &Actor, track_id: &str) -> String {
    let request = pb::CreateSubmissionRequest { track_id: track_id.into(), ..Default::default() };
    let reply = owner.submissions().create_submission(request).await.unwrap().into_inner();
    let submission_id = reply.submission.unwrap().submission_id;
    let request = pb::SubmitSubmissionRequest { submission_id: submission_id.clone(), ..Default::default() };
    owner.submissions().submit_submission(request).await.unwrap();
    submission_id
}

/// Reviews, approves and publishes, a second after what was before. Runs the jobs.
pub async fn published(world: &World, reviewer: &Actor, submission_id: &str) {
    world.advance(Duration::from_secs(1));
    let submission_id = submission_id.to_owned();
    let request = pb::StartReviewRequest { submission_id: submission_id.clone(), ..Default::default() };
    reviewer.review().start_review(request).await.unwrap();
    let request = pb::ApproveSubmissionRequest { submission_id: submission_id.clone(), ..Default::default() };
    reviewer.review().approve_submission(request).await.unwrap();
    let request = pb::PublishSubmissionRequest { submission_id, ..Default::default() };
    reviewer.review().publish_submission(request).await.unwrap();
    world.run_jobs().await;
}

/// Puts listeners into the database behind the back of the API, all made at this moment. Nobody can sign in as one of
/// them. Returns their ids.
pub async fn crowd(world: &World, numbers: std::ops::Range<u32>) -> Vec<AccountId> {
    let (app, now) = (world.app(), world.now());
    let people: Vec<account::Model> =
        numbers.map(|number| person(number, AccountId::new(now, &app.dice), now)).collect();
    let ids = people.iter().map(|person| person.id).collect();
    let rows = people.into_iter().map(|person| person.into_active_model().reset_all());
    account::Entity::insert_many(rows).exec_without_returning(app.db.for_migrations()).await.unwrap();
    ids
}

fn person(number: u32, id: AccountId, now: Timestamp) -> account::Model {
    let email = format!("crowd{number}@example.org").parse().unwrap();
    account::Model::person(id, email, format!("Crowd {number}"), StoredHash::from_phc("none"), now)
}
