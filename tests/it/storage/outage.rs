//! The object store goes away, and comes back.

use std::path::PathBuf;

use http::{Method, StatusCode};

use super::*;

/// Makes every use of the store fail: its folder is moved aside, and a file stands in its place.
struct Outage {
    folder: PathBuf,
    aside: PathBuf,
}

impl Outage {
    fn begin(world: &World) -> Self {
        let (folder, aside) = (world.folder.path().join("objects"), world.folder.path().join("objects-aside"));
        std::fs::rename(&folder, &aside).unwrap();
        std::fs::write(&folder, b"").unwrap();
        Self { folder, aside }
    }

    fn end(self) {
        std::fs::remove_file(&self.folder).unwrap();
        std::fs::rename(&self.aside, &self.folder).unwrap();
    }
}

#[track_caller]
fn assert_away(refused: &Status) {
    assert_reason(refused, Code::Unavailable, ErrorReason::DependencyDown);
    assert!(details(refused).retry_info().is_some(), "it says when to try again");
    assert!(!refused.message().contains('/'), "no path is told: {}", refused.message());
}

#[tokio::test]
async fn an_upload_waits_out_an_outage_of_the_store() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    ana.append(&id, 0, &file[..1000]).await.unwrap();

    // Whoever keeps the server hears of it.
    world.expect_error("request failed error=\"the object store failed");
    let outage = Outage::begin(&world);
    assert_away(&ana.append(&id, 1000, &file[1000..1500]).await.unwrap_err());
    assert_away(&ana.write(&id, 1000, &file[1000..]).await.unwrap_err());
    let told = ana.upload(&id).await.unwrap();
    assert_eq!((told.state(), told.persisted_bytes), (pb::UploadState::Receiving, 1000), "what was durable stays");
    outage.end();

    ana.append(&id, 1000, &file[1000..1500]).await.unwrap();
    ana.write(&id, 1500, &file[1500..]).await.unwrap();
    ana.complete(&id, &file).await.unwrap();

    // The check waits, too.
    let outage = Outage::begin(&world);
    world.run_jobs().await;
    assert_eq!(ana.upload(&id).await.unwrap().state(), pb::UploadState::Verifying);
    outage.end();
    world.advance(MINUTE);
    world.run_jobs().await;
    let upload = ana.upload(&id).await.unwrap();
    assert_eq!(upload.state(), pb::UploadState::Finalized);
    assert_eq!((rows(&world).await, world.stored_files().len()), ((0, 1, 1), 1));

    // And so do readers.
    let url = ana.download_url(&upload.object_id).await.unwrap().url;
    let path = url.strip_prefix("http://backline.test").unwrap();
    let outage = Outage::begin(&world);
    world.expect_error("a download failed");
    assert_away(&ana.read_object(&upload.object_id, 0, 0).await.unwrap_err());
    let answer = world.http(Http::One, Method::GET, path, &[], "").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    outage.end();
    assert_eq!(ana.read_object(&upload.object_id, 0, 0).await.unwrap(), file);
    assert_eq!(world.http(Http::One, Method::GET, path, &[], "").await.body, file);
}

#[tokio::test]
async fn a_lost_segment_rejects_the_upload_instead_of_inventing_bytes() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    ana.append(&id, 0, &file[..1000]).await.unwrap();
    ana.append(&id, 1000, &file[1000..]).await.unwrap();
    std::fs::remove_file(&world.stored_files()[1]).unwrap();
    ana.complete(&id, &file).await.unwrap();
    world.expect_error("a segment is gone");
    world.run_jobs().await;
    let told = ana.upload(&id).await.unwrap();
    assert_eq!((told.state(), told.reject_reason.as_str()), (pb::UploadState::Rejected, "UPLOAD_INCOMPLETE"));
    assert!(world.stored_files().is_empty());
}
