//! `GetLimits` and `CreateUpload`.

use futures::future::join_all;
use tonic_types::StatusExt;

use super::*;

#[tokio::test]
async fn limits_are_told_to_anyone() {
    let world = World::with(&[("uploads.max_open", "7")]).await;
    let limits = world.anonymous().storage().get_limits(pb::GetLimitsRequest {}).await.unwrap().into_inner();
    assert_eq!((limits.max_chunk_bytes, limits.part_bytes), (1_048_576, 8_388_608));
    assert_eq!((limits.max_open_uploads, limits.max_in_flight_bytes), (7, 2 << 30));
    assert_eq!((limits.default_page_size, limits.max_page_size), (50, 200));
    let told: Vec<_> = limits.purposes.iter().map(|each| (each.purpose(), each.max_bytes)).collect();
    let expected = [
        (pb::UploadPurpose::TrackAudio, 2 << 30),
        (pb::UploadPurpose::Artwork, 25 << 20),
        (pb::UploadPurpose::Attachment, 50 << 20),
    ];
    assert_eq!(told, expected);
    assert!(limits.purposes[0].media_types.contains(&"audio/flac".to_owned()));
    assert!(!limits.purposes[1].media_types.contains(&"image/svg+xml".to_owned()));
}

#[tokio::test]
async fn an_upload_begins_pending_and_tells_its_limits() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let request = pb::CreateUploadRequest { sha256: sha256(&file), ..announcement(&file) };
    let upload = ana.create_upload(request).await.unwrap();
    assert!(upload.upload_id.starts_with("upl_"), "{}", upload.upload_id);
    assert_eq!((upload.state(), upload.persisted_bytes), (pb::UploadState::Pending, 0));
    assert_eq!((upload.size_bytes, upload.sha256.clone()), (length(file.len()), sha256(&file)));
    assert_eq!((upload.media_type.as_str(), upload.file_name.as_str()), ("audio/wav", "tide.wav"));
    assert_eq!(upload.scan(), pb::ScanState::NotConfigured);
    let limits = upload.limits.unwrap();
    assert_eq!((limits.max_bytes, limits.max_chunk_bytes, limits.part_bytes), (2 << 30, 1 << 20, 8 << 20));
    let lives = upload.expire_time.unwrap().seconds - upload.create_time.unwrap().seconds;
    assert_eq!(lives, 24 * 60 * 60);
    assert_eq!(ana.upload(&upload.upload_id).await.unwrap(), upload);
}

#[tokio::test]
async fn every_bad_field_of_an_announcement_is_named() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let refused = ana.create_upload(pb::CreateUploadRequest::default()).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["purpose", "size_bytes", "media_type", "file_name"]);

    let good = announcement(&song(1));
    let bad = [
        ("purpose", pb::CreateUploadRequest { purpose: 99, ..good.clone() }),
        ("purpose", pb::CreateUploadRequest { purpose: pb::UploadPurpose::TaxForm.into(), ..good.clone() }),
        ("size_bytes", pb::CreateUploadRequest { size_bytes: 0, ..good.clone() }),
        ("size_bytes", pb::CreateUploadRequest { size_bytes: -1, ..good.clone() }),
        ("media_type", pb::CreateUploadRequest { media_type: "audio/\u{7}wav".into(), ..good.clone() }),
        ("media_type", pb::CreateUploadRequest { media_type: "a".repeat(128), ..good.clone() }),
        ("file_name", pb::CreateUploadRequest { file_name: "../tide.wav".into(), ..good.clone() }),
        ("file_name", pb::CreateUploadRequest { file_name: "..".into(), ..good.clone() }),
        ("file_name", pb::CreateUploadRequest { file_name: "c:\\tide.wav".into(), ..good.clone() }),
        ("file_name", pb::CreateUploadRequest { file_name: "ti\u{7}de.wav".into(), ..good.clone() }),
        ("file_name", pb::CreateUploadRequest { file_name: "é".repeat(256), ..good.clone() }),
        ("sha256", pb::CreateUploadRequest { sha256: vec![7; 31].into(), ..good.clone() }),
        ("request_id", pb::CreateUploadRequest { request_id: "once".into(), ..good.clone() }),
    ];
    for (field, request) in bad {
        let refused = ana.create_upload(request).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
        assert_eq!(violations(&refused), [field]);
    }
    ana.create_upload(pb::CreateUploadRequest { file_name: "é".repeat(255), ..good }).await.unwrap();
}

#[tokio::test]
async fn files_that_no_purpose_takes_are_refused_before_a_byte_is_sent() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let cover = pb::CreateUploadRequest {
        purpose: pb::UploadPurpose::Artwork.into(),
        media_type: "image/png".into(),
        file_name: "cover.png".into(),
        size_bytes: (25 << 20) + 1,
        ..Default::default()
    };
    let refused = ana.create_upload(cover.clone()).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::UploadTooLarge);
    assert_eq!(fact(&refused, "max_bytes").as_deref(), Some("26214400"));
    assert_eq!(violations(&refused), ["size_bytes"]);

    for media_type in ["audio/wav", "image/svg+xml", "text/plain", "nonsense"] {
        let request = pb::CreateUploadRequest { media_type: media_type.into(), size_bytes: 9, ..cover.clone() };
        let refused = ana.create_upload(request).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::MediaTypeNotAllowed);
        assert_eq!(fact(&refused, "allowed").as_deref(), Some("image/jpeg,image/png,image/webp"));
        assert_eq!(violations(&refused), ["media_type"]);
    }
    let alias = pb::CreateUploadRequest { media_type: "Image/JPG".into(), size_bytes: 25 << 20, ..cover };
    ana.create_upload(alias).await.unwrap();
}

#[tokio::test]
async fn announcing_again_with_the_same_request_id_makes_one_upload() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let bea = world.account("bea").await;
    let request = pb::CreateUploadRequest { request_id: request_id(1), ..announcement(&song(1)) };
    let first = ana.create_upload(request.clone()).await.unwrap();
    ana.append(&first.upload_id, 0, &song(1)[..9]).await.unwrap();
    assert_eq!(ana.create_upload(request.clone()).await.unwrap(), first, "the first reply, as it was");

    let other = pb::CreateUploadRequest { size_bytes: 5, ..request.clone() };
    let refused = ana.create_upload(other).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::RequestIdReused);
    // Another person's id is another id; no id is another upload.
    assert_ne!(bea.create_upload(request).await.unwrap().upload_id, first.upload_id);
    assert_ne!(ana.announced(&song(1)).await, ana.announced(&song(1)).await);

    let request = pb::CreateUploadRequest { request_id: request_id(2), ..announcement(&song(1)) };
    let replies = join_all((0..8).map(|_| ana.create_upload(request.clone()))).await;
    let ids: std::collections::BTreeSet<String> = replies.into_iter().map(|reply| reply.unwrap().upload_id).collect();
    assert_eq!(ids.len(), 1, "eight at once make one upload");
}

#[tokio::test]
async fn an_account_has_so_many_open_uploads_and_no_more() {
    let world = World::with(&[("uploads.max_open", "3")]).await;
    let ana = world.account("ana").await;
    let bea = world.account("bea").await;
    let file = song(1);
    let replies = join_all((0..8).map(|_| ana.create_upload(announcement(&file)))).await;
    let open: Vec<String> = replies.iter().flatten().map(|upload| upload.upload_id.clone()).collect();
    assert_eq!(open.len(), 3, "eight at once get three");
    for refused in replies.iter().filter_map(|reply| reply.as_ref().err()) {
        assert_reason(refused, Code::ResourceExhausted, ErrorReason::QuotaExceeded);
        assert_eq!(
            (fact(refused, "quota").unwrap(), fact(refused, "limit").unwrap()),
            ("open_uploads".into(), "3".into())
        );
        let quota = refused.get_details_quota_failure().expect("it says which quota");
        assert_eq!(quota.violations[0].subject, "open_uploads");
    }
    bea.create_upload(announcement(&file)).await.unwrap();

    // One that is given up, or finished, makes room.
    ana.cancel(&open[0]).await.unwrap();
    ana.create_upload(announcement(&file)).await.unwrap();
    ana.create_upload(announcement(&file)).await.unwrap_err();
    ana.append(&open[1], 0, &file).await.unwrap();
    ana.complete(&open[1], &file).await.unwrap();
    ana.create_upload(announcement(&file)).await.expect_err("a file that is being checked still counts");
    world.run_jobs().await;
    ana.create_upload(announcement(&file)).await.unwrap();
}

#[tokio::test]
async fn an_account_has_so_many_bytes_in_flight_and_no_more() {
    let settings = [("uploads.max_audio_bytes", "1000"), ("uploads.max_in_flight_bytes", "1500")];
    let world = World::with(&settings).await;
    let ana = world.account("ana").await;
    let of_size = |bytes: i64| pb::CreateUploadRequest { size_bytes: bytes, ..announcement(&[]) };
    let first = ana.create_upload(of_size(1000)).await.unwrap();
    let refused = ana.create_upload(of_size(501)).await.unwrap_err();
    assert_reason(&refused, Code::ResourceExhausted, ErrorReason::QuotaExceeded);
    assert_eq!(fact(&refused, "quota").as_deref(), Some("in_flight_bytes"));
    ana.create_upload(of_size(500)).await.unwrap();
    ana.create_upload(of_size(1)).await.unwrap_err();
    ana.cancel(&first.upload_id).await.unwrap();
    ana.create_upload(of_size(1000)).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn an_upload_is_there_for_its_owner_alone() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let bea = world.account("bea").await;
    let admin = world.admin("root").await;
    let file = song(1);
    let foreign = ana.announced(&file).await;
    let absent = tampered(&foreign, foreign.len() - 3).to_lowercase();
    for who in [&bea, &admin] {
        let mut refusals = Vec::new();
        for id in [foreign.as_str(), &absent, "upl_1", "nonsense", ""] {
            refusals.push(who.upload(id).await.unwrap_err());
            refusals.push(who.append(id, 0, &file).await.unwrap_err());
            refusals.push(who.write(id, 0, &file).await.unwrap_err());
            refusals.push(who.complete(id, &file).await.unwrap_err());
            refusals.push(who.cancel(id).await.unwrap_err());
        }
        for refused in &refusals {
            assert_reason(refused, Code::NotFound, ErrorReason::ResourceNotFound);
            assert_alike(refused, &refusals[0]);
        }
    }
    assert_eq!(ana.upload(&foreign).await.unwrap().persisted_bytes, 0);
}
