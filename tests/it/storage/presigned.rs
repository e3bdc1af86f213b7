//! Downloads by URLs of the bucket's own, with an ordinary HTTP client.

use backline::entity::audit_event;
use http::StatusCode;
use sea_orm::{ColumnTrait, QueryFilter};

use super::*;

const PRESIGN: (&str, &str) = ("objects.presign", "true");

#[tokio::test]
async fn the_bucket_gives_the_file_to_whoever_has_its_url() {
    let s3 = S3::start();
    let world = world_on(&s3, &[PRESIGN]).await;
    let ana = world.account("ana").await;
    let file = long_wav(MIB + 9);
    let named = pb::CreateUploadRequest { file_name: "maré \"alta\".wav".into(), ..announcement(&file) };
    let upload = world.checked(&ana, named, &file).await;
    let reply = ana.download_url(&upload.object_id).await.unwrap();
    assert!(reply.url.starts_with(&s3.endpoint()), "{}", reply.url);
    assert_eq!(reply.lifetime.unwrap().seconds, 600);

    let client = reqwest::Client::new();
    let calls = s3.calls();
    let answer = client.get(&reply.url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "audio/wav");
    assert_eq!(header("cache-control"), "private, no-store");
    let name = "attachment; filename=\"mar_ _alta_.wav\"; filename*=UTF-8''mar%C3%A9%20%22alta%22.wav";
    assert_eq!(header("content-disposition"), name);
    assert!(answer.bytes().await.unwrap() == file, "the same bytes");
    assert!(s3.calls() > calls, "the store itself was asked");

    let part = client.get(&reply.url).header("range", "bytes=100-299").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["content-range"].to_str().unwrap(), format!("bytes 100-299/{}", file.len()));
    assert_eq!(part.bytes().await.unwrap(), file[100..300]);

    // It opens this object, for reading, and nothing else.
    let other = reply.url.replacen("/content/", "/staging/", 1);
    assert_eq!(client.get(other).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let written = client.put(&reply.url).body("mine").send().await.unwrap();
    assert_eq!(written.status(), StatusCode::FORBIDDEN);
    assert_eq!(ana.read_object(&upload.object_id, 0, 0).await.unwrap().len(), file.len());

    // To others the object does not exist, and who asked stands in the trail.
    let bea = world.account("bea").await;
    let refused = bea.download_url(&upload.object_id).await.unwrap_err();
    assert_reason(&refused, Code::NotFound, ErrorReason::ResourceNotFound);
    let trail = audit_event::Entity::find().filter(audit_event::Column::Action.eq("download_url_created"));
    assert_eq!(trail.count(&world.db().await).await.unwrap(), 1);
}

#[tokio::test]
async fn a_url_of_the_bucket_ends_with_its_time() {
    let s3 = S3::start();
    let world = world_on(&s3, &[PRESIGN, ("uploads.download_url_life", "2s")]).await;
    let ana = world.account("ana").await;
    let file = song(1);
    let upload = world.finalized(&ana, &file).await;
    let url = ana.download_url(&upload.object_id).await.unwrap().url;
    let client = reqwest::Client::new();
    assert_eq!(client.get(&url).send().await.unwrap().bytes().await.unwrap(), file);
    eventually(async || client.get(&url).send().await.unwrap().status() == StatusCode::FORBIDDEN).await;
}
