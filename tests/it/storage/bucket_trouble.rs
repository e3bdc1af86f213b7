//! An S3 server that is away, slow, failing, closed: each is told, and nothing is half done.

use super::*;
use crate::harness::s3::Trouble;

/// Shorter than anybody's patience.
const SHORT: (&str, &str) = ("objects.timeout", "400ms");

#[track_caller]
fn assert_away(refused: &Status) {
    assert_reason(refused, Code::Unavailable, ErrorReason::DependencyDown);
    assert!(details(refused).retry_info().is_some(), "it says when to try again");
    assert!(!refused.message().contains('/'), "no address is told: {}", refused.message());
}

/// An upload whose bytes cannot be moved now, and can be later.
async fn waits_out(s3: &S3, trouble: Trouble) {
    let world = world_on(s3, &[SHORT]).await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    ana.append(&id, 0, &file[..1000]).await.unwrap();
    let before = s3.keys();
    // Whoever keeps the server hears of it.
    world.expect_error("request failed error=\"the object store failed");

    s3.trouble(trouble);
    let begun = std::time::Instant::now();
    assert_away(&ana.append(&id, 1000, &file[1000..1500]).await.unwrap_err());
    assert_away(&ana.write(&id, 1000, &file[1000..]).await.unwrap_err());
    assert!(begun.elapsed() < Duration::from_secs(3), "the store's time is bounded: {:?}", begun.elapsed());
    let told = ana.upload(&id).await.unwrap();
    assert_eq!((told.state(), told.persisted_bytes), (pb::UploadState::Receiving, 1000), "what was durable stays");
    s3.trouble(Trouble::None);
    assert_eq!(rows(&world).await.0, 1);

    ana.write(&id, 1000, &file[1000..]).await.unwrap();
    ana.complete(&id, &file).await.unwrap();
    // The check waits, too.
    s3.trouble(trouble);
    world.run_jobs().await;
    assert_eq!(ana.upload(&id).await.unwrap().state(), pb::UploadState::Verifying);
    s3.trouble(Trouble::None);
    world.advance(MINUTE);
    world.run_jobs().await;
    let upload = ana.upload(&id).await.unwrap();
    assert_eq!(upload.state(), pb::UploadState::Finalized);
    assert_eq!(ana.read_object(&upload.object_id, 0, 0).await.unwrap(), file);
    // A write that came late is litter of the upload, and went with it.
    assert_eq!((before.len(), s3.keys().len()), (1, 1));

    s3.trouble(trouble);
    if trouble == Trouble::ReadOnly {
        assert_eq!(ana.read_object(&upload.object_id, 0, 0).await.unwrap(), file, "reading goes on");
    } else {
        assert_away(&ana.read_object(&upload.object_id, 0, 0).await.unwrap_err());
    }
}

#[tokio::test]
async fn a_bucket_that_is_away_is_waited_out() {
    waits_out(&S3::start(), Trouble::Away).await;
}

#[tokio::test]
async fn a_bucket_that_is_slow_is_not_waited_for() {
    waits_out(&S3::start(), Trouble::Slow(Duration::from_millis(1500))).await;
}

#[tokio::test]
async fn a_bucket_that_refuses_writes_still_gives() {
    waits_out(&S3::start(), Trouble::ReadOnly).await;
}

#[tokio::test]
async fn a_caller_with_less_patience_than_the_store_is_answered_in_time() {
    let s3 = S3::start();
    let world = world_on(&s3, &[]).await;
    let ana = world.account("ana").await;
    let file = song(1);
    let id = ana.announced(&file).await;
    s3.trouble(Trouble::Slow(Duration::from_secs(8)));
    let mut request = tonic::Request::new(chunk(&id, 0, &file));
    request.set_timeout(Duration::from_millis(600));
    let begun = std::time::Instant::now();
    world.expect_error("request failed error=\"the object store failed");
    let refused = ana.storage().append_chunk(request).await.unwrap_err();
    assert!(matches!(refused.code(), Code::DeadlineExceeded | Code::Unavailable | Code::Cancelled), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    s3.trouble(Trouble::None);
    assert_eq!(ana.upload(&id).await.unwrap().persisted_bytes, 0);
    ana.append(&id, 0, &file).await.unwrap();
}

#[tokio::test]
async fn calls_that_fail_now_and_then_are_repeated_unseen() {
    let s3 = S3::start();
    let world = world_on(&s3, &[]).await;
    let ana = world.account("ana").await;
    s3.trouble(Trouble::Failing(3));
    for seed in 0..4 {
        let file = song(seed);
        let upload = world.finalized(&ana, &file).await;
        assert_eq!(upload.state(), pb::UploadState::Finalized);
        assert_eq!(ana.read_object(&upload.object_id, 0, 0).await.unwrap(), file);
    }
    assert_eq!(s3.keys().len(), 4);
}

/// What the admin port says of the object store.
async fn store_answers(world: &World) -> bool {
    let address = world.server().admin_address;
    let answer = crate::harness::raw::send(address, Http::One, http::Method::GET, "/readyz", &[], "").await;
    assert_eq!(answer.status, http::StatusCode::OK, "the server is ready all the same");
    let state: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    match state["state"].as_str() {
        Some("ready") => true,
        Some("degraded") => false,
        _ => panic!("neither: {state}"),
    }
}

#[tokio::test]
async fn a_bucket_that_cannot_be_written_to_is_told_from_the_start() {
    let s3 = S3::start();
    s3.trouble(Trouble::ReadOnly);
    let world = world_on(&s3, &[]).await;
    eventually(async || world.logged().iter().any(|line| line.contains("lets us read and not write"))).await;
    assert!(!store_answers(&world).await);
    s3.trouble(Trouble::None);
    eventually_within(Duration::from_secs(6), async || store_answers(&world).await).await;
    assert!(world.logged().iter().any(|line| line.contains("works again")));
}

#[tokio::test]
async fn a_store_that_does_not_know_us_or_the_bucket_says_which() {
    for (setting, words) in [
        (("objects.secret_access_key", "canary-wrong"), "refuses the keys"),
        (("objects.access_key_id", "AKIDNOBODY"), "refuses the keys"),
        (("objects.url", "s3://elsewhere"), "no bucket of this name"),
    ] {
        let s3 = S3::start();
        let world = world_on(&s3, &[setting]).await;
        eventually(async || world.logged().iter().any(|line| line.contains(words))).await;
        assert!(!store_answers(&world).await);
        let ana = world.account("ana").await;
        let id = ana.announced(&song(1)).await;
        world.expect_error("request failed error=\"the object store failed");
        assert_away(&ana.append(&id, 0, &song(1)).await.unwrap_err());
        assert!(!world.logged().iter().any(|line| line.contains("canary")), "no secret is logged");
    }
}
