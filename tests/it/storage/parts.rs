//! Parts of a file, put to signed URLs by an ordinary HTTP client.

use futures::future::join_all;
use http::StatusCode;

use super::*;
use crate::harness::s3::PREFIX;

/// Sends a file in parts out of order and at once, between the other doors.
async fn goes_in_by_parts(world: &World) {
    let ana = world.account("ana").await;
    let file = long_wav(5 * MIB + 77);
    let id = ana.announced(&file).await;
    ana.append(&id, 0, &file[..1000]).await.unwrap();
    let cuts = [1000, MIB, 2 * MIB, 3 * MIB + 1, 4 * MIB];
    let parts: Vec<_> = cuts.windows(2).map(|cut| part(&file, cut[0], cut[1])).collect();
    let urls = ana.sign_parts(&id, &parts).await.unwrap();
    let sends = cuts.windows(2).zip(&urls).rev();
    for sent in join_all(sends.map(|(cut, url)| world.put(url, file[cut[0]..cut[1]].to_vec()))).await {
        assert!(sent.is_success(), "{sent}");
    }
    assert_eq!(ana.upload(&id).await.unwrap().persisted_bytes, 1000, "nothing counts before it was looked at");

    let told = ana.commit_parts(&id, &parts[..2]).await.unwrap();
    assert_eq!((told.state(), told.persisted_bytes), (pb::UploadState::Receiving, length(2 * MIB)));
    assert_eq!(ana.commit_parts(&id, &parts[..1]).await.unwrap(), told, "a repeat is harmless");
    assert_eq!(ana.commit_parts(&id, &parts).await.unwrap().persisted_bytes, length(4 * MIB));
    // Any door goes on, and compares what lies before.
    ana.write(&id, 4 * MIB - 10, &file[4 * MIB - 10..5 * MIB]).await.unwrap();
    let last = part(&file, 5 * MIB, file.len());
    let urls = ana.sign_parts(&id, &[last]).await.unwrap();
    assert!(world.put(&urls[0], file[5 * MIB..].to_vec()).await.is_success());
    ana.commit_parts(&id, &[last]).await.unwrap();

    ana.complete(&id, &file).await.unwrap();
    world.run_jobs().await;
    let upload = ana.upload(&id).await.unwrap();
    assert_eq!((upload.state(), upload.sha256), (pb::UploadState::Finalized, sha256(&file)));
    assert!(ana.read_object(&upload.object_id, 0, 0).await.unwrap() == file, "the same bytes come back");
    assert_eq!(rows(world).await, (0, 1, 1));
}

#[tokio::test]
async fn a_file_goes_in_by_parts_on_a_folder() {
    let world = World::start().await;
    goes_in_by_parts(&world).await;
    assert_eq!(world.stored_files().len(), 1);
}

#[tokio::test]
async fn a_file_goes_in_by_parts_through_this_server_into_a_bucket() {
    let s3 = S3::start();
    goes_in_by_parts(&world_on(&s3, &[]).await).await;
    assert_eq!(s3.keys().len(), 1);
}

#[tokio::test]
async fn a_file_goes_in_by_parts_straight_into_a_bucket() {
    let s3 = S3::start();
    let world = world_on(&s3, &[("objects.presign", "true")]).await;
    goes_in_by_parts(&world).await;
    assert_eq!(s3.keys().len(), 1);
    let ana = world.login(&crate::harness::world::email_of("ana"), PASSWORD).await.unwrap();
    let id = ana.announced(&song(1)).await;
    let url = ana.sign_parts(&id, &[part(&song(1), 0, 9)]).await.unwrap().remove(0);
    assert!(url.starts_with(&s3.endpoint()), "{url}");
    // Nothing else can be done with it.
    let client = reqwest::Client::new();
    assert_eq!(client.get(&url).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(world.put(&url.replacen("staging", "content", 1), vec![1]).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_bucket_takes_anything_and_only_the_right_bytes_count() {
    let s3 = S3::start();
    let world = world_on(&s3, &[("objects.presign", "true")]).await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    let first = part(&file, 0, 1000);
    let url = ana.sign_parts(&id, &[first]).await.unwrap().remove(0);
    for wrong in [file[..999].to_vec(), file[..1001].to_vec(), file[1..1001].to_vec()] {
        assert!(world.put(&url, wrong).await.is_success());
        let refused = ana.commit_parts(&id, &[first]).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::ChunkChecksumMismatch);
        assert_eq!((ana.upload(&id).await.unwrap().persisted_bytes, s3.keys().len()), (0, 0));
    }
    assert!(world.put(&url, file[..1000].to_vec()).await.is_success());
    assert_eq!(ana.commit_parts(&id, &[first]).await.unwrap().persisted_bytes, 1000);

    // Bytes that change under a part that was taken in never become the file.
    ana.append(&id, 1000, &file[1000..]).await.unwrap();
    let stored = s3.keys();
    let mut other = file[..1000].to_vec();
    other[900] ^= 1;
    assert!(world.put(&url, other).await.is_success());
    assert_eq!(s3.keys(), stored);
    ana.complete(&id, &file).await.unwrap();
    world.run_jobs().await;
    assert_eq!(ana.upload(&id).await.unwrap().reject_reason, "DIGEST_MISMATCH");
    assert!(!s3.folder().join(PREFIX).join("staging").join(&id).join("x").exists() && s3.keys().is_empty());
}

#[tokio::test]
async fn our_own_url_takes_the_bytes_it_was_made_for_and_no_others() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    let url = ana.sign_parts(&id, &[part(&file, 0, 1000)]).await.unwrap().remove(0);
    assert_eq!(world.put(&url, file[..999].to_vec()).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(world.put(&url, file[1..1001].to_vec()).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(world.put(&url, file[..1001].to_vec()).await, StatusCode::PAYLOAD_TOO_LARGE);
    for (from, to) in
        [("size=1000", "size=1001"), ("parts/0", "parts/1"), ("crc32c=", "crc32c=1"), ("generation=0", "generation=1")]
    {
        let forged = url.replacen(from, to, 1);
        assert_ne!(forged, url);
        assert_eq!(world.put(&forged, file[..1000].to_vec()).await, StatusCode::FORBIDDEN, "{forged}");
    }
    assert_eq!(world.put(url.split('?').next().unwrap(), vec![1]).await, StatusCode::FORBIDDEN);
    assert!(world.stored_files().is_empty());
    assert_eq!(world.put(&url, file[..1000].to_vec()).await, StatusCode::NO_CONTENT);

    // What was put and never taken in goes with the upload; the URL goes with its time, and with the upload.
    let late = ana.sign_parts(&id, &[part(&file, 1000, 2000)]).await.unwrap().remove(0);
    world.advance(MINUTE * 15);
    assert_eq!(world.put(&late, file[1000..2000].to_vec()).await, StatusCode::FORBIDDEN);
    ana.refresh().await.unwrap();
    let url = ana.sign_parts(&id, &[part(&file, 1000, 2000)]).await.unwrap().remove(0);
    ana.cancel(&id).await.unwrap();
    assert_eq!(world.put(&url, file[1000..2000].to_vec()).await, StatusCode::GONE);
    world.run_jobs().await;
    assert!(world.stored_files().is_empty());
}

#[tokio::test]
async fn parts_of_a_writer_of_before_count_no_more() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    let (first, second) = (part(&file, 0, 1000), part(&file, 1000, 2000));
    let sign = |take_over: bool, generation: Option<i64>| pb::SignUploadPartsRequest {
        upload_id: id.clone(),
        parts: vec![first, second],
        writer_generation: generation,
        take_over,
    };
    let mine = ana.storage().sign_upload_parts(sign(true, None)).await.unwrap().into_inner();
    assert_eq!(mine.upload.unwrap().writer_generation, 1);
    assert_eq!(mine.lifetime.unwrap().seconds, 15 * 60);
    assert!(world.put(&mine.parts[0].url, file[..1000].to_vec()).await.is_success());

    let theirs = ana.storage().sign_upload_parts(sign(true, Some(1))).await.unwrap().into_inner();
    assert_eq!(theirs.upload.unwrap().writer_generation, 2);
    assert_eq!(world.put(&mine.parts[1].url, file[1000..2000].to_vec()).await, StatusCode::CONFLICT);
    let refused = ana.storage().sign_upload_parts(sign(false, Some(1))).await.unwrap_err();
    assert_reason(&refused, Code::Aborted, ErrorReason::WriterSuperseded);
    let commit = |generation: Option<i64>| pb::CommitUploadPartsRequest {
        upload_id: id.clone(),
        parts: vec![first],
        writer_generation: generation,
    };
    let refused = ana.storage().commit_upload_parts(commit(Some(1))).await.unwrap_err();
    assert_reason(&refused, Code::Aborted, ErrorReason::WriterSuperseded);
    let refused = ana.storage().commit_upload_parts(commit(None)).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::UploadIncomplete);
    assert_eq!(fact(&refused, "missing").as_deref(), Some("0-1000"));

    assert!(world.put(&theirs.parts[0].url, file[..1000].to_vec()).await.is_success());
    // Two equal calls at once both succeed, and the part is taken in once.
    let one = [first];
    let (a, b) = tokio::join!(ana.commit_parts(&id, &one), ana.commit_parts(&id, &one));
    assert_eq!((a.unwrap().persisted_bytes, b.unwrap().persisted_bytes), (1000, 1000));
    assert_eq!(rows(&world).await.0, 1);
}

#[tokio::test]
async fn parts_without_a_place_are_refused_with_the_reason() {
    let world = World::start().await;
    let (ana, bea) = (world.account("ana").await, world.account("bea").await);
    let file = song(1);
    let id = ana.announced(&file).await;
    ana.append(&id, 0, &file[..1000]).await.unwrap();
    let good = part(&file, 1000, 2000);
    for refused in [
        bea.sign_parts(&id, &[good]).await.unwrap_err(),
        bea.commit_parts(&id, &[good]).await.unwrap_err(),
        ana.sign_parts("upl_nonsense", &[good]).await.unwrap_err(),
    ] {
        assert_reason(&refused, Code::NotFound, ErrorReason::ResourceNotFound);
    }

    let below = ana.sign_parts(&id, &[part(&file, 999, 2000)]).await.unwrap_err();
    assert_reason(&below, Code::OutOfRange, ErrorReason::OffsetGap);
    let gap = ana.commit_parts(&id, &[part(&file, 1001, 2000)]).await.unwrap_err();
    assert_reason(&gap, Code::OutOfRange, ErrorReason::OffsetGap);
    assert_eq!(fact(&gap, "expected").as_deref(), Some("1000"));
    let conflict = ana.commit_parts(&id, &[part(&file, 0, 999)]).await.unwrap_err();
    assert_reason(&conflict, Code::Aborted, ErrorReason::ChunkConflict);
    let beyond = pb::UploadPart { offset: 1000, size_bytes: length(file.len()), crc32c: 1 };
    for refused in
        [ana.sign_parts(&id, &[beyond]).await.unwrap_err(), ana.commit_parts(&id, &[beyond]).await.unwrap_err()]
    {
        assert_reason(&refused, Code::FailedPrecondition, ErrorReason::SizeMismatch);
    }

    let bad = [pb::UploadPart { size_bytes: 0, ..good }, pb::UploadPart { size_bytes: 8 * 1024 * 1024 + 1, ..good }];
    for refused in [ana.sign_parts(&id, &bad).await.unwrap_err(), ana.commit_parts(&id, &bad).await.unwrap_err()] {
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
        assert_eq!(violations(&refused), ["parts[0].size_bytes", "parts[1].size_bytes"]);
    }
    let overlapping = [good, part(&file, 1999, 2500)];
    assert_eq!(violations(&ana.sign_parts(&id, &overlapping).await.unwrap_err()), ["parts[1].offset"]);
    for count in [0, 17] {
        assert_eq!(violations(&ana.sign_parts(&id, &vec![good; count]).await.unwrap_err())[0], "parts");
    }
    assert_eq!(ana.upload(&id).await.unwrap().persisted_bytes, 1000);
}
