//! The part of the walk that is about files, tracks and their review.

use super::Walk;
use crate::harness::{
    audio, files,
    stages::{completing, received, submitted, track, uploaded},
    *,
};

pub async fn walk_uploads(walk: &mut Walk<'_>, ana: &Actor) {
    let file = audio::wav(0.05, 1);
    let size_bytes = i64::try_from(file.len()).unwrap();
    let request = pb::CreateUploadRequest {
        purpose: pb::UploadPurpose::TrackAudio.into(),
        size_bytes,
        media_type: "audio/wav".into(),
        file_name: "take.wav".into(),
        ..Default::default()
    };
    let upload_id = walk.act(ana, request, calls!(storage.create_upload)).await.upload.unwrap().upload_id;
    let (first, rest) = file.split_at(100);
    let request =
        pb::AppendChunkRequest { upload_id: upload_id.clone(), data: first.to_vec().into(), ..Default::default() };
    walk.done(ana, request, calls!(storage.append_chunk)).await;
    let parts = vec![files::part(&file, 100, 200)];
    let request = pb::SignUploadPartsRequest { upload_id: upload_id.clone(), parts, ..Default::default() };
    let signed = walk.done(ana, request, calls!(storage.sign_upload_parts)).await;
    assert!(walk.world.put(&signed.parts[0].url, rest[..100].to_vec()).await.is_success());
    let parts = vec![files::part(&file, 100, 200)];
    let request = pb::CommitUploadPartsRequest { upload_id: upload_id.clone(), parts, ..Default::default() };
    walk.done(ana, request, calls!(storage.commit_upload_parts)).await;
    let request = pb::WriteUploadRequest {
        upload_id: upload_id.clone(),
        offset: 200,
        data: rest[100..].to_vec().into(),
        ..Default::default()
    };
    let write = async |actor: &Actor, message| actor.storage().write_upload(futures::stream::iter([message])).await;
    walk.done(ana, request, write).await;
    walk.act(ana, completing(&upload_id, &file), calls!(storage.complete_upload)).await;
    walk.world.run_jobs().await;

    let request = pb::GetUploadRequest { upload_id };
    let upload = ana.storage().get_upload(request).await.unwrap().into_inner().upload.unwrap();
    let request = pb::CreateDownloadUrlRequest { object_id: upload.object_id };
    walk.act(ana, request, calls!(storage.create_download_url)).await;

    let upload_id = received(ana, &audio::wav(0.05, 2)).await.upload_id;
    let request = pb::CancelUploadRequest { upload_id, ..Default::default() };
    walk.act(ana, request, calls!(storage.cancel_upload)).await;
    walk.world.run_jobs().await;
}

pub async fn walk_tracks(walk: &mut Walk<'_>, ana: &Actor, artist_id: &str) {
    let audio_upload_id = uploaded(walk.world, ana, &audio::wav(0.05, 3)).await;
    let request = pb::CreateTrackRequest {
        artist_id: artist_id.into(),
        title: "First".into(),
        audio_upload_id,
        ..Default::default()
    };
    let track_id = walk.act(ana, request, calls!(tracks.create_track)).await.track.unwrap().track_id;
    let request = pb::UpdateTrackRequest {
        track: Some(pb::Track { track_id: track_id.clone(), title: "Second".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["title".into()] }),
        ..Default::default()
    };
    walk.act(ana, request, calls!(tracks.update_track)).await;
    let request = pb::DeleteTrackRequest { track_id, ..Default::default() };
    walk.act(ana, request, calls!(tracks.delete_track)).await;
}

pub async fn walk_review(walk: &mut Walk<'_>, ana: &Actor, rui: &Actor, artist_id: &str) {
    let [one, two, three] =
        [(4, "One"), (5, "Two"), (6, "Three")].map(|(seed, title)| track(walk.world, ana, artist_id, title, seed));
    let (one, two, three) = (one.await.track_id, two.await.track_id, three.await.track_id);
    let request = pb::CreateSubmissionRequest { track_id: one, ..Default::default() };
    let reply = walk.act(ana, request, calls!(submissions.create_submission)).await;
    let submission_id = reply.submission.unwrap().submission_id;
    let request = pb::SubmitSubmissionRequest { submission_id: submission_id.clone(), ..Default::default() };
    walk.act(ana, request, calls!(submissions.submit_submission)).await;
    let request = pb::StartReviewRequest { submission_id: submission_id.clone(), ..Default::default() };
    walk.act(rui, request, calls!(review.start_review)).await;
    let request = pb::ApproveSubmissionRequest { submission_id: submission_id.clone(), ..Default::default() };
    walk.act(rui, request, calls!(review.approve_submission)).await;
    let request = pb::PublishSubmissionRequest { submission_id, ..Default::default() };
    walk.act(rui, request, calls!(review.publish_submission)).await;

    let request = pb::WithdrawSubmissionRequest { submission_id: submitted(ana, &two).await, ..Default::default() };
    walk.act(ana, request, calls!(submissions.withdraw_submission)).await;

    let submission_id = submitted(ana, &three).await;
    let request = pb::StartReviewRequest { submission_id: submission_id.clone(), ..Default::default() };
    rui.review().start_review(request).await.unwrap();
    let request = pb::RejectSubmissionRequest {
        submission_id,
        reason: pb::SubmissionRejectReason::AudioQuality.into(),
        ..Default::default()
    };
    walk.act(rui, request, calls!(review.reject_submission)).await;
    walk.world.run_jobs().await;
}
