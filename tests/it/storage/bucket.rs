//! The main stories on an S3 server, as on a folder.

use http::{Method, StatusCode};

use super::*;

#[tokio::test]
async fn a_file_goes_through_a_bucket_by_every_door() {
    let s3 = S3::start();
    let world = world_on(&s3, &[]).await;
    let ana = world.account("ana").await;
    let file = long_wav(19 * MIB + 17);
    let id = ana.announced(&file).await;

    let told = ana.write(&id, 0, &file[..9 * MIB]).await.unwrap();
    assert_eq!(told.persisted_bytes, length(9 * MIB));
    let told = ana.append(&id, 9 * MIB, &file[9 * MIB..9 * MIB + 333]).await.unwrap();
    assert_eq!(told.persisted_bytes, length(9 * MIB + 333));
    // Bytes that are there already are compared with those in the bucket: whole segments, and parts of them.
    assert_eq!(ana.append(&id, 0, &file[..MIB]).await.unwrap().persisted_bytes, length(9 * MIB + 333));
    let refused = ana.append(&id, 100, &[9; 50]).await.unwrap_err();
    assert_reason(&refused, Code::Aborted, ErrorReason::ChunkConflict);
    ana.write(&id, 8 * MIB + 5, &file[8 * MIB + 5..]).await.unwrap();
    assert!(s3.keys().iter().all(|key| key.starts_with(&format!("staging/{id}/"))), "{:?}", s3.keys());
    ana.complete(&id, &file).await.unwrap();
    world.run_jobs().await;

    let upload = ana.upload(&id).await.unwrap();
    assert_eq!((upload.state(), upload.sha256.clone()), (pb::UploadState::Finalized, sha256(&file)));
    assert!(ana.read_object(&upload.object_id, 0, 0).await.unwrap() == file, "the same bytes come back");
    let part = ana.read_object(&upload.object_id, 5, 700_000).await.unwrap();
    assert!(part == file[5..700_005], "and the same part");
    let keys = s3.keys();
    assert_eq!((rows(&world).await, keys.len()), ((0, 1, 1), 1), "nothing is left but the object: {keys:?}");
    assert!(keys[0].starts_with("content/"), "{keys:?}");

    // Our own URL, from which this server sends what it reads over there.
    let url = ana.download_url(&upload.object_id).await.unwrap().url;
    let path = url.strip_prefix("http://backline.test").expect("nobody asked for the bucket's own");
    let answer = world.http(Http::One, Method::GET, path, &[("range", "bytes=100-299")], "").await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::PARTIAL_CONTENT, &file[100..300]));
}

#[tokio::test]
async fn what_ends_in_a_bucket_leaves_nothing_there() {
    let s3 = S3::start();
    let world = world_on(&s3, &[]).await;
    let ana = world.account("ana").await;
    let file = song(1);

    let cancelled = ana.announced(&file).await;
    ana.append(&cancelled, 0, &file[..1000]).await.unwrap();
    assert_eq!(s3.keys().len(), 1);
    ana.cancel(&cancelled).await.unwrap();
    world.run_jobs().await;
    assert_eq!(s3.keys(), [""; 0]);

    let rejected = ana.announced(&file).await;
    let mut other = file.clone();
    other[500] ^= 1;
    ana.write(&rejected, 0, &other).await.unwrap();
    ana.complete(&rejected, &file).await.unwrap();
    world.run_jobs().await;
    assert_eq!(ana.upload(&rejected).await.unwrap().reject_reason, "DIGEST_MISMATCH");
    assert_eq!(s3.keys(), [""; 0]);

    let kept = world.finalized(&ana, &file).await;
    let equal = world.finalized(&ana, &file).await;
    assert_ne!(kept.object_id, equal.object_id);
    assert_eq!(s3.keys().len(), 1, "equal contents are stored once");

    let idle = ana.announced(&file).await;
    ana.append(&idle, 0, &file[..1000]).await.unwrap();
    world.advance(HOUR * 25);
    ana.refresh().await.unwrap();
    world.run_jobs().await;
    assert_eq!(ana.upload(&idle).await.unwrap().state(), pb::UploadState::Expired);
    assert_eq!((rows(&world).await, s3.keys().len()), ((0, 1, 2), 1));
    assert_eq!(ana.read_object(&equal.object_id, 0, 0).await.unwrap(), file);
}

#[tokio::test]
async fn a_segment_lost_from_a_bucket_rejects_the_upload() {
    let s3 = S3::start();
    let world = world_on(&s3, &[]).await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    ana.append(&id, 0, &file[..1000]).await.unwrap();
    ana.append(&id, 1000, &file[1000..]).await.unwrap();
    std::fs::remove_file(s3.folder().join(crate::harness::s3::PREFIX).join(&s3.keys()[1])).unwrap();
    ana.complete(&id, &file).await.unwrap();
    world.expect_error("a segment is gone");
    world.run_jobs().await;
    let told = ana.upload(&id).await.unwrap();
    assert_eq!((told.state(), told.reject_reason.as_str()), (pb::UploadState::Rejected, "UPLOAD_INCOMPLETE"));
    assert_eq!(s3.keys(), [""; 0]);
}
