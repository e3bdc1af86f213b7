//! Writing, completing, checking, expiring.

use super::*;

#[tokio::test]
async fn a_file_goes_in_by_both_doors_and_comes_out_the_same() {
    let place = place().await;
    let file = wav(19 * MIB + 17);
    let upload = place.announce(&file).await;
    let id = upload.upload_id.as_str();

    // A stream that breaks: what came whole is kept, and the next one goes on from a little before.
    assert!(place.stream(id, 0, &file[..10 * MIB], true).await.is_err());
    assert_eq!(place.get(id).await.persisted_bytes, 10 * i64::try_from(MIB).unwrap());
    let told = place.append(id, 10 * MIB, &file[10 * MIB..10 * MIB + 333]).await.unwrap();
    assert_eq!(told.persisted_bytes, i64::try_from(10 * MIB + 333).unwrap());
    let told = place.stream(id, 9 * MIB, &file[9 * MIB..], false).await.unwrap();
    assert_eq!(told.upload.persisted_bytes, told.upload.size_bytes);

    let told = place.complete(id, &file).await.unwrap();
    assert_eq!(told.state(), pb::UploadState::Verifying);
    place.work().await;
    // A repeat tells how it stands now.
    let told = place.complete(id, &file).await.unwrap();
    assert_eq!((told.state(), told.detected_media_type.as_str()), (pb::UploadState::Finalized, "audio/wav"));
    assert_eq!(told.sha256, Digest::sha256(&file).as_bytes().as_slice());

    assert_eq!(place.read(&place.ana, &told.object_id, 0, 0).await.unwrap(), file);
    assert_eq!(place.read(&place.ana, &told.object_id, 5, 700_000).await.unwrap(), &file[5..700_005]);
    let end = i64::try_from(file.len()).unwrap();
    assert!(place.read(&place.ana, &told.object_id, end, 0).await.unwrap().is_empty());
    assert_eq!(reason(&place.read(&place.ana, &told.object_id, end + 1, 0).await.unwrap_err()), "FIELD_INVALID");
    assert_eq!(reason(&place.read(&place.rui, &told.object_id, 0, 0).await.unwrap_err()), "RESOURCE_NOT_FOUND");

    // Nothing is left but the object.
    assert_eq!(place.files(), 1);
    assert_eq!(upload_segment::Entity::find().count(&place.app.db).await.unwrap(), 0);
}

#[tokio::test]
async fn every_wrong_chunk_is_refused_in_its_own_way() {
    let place = place().await;
    let file = wav(3000);
    let upload = place.announce(&file).await;
    let id = upload.upload_id.as_str();
    place.append(id, 0, &file[..1000]).await.unwrap();
    place.append(id, 1000, &file[1000..2000]).await.unwrap();

    let gap = place.append(id, 2001, &file[2001..]).await.unwrap_err();
    assert_eq!((gap.code(), reason(&gap)), (Code::OutOfRange, "OFFSET_GAP".into()));
    assert_eq!((fact(&gap, "expected"), fact(&gap, "provided")), ("2000".into(), "2001".into()));
    let long = place.append(id, 2000, &[1; 1001]).await.unwrap_err();
    assert_eq!(reason(&long), "SIZE_MISMATCH");
    let conflict = place.append(id, 500, &[1; 600]).await.unwrap_err();
    assert_eq!((conflict.code(), reason(&conflict)), (Code::Aborted, "CHUNK_CONFLICT".into()));
    // Repeats in any cut: whole segments, parts of them, and beyond the prefix.
    for (from, to) in [(0, 1000), (1000, 2000), (0, 2000), (250, 1250), (1999, 2000)] {
        assert_eq!(place.append(id, from, &file[from..to]).await.unwrap().persisted_bytes, 2000);
    }
    assert_eq!(place.append(id, 1500, &file[1500..2500]).await.unwrap().persisted_bytes, 2500);

    let damaged = pb::AppendChunkRequest {
        upload_id: id.into(),
        offset: 2500,
        data: Bytes::from_static(b"abc"),
        crc32c: Some(1),
        ..Default::default()
    };
    let damaged = place.rpc.append_chunk(by(&place.ana, damaged)).await.unwrap_err();
    assert_eq!(reason(&damaged), "CHUNK_CHECKSUM_MISMATCH");
    let incomplete = place.complete(id, &file).await.unwrap_err();
    assert_eq!((reason(&incomplete), fact(&incomplete, "missing")), ("UPLOAD_INCOMPLETE".into(), "2500-3000".into()));

    for foreign in [id, "upl_nonsense", ""] {
        let message = pb::GetUploadRequest { upload_id: foreign.into() };
        let refused = place.rpc.get_upload(by(&place.rui, message)).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused)), (Code::NotFound, "RESOURCE_NOT_FOUND".into()));
    }
}

#[tokio::test]
async fn of_two_writers_the_later_one_goes_on() {
    let place = place().await;
    let file = wav(4000);
    let id = place.announce(&file).await.upload_id;
    let upload = wire::upload_id(&id).unwrap();
    let chunk = |offset: usize| domain::Chunk {
        offset: i64::try_from(offset).unwrap(),
        data: Bytes::copy_from_slice(&file[offset..offset + 1000]),
        crc32c: None,
    };
    let mut first = domain::Writer::open(&place.app, &place.ana, upload, None).await.unwrap();
    first.take(chunk(0)).await.unwrap();
    first.settle().await.unwrap();
    let mut second = domain::Writer::open(&place.app, &place.ana, upload, None).await.unwrap();
    second.take(chunk(1000)).await.unwrap();
    first.take(chunk(1000)).await.unwrap();
    let superseded = Status::from(first.finish().await.unwrap_err());
    assert_eq!((reason(&superseded), fact(&superseded, "writer_generation")), ("WRITER_SUPERSEDED".into(), "2".into()));

    // A chunk that takes over stops the second stream, too.
    let stale = place.append_as(&id, 1000, &file[1000..2000], Some(1), false).await.unwrap_err();
    assert_eq!(reason(&stale), "WRITER_SUPERSEDED");
    let told = place.append_as(&id, 1000, &file[1000..2000], None, true).await.unwrap();
    assert_eq!((told.persisted_bytes, told.writer_generation), (2000, 3));
    assert_eq!(reason(&Status::from(second.finish().await.unwrap_err())), "WRITER_SUPERSEDED");
    assert!(domain::Writer::open(&place.app, &place.ana, upload, Some(2)).await.is_err());

    // Two equal chunks at once both succeed, and the bytes are there once.
    let (a, b) = tokio::join!(place.append(&id, 2000, &file[2000..]), place.append(&id, 2000, &file[2000..]));
    assert_eq!((a.unwrap().persisted_bytes, b.unwrap().persisted_bytes), (4000, 4000));
    place.complete(&id, &file).await.unwrap();
    place.work().await;
    assert_eq!(place.get(&id).await.state(), pb::UploadState::Finalized);
    assert_eq!(place.files(), 1);
}

#[tokio::test]
async fn files_that_are_not_what_they_should_be_are_rejected() {
    let place = place().await;
    let text = b"these are words, and no sound at all".repeat(20);
    let upload = place.finish(&text).await;
    assert_eq!((upload.state(), upload.reject_reason.as_str()), (pb::UploadState::Rejected, "MEDIA_TYPE_NOT_ALLOWED"));

    let mut flac = b"fLaC\0\0\0\x22".to_vec();
    flac.resize(500, 1);
    let upload = place.finish(&flac).await;
    assert_eq!(upload.reject_reason, "MEDIA_TYPE_MISMATCH");
    assert_eq!(upload.detected_media_type, "audio/flac");

    let file = wav(900);
    let id = place.announce(&file).await.upload_id;
    let mut damaged = file.clone();
    damaged[600] ^= 1;
    place.append(&id, 0, &damaged).await.unwrap();
    place.complete(&id, &file).await.unwrap();
    place.work().await;
    assert_eq!(place.get(&id).await.reject_reason, "DIGEST_MISMATCH");
    assert_eq!(reason(&place.complete(&id, &damaged).await.unwrap_err()), "REQUEST_ID_REUSED");
    assert_eq!(place.files(), 0);
}

#[tokio::test]
async fn equal_contents_are_stored_once_and_look_like_two() {
    let place = place().await;
    let file = wav(5000);
    let first = place.finish(&file).await;
    // A run that was killed after the bytes and before the row: the next one mends it.
    let id = place.announce(&file).await.upload_id;
    place.append(&id, 0, &file).await.unwrap();
    place.complete(&id, &file).await.unwrap();
    let upload = wire::upload_id(&id).unwrap();
    let left = domain::final_key(upload);
    place.app.objects.put(&left, Bytes::from_static(b"half").into()).await.unwrap();
    let (a, b) = tokio::join!(domain::finalize(&place.app, upload), domain::finalize(&place.app, upload));
    // Of two runs at once one may find its draft cleared away; the queue tries it again.
    assert!(a.is_ok() || b.is_ok(), "{a:?} {b:?}");
    domain::finalize(&place.app, upload).await.unwrap();
    place.work().await;
    let second = place.get(&id).await;
    assert_eq!(second.state(), pb::UploadState::Finalized);
    assert_ne!(first.object_id, second.object_id);
    assert_eq!(place.read(&place.ana, &second.object_id, 0, 0).await.unwrap(), file);
    assert_eq!(stored_blob::Entity::find().count(&place.app.db).await.unwrap(), 1);
    assert_eq!(object_reference::Entity::find().count(&place.app.db).await.unwrap(), 2);
    assert_eq!(place.files(), 1);
}

#[tokio::test]
async fn what_is_left_unfinished_expires_and_its_bytes_go() {
    let place = place().await;
    let file = wav(5000);
    let old = place.announce(&file).await.upload_id;
    place.append(&old, 0, &file[..10]).await.unwrap();
    let cancelled = place.announce(&file).await.upload_id;
    place.append(&cancelled, 0, &file[..10]).await.unwrap();
    let message = pb::CancelUploadRequest { upload_id: cancelled.clone(), ..Default::default() };
    place.rpc.cancel_upload(by(&place.ana, message.clone())).await.unwrap();
    place.rpc.cancel_upload(by(&place.ana, message)).await.unwrap();
    assert_eq!(reason(&place.append(&cancelled, 10, &file[10..20]).await.unwrap_err()), "UPLOAD_CANCELLED");
    place.work().await;
    assert_eq!(place.files(), 1);

    place.app.clock.advance(std::time::Duration::from_hours(24));
    assert_eq!(reason(&place.append(&old, 10, &file[10..20]).await.unwrap_err()), "UPLOAD_EXPIRED");
    domain::sweep(&place.app).await.unwrap();
    assert_eq!(place.get(&old).await.state(), pb::UploadState::Expired);
    assert_eq!(place.files(), 0);
    assert_eq!(upload_segment::Entity::find().count(&place.app.db).await.unwrap(), 0);
}

#[tokio::test]
async fn quotas_and_limits_are_kept() {
    let place = place().await;
    let refused = place.announce_as(&place.ana, 3 << 30, "audio/wav").await.unwrap_err();
    assert_eq!((reason(&refused), fact(&refused, "max_bytes")), ("UPLOAD_TOO_LARGE".into(), (2_u64 << 30).to_string()));
    let refused = place.announce_as(&place.ana, 10, "text/plain").await.unwrap_err();
    assert_eq!(reason(&refused), "MEDIA_TYPE_NOT_ALLOWED");
    assert_eq!(reason(&place.announce_as(&place.ana, 0, "audio/wav").await.unwrap_err()), "FIELD_INVALID");
    for _ in 0..20 {
        place.announce_as(&place.ana, 10, "audio/wav").await.unwrap();
    }
    let refused = place.announce_as(&place.ana, 10, "audio/wav").await.unwrap_err();
    assert_eq!((reason(&refused), fact(&refused, "quota")), ("QUOTA_EXCEEDED".into(), "open_uploads".into()));
    place.announce_as(&place.rui, 10, "audio/wav").await.unwrap();
}
