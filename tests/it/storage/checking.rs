//! `CompleteUpload` and the check that follows it.

use backline::{
    entity::{audit_event, job},
    jobs::Job,
    storage::jobs::FinalizeUpload,
};
use futures::future::join_all;
use sea_orm::{ColumnTrait, QueryFilter};

use super::*;

#[tokio::test]
async fn a_good_file_becomes_an_object() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    ana.append(&id, 0, &file).await.unwrap();
    let told = ana.complete(&id, &file).await.unwrap();
    assert_eq!((told.state(), told.object_id.as_str()), (pb::UploadState::Verifying, ""));
    assert_eq!((told.sha256.clone(), told.expire_time), (sha256(&file), None));
    world.run_jobs().await;
    let told = ana.upload(&id).await.unwrap();
    assert_eq!((told.state(), told.detected_media_type.as_str()), (pb::UploadState::Finalized, "audio/wav"));
    assert!(told.object_id.starts_with("obj_"), "{}", told.object_id);
    assert_eq!((told.scan(), told.reject_reason.as_str()), (pb::ScanState::NotConfigured, ""));
    assert_eq!((rows(&world).await, world.stored_files().len()), ((0, 1, 1), 1));

    let trail = audit_event::Entity::find().all(&world.db().await).await.unwrap();
    let actions: Vec<&str> = trail.iter().map(|row| row.action.as_str()).filter(|a| a.starts_with("upload")).collect();
    assert_eq!(actions, ["upload_created", "upload_completed", "upload_finalized"]);
}

#[tokio::test]
async fn completing_again_tells_how_it_stands() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    ana.append(&id, 0, &file).await.unwrap();
    let request = pb::CompleteUploadRequest { request_id: request_id(1), ..completion(&id, &file) };
    for reply in join_all((0..6).map(|_| ana.complete_upload(request.clone()))).await {
        assert_eq!(reply.unwrap().state(), pb::UploadState::Verifying);
    }
    let jobs = job::Entity::find().filter(job::Column::Kind.eq(FinalizeUpload::NAME));
    assert_eq!(jobs.count(&world.db().await).await.unwrap(), 1, "six completions start one check");
    world.run_jobs().await;
    let finalized = ana.upload(&id).await.unwrap();
    assert_eq!(finalized.state(), pb::UploadState::Finalized);
    assert_eq!(ana.complete_upload(request.clone()).await.unwrap(), finalized);
    assert_eq!(ana.complete(&id, &file).await.unwrap(), finalized, "without an id, too");

    let other = pb::CompleteUploadRequest { size_bytes: 1, ..request };
    let refused = ana.complete_upload(other).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::RequestIdReused);
    let refused = ana.complete(&id, &song(2)).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::DigestMismatch);
    // What is completed takes no bytes and cannot be given up.
    for refused in [
        ana.append(&id, 0, &file).await.unwrap_err(),
        ana.write(&id, 0, &file).await.unwrap_err(),
        ana.cancel(&id).await.unwrap_err(),
    ] {
        assert_reason(&refused, Code::FailedPrecondition, ErrorReason::UploadAlreadyCompleted);
        assert_eq!(fact(&refused, "state").as_deref(), Some("FINALIZED"));
    }
}

#[tokio::test]
async fn a_completion_must_fit_what_was_declared_and_sent() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let declared = pb::CreateUploadRequest { sha256: sha256(&file), ..announcement(&file) };
    let id = ana.create_upload(declared).await.unwrap().upload_id;
    let refused = ana.complete(&id, &file).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::UploadIncomplete);
    ana.append(&id, 0, &file[..1000]).await.unwrap();
    let refused = ana.complete(&id, &file).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::UploadIncomplete);
    assert_eq!(fact(&refused, "missing"), Some(format!("1000-{}", file.len())));
    ana.append(&id, 1000, &file[1000..]).await.unwrap();

    for size_bytes in [1, length(file.len()) - 1, length(file.len()) + 1] {
        let bad = pb::CompleteUploadRequest { size_bytes, ..completion(&id, &file) };
        let refused = ana.complete_upload(bad).await.unwrap_err();
        assert_reason(&refused, Code::FailedPrecondition, ErrorReason::SizeMismatch);
        assert_eq!(fact(&refused, "size_bytes"), Some(file.len().to_string()));
    }
    let bad = pb::CompleteUploadRequest { sha256: sha256(b"another"), ..completion(&id, &file) };
    let refused = ana.complete_upload(bad).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::DigestMismatch);
    let bad = pb::CompleteUploadRequest { upload_id: id.clone(), ..Default::default() };
    let refused = ana.complete_upload(bad).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["size_bytes", "sha256"]);

    assert_eq!(ana.upload(&id).await.unwrap().state(), pb::UploadState::Receiving, "nothing was lost");
    ana.complete(&id, &file).await.unwrap();
    world.run_jobs().await;
    assert_eq!(ana.upload(&id).await.unwrap().state(), pb::UploadState::Finalized);
}

/// Sends and completes a file, and tells why it was rejected, and what it was found to be.
async fn rejected(world: &World, who: &Actor, announcement: pb::CreateUploadRequest, file: &[u8]) -> (String, String) {
    let upload = world.checked(who, announcement, file).await;
    assert_eq!((upload.state(), upload.object_id.as_str()), (pb::UploadState::Rejected, ""), "{upload:?}");
    // The reason is one that clients know.
    let name = format!("ERROR_REASON_{}", upload.reject_reason);
    assert!(ErrorReason::from_str_name(&name).is_some(), "{name}");
    assert_eq!(rows(world).await, (0, 0, 0));
    assert!(world.stored_files().is_empty(), "a refused file leaves nothing");
    (upload.reject_reason, upload.detected_media_type)
}

#[tokio::test]
async fn a_file_that_is_not_what_it_is_called_is_rejected() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let text = b"This is a letter, whatever its name says.\n".repeat(40);
    let outcome = rejected(&world, &ana, announcement(&text), &text).await;
    assert_eq!(outcome, ("MEDIA_TYPE_NOT_ALLOWED".into(), String::new()));

    let wav = song(1);
    let said_flac = pb::CreateUploadRequest { media_type: "audio/flac".into(), ..announcement(&wav) };
    let outcome = rejected(&world, &ana, said_flac, &wav).await;
    assert_eq!(outcome, ("MEDIA_TYPE_MISMATCH".into(), "audio/wav".into()));

    // Known, and not taken for this purpose.
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.resize(500, 1);
    let outcome = rejected(&world, &ana, announcement(&png), &png).await;
    assert_eq!(outcome, ("MEDIA_TYPE_NOT_ALLOWED".into(), "image/png".into()));

    for shortest in [b"R".as_slice(), b"RIFF", b"RIFF\0\0\0\0WAVE"] {
        let outcome = rejected(&world, &ana, announcement(shortest), shortest).await;
        assert_eq!(outcome.0, "MEDIA_TYPE_NOT_ALLOWED");
    }
}

#[tokio::test]
async fn bytes_with_another_digest_are_rejected() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (file, other) = (song(1), song(2));
    let id = ana.announced(&file).await;
    ana.append(&id, 0, &file).await.unwrap();
    ana.complete(&id, &other).await.unwrap();
    world.run_jobs().await;
    let told = ana.upload(&id).await.unwrap();
    assert_eq!((told.state(), told.reject_reason.as_str()), (pb::UploadState::Rejected, "DIGEST_MISMATCH"));
    assert_eq!((rows(&world).await, world.stored_files().len()), ((0, 0, 0), 0));
    let trail = audit_event::Entity::find().filter(audit_event::Column::Action.eq("upload_rejected"));
    assert_eq!(trail.count(&world.db().await).await.unwrap(), 1);
    assert_eq!(ana.complete(&id, &other).await.unwrap(), told, "a repeat tells the same");
}

#[tokio::test]
async fn real_flac_and_mp3_are_known_for_what_they_are() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let encoded =
        [("audio/flac", "audio/x-flac", audio::flac(0.5, 3)), ("audio/mpeg", "audio/mp3", audio::mp3(0.5, 3))];
    for (name, alias, file) in encoded {
        let Some(file) = file else { continue };
        for declared in [name, alias] {
            let request = pb::CreateUploadRequest { media_type: declared.into(), ..announcement(&file) };
            let upload = world.checked(&ana, request, &file).await;
            assert_eq!((upload.state(), upload.detected_media_type.as_str()), (pb::UploadState::Finalized, name));
            assert_eq!(ana.read_object(&upload.object_id, 0, 0).await.unwrap(), file);
        }
        let request = announcement(&file);
        assert_eq!(world.checked(&ana, request, &file).await.reject_reason, "MEDIA_TYPE_MISMATCH");
    }
}

#[tokio::test]
async fn a_check_that_runs_again_or_twice_at_once_changes_nothing() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = long_wav(3 * MIB);
    let id = ana.announced(&file).await;
    ana.write(&id, 0, &file).await.unwrap();
    ana.complete(&id, &file).await.unwrap();
    let job = FinalizeUpload { upload: id.parse().unwrap() };
    // Whoever comes too late may be told to come again; nothing it does shows.
    let (one, other) = tokio::join!(job.run(world.app()), job.run(world.app()));
    assert!(one.is_ok() || other.is_ok());
    world.run_jobs().await;
    let finalized = ana.upload(&id).await.unwrap();
    assert_eq!(finalized.state(), pb::UploadState::Finalized);
    for _ in 0..2 {
        job.run(world.app()).await.unwrap();
        assert_eq!(ana.upload(&id).await.unwrap(), finalized);
        assert!(ana.read_object(&finalized.object_id, 0, 0).await.unwrap() == file);
    }
    assert_eq!((rows(&world).await, world.stored_files().len()), ((0, 1, 1), 1));
    let trail = audit_event::Entity::find().filter(audit_event::Column::Action.eq("upload_finalized"));
    assert_eq!(trail.count(&world.db().await).await.unwrap(), 1);
}

#[tokio::test]
async fn equal_files_of_two_owners_are_two_objects_and_stored_once() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let bea = world.account("bea").await;
    let file = song(1);
    let hers = world.finalized(&ana, &file).await;
    let theirs = world.finalized(&bea, &file).await;
    let again = world.finalized(&bea, &file).await;
    assert_eq!(theirs.state(), pb::UploadState::Finalized);
    assert_ne!(hers.object_id, theirs.object_id);
    assert_ne!(again.object_id, theirs.object_id);
    assert_eq!((rows(&world).await, world.stored_files().len()), ((0, 1, 3), 1));

    // Nobody learns of the other.
    let refused = bea.read_object(&hers.object_id, 0, 0).await.unwrap_err();
    assert_reason(&refused, Code::NotFound, ErrorReason::ResourceNotFound);

    // What becomes of one owner's later uploads takes nothing from the other.
    let wrong = ana.announced(&file).await;
    ana.append(&wrong, 0, &file).await.unwrap();
    ana.complete(&wrong, &song(2)).await.unwrap();
    let given_up = ana.announced(&file).await;
    ana.append(&given_up, 0, &file).await.unwrap();
    ana.cancel(&given_up).await.unwrap();
    world.run_jobs().await;
    world.advance(MINUTE * 10);
    world.run_jobs().await;
    for (who, object) in [(&ana, &hers), (&bea, &theirs), (&bea, &again)] {
        assert_eq!(who.read_object(&object.object_id, 0, 0).await.unwrap(), file);
    }
    assert_eq!(world.stored_files().len(), 1);

    // Two at once, too.
    let file = song(3);
    let (one, other) = (ana.announced(&file).await, bea.announced(&file).await);
    for (who, id) in [(&ana, &one), (&bea, &other)] {
        who.append(id, 0, &file).await.unwrap();
        who.complete(id, &file).await.unwrap();
    }
    let job = |id: &str| FinalizeUpload { upload: id.parse().unwrap() };
    let (one_job, other_job) = (job(&one), job(&other));
    let (first, second) = tokio::join!(one_job.run(world.app()), other_job.run(world.app()));
    first.and(second).unwrap();
    world.run_jobs().await;
    for (who, id) in [(&ana, &one), (&bea, &other)] {
        let object = who.upload(id).await.unwrap().object_id;
        assert_eq!(who.read_object(&object, 0, 0).await.unwrap(), file);
    }
    assert_eq!(world.stored_files().len(), 2);
}
