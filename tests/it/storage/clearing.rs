//! What is given up, forgotten or refused goes, and its bytes with it.

use backline::entity::audit_event;
use sea_orm::{ColumnTrait, QueryFilter};

use super::*;

#[tokio::test]
async fn a_cancelled_upload_is_gone_with_its_bytes() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    ana.append(&id, 0, &file[..1000]).await.unwrap();
    let request = pb::CancelUploadRequest { upload_id: id.clone(), request_id: request_id(1) };
    let told = ana.cancel_upload(request.clone()).await.unwrap();
    assert_eq!((told.state(), told.expire_time), (pb::UploadState::Cancelled, None));
    assert_eq!(ana.cancel_upload(request.clone()).await.unwrap(), told);
    assert_eq!(ana.cancel(&id).await.unwrap(), told);
    let other = pb::CancelUploadRequest { upload_id: ana.announced(&file).await, ..request };
    let refused = ana.cancel_upload(other).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::RequestIdReused);
    let bad = pb::CancelUploadRequest { upload_id: id.clone(), request_id: "once".into() };
    assert_eq!(violations(&ana.cancel_upload(bad).await.unwrap_err()), ["request_id"]);

    for refused in [
        ana.append(&id, 1000, &file[1000..]).await.unwrap_err(),
        ana.write(&id, 1000, &file[1000..]).await.unwrap_err(),
        ana.complete(&id, &file).await.unwrap_err(),
    ] {
        assert_reason(&refused, Code::FailedPrecondition, ErrorReason::UploadCancelled);
    }
    assert_eq!(world.stored_files().len(), 1);
    world.run_jobs().await;
    assert_eq!((rows(&world).await, world.stored_files().len()), ((0, 0, 0), 0));
    assert_eq!(ana.upload(&id).await.unwrap().state(), pb::UploadState::Cancelled, "its row stays, as an answer");
    let trail = audit_event::Entity::find().filter(audit_event::Column::Action.eq("upload_cancelled"));
    assert_eq!(trail.count(&world.db().await).await.unwrap(), 1);
}

#[tokio::test]
async fn an_upload_without_news_for_a_day_expires() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let (idle, begun) = (ana.announced(&file).await, ana.announced(&file).await);
    world.advance(HOUR * 23);
    ana.refresh().await.unwrap();
    let told = ana.append(&begun, 0, &file[..1000]).await.unwrap();
    assert_eq!(told.expire_time.unwrap().seconds, world.now().micros() / 1_000_000 + 24 * 60 * 60, "moved on");
    world.advance(HOUR * 2);
    ana.refresh().await.unwrap();

    // It is over even before anybody swept.
    for refused in [
        ana.append(&idle, 0, &file).await.unwrap_err(),
        ana.write(&idle, 0, &file).await.unwrap_err(),
        ana.complete(&idle, &file).await.unwrap_err(),
        ana.cancel(&idle).await.unwrap_err(),
    ] {
        assert_reason(&refused, Code::FailedPrecondition, ErrorReason::UploadExpired);
    }
    world.run_jobs().await;
    assert_eq!(ana.upload(&idle).await.unwrap().state(), pb::UploadState::Expired);
    assert_eq!(ana.upload(&begun).await.unwrap().state(), pb::UploadState::Receiving, "it had news");
    ana.append(&begun, 1000, &file[1000..2000]).await.unwrap();

    world.advance(HOUR * 24);
    ana.refresh().await.unwrap();
    assert_eq!(world.stored_files().len(), 2);
    world.run_jobs().await;
    let told = ana.upload(&begun).await.unwrap();
    assert_eq!((told.state(), told.expire_time), (pb::UploadState::Expired, None));
    assert_eq!((rows(&world).await, world.stored_files().len()), ((0, 0, 0), 0), "bytes and rows are gone");
    for refused in [
        ana.append(&begun, 2000, &file[2000..]).await.unwrap_err(),
        ana.write(&begun, 2000, &file[2000..]).await.unwrap_err(),
        ana.complete(&begun, &file).await.unwrap_err(),
        ana.cancel(&begun).await.unwrap_err(),
    ] {
        assert_reason(&refused, Code::FailedPrecondition, ErrorReason::UploadExpired);
    }
    let trail = audit_event::Entity::find().filter(audit_event::Column::Action.eq("upload_expired"));
    assert_eq!(trail.count(&world.db().await).await.unwrap(), 2);
    // What expired counts no more against anybody's quota.
    ana.announced(&file).await;
}

#[tokio::test]
async fn no_upload_is_older_than_a_week() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    let begun = world.now().micros() / 1_000_000;
    for day in 1..=8 {
        world.advance(HOUR * 20);
        ana.refresh().await.unwrap();
        let told = ana.append(&id, 0, &file[..day * 10]).await.unwrap();
        assert!(told.expire_time.unwrap().seconds <= begun + 7 * 24 * 60 * 60, "{told:?}");
    }
    world.advance(HOUR * 8);
    ana.refresh().await.unwrap();
    let refused = ana.append(&id, 80, &file[80..90]).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::UploadExpired);
    world.run_jobs().await;
    assert_eq!(ana.upload(&id).await.unwrap().state(), pb::UploadState::Expired);
    assert!(world.stored_files().is_empty());
}

#[tokio::test]
async fn the_sweeper_goes_through_any_number_and_clears_what_killed_writers_left() {
    let world = World::with(&[("uploads.max_open", "300")]).await;
    let ana = world.account("ana").await;
    let file = song(1);
    let mut ids = Vec::new();
    for _ in 0..230 {
        ids.push(ana.announced(&file).await);
    }
    ana.append(&ids[0], 0, &file[..10]).await.unwrap();
    // A segment that was stored and whose row never came, and a file half-written.
    let staging = world.folder.path().join("objects/staging").join(&ids[0]);
    std::fs::write(staging.join("000000000000000a-0123456789abcdef"), b"litter").unwrap();
    std::fs::write(staging.join("0000000000000014-0123456789abcdef#1"), b"half").unwrap();
    let kept = world.finalized(&ana, &file).await;

    world.advance(HOUR * 25);
    ana.refresh().await.unwrap();
    world.run_jobs().await;
    for id in &ids {
        assert_eq!(ana.upload(id).await.unwrap().state(), pb::UploadState::Expired);
    }
    assert_eq!((rows(&world).await, world.stored_files().len()), ((0, 1, 1), 1));
    assert!(!staging.exists());
    assert_eq!(ana.read_object(&kept.object_id, 0, 0).await.unwrap(), file);
}
