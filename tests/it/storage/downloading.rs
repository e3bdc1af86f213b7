//! Signed URLs, and what they lead to.

use backline::entity::{audit_event, stored_blob};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use sea_orm::{
    ColumnTrait, QueryFilter,
    sea_query::{Expr, ExprTrait},
};

use super::*;

/// The path and query of a URL of ours.
fn path(url: &str) -> String {
    url.strip_prefix("http://backline.test").expect("the URL begins with web.public_url").to_owned()
}

async fn get(world: &World, path: &str, headers: &[(&str, &str)]) -> Answer {
    world.http(Http::One, Method::GET, path, headers, "").await
}

async fn signed(who: &Actor, object_id: &str) -> String {
    path(&who.download_url(object_id).await.unwrap().url)
}

#[tokio::test]
async fn a_signed_url_gives_the_whole_file_to_whoever_has_it() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = long_wav(MIB + 9);
    let named = pb::CreateUploadRequest { file_name: "maré \"alta\".wav".into(), ..announcement(&file) };
    let upload = world.checked(&ana, named, &file).await;
    let reply = ana.download_url(&upload.object_id).await.unwrap();
    assert_eq!(reply.lifetime.unwrap().seconds, 600);
    assert_eq!(reply.expire_time.unwrap().seconds, world.now().micros() / 1_000_000 + 600);

    for protocol in [Http::One, Http::Two] {
        let answer = world.http(protocol, Method::GET, &path(&reply.url), &[], "").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.body == file, "the same bytes");
        let expected = [
            ("content-type", "audio/wav".to_owned()),
            ("content-length", file.len().to_string()),
            ("etag", format!("\"sha256-{}\"", BASE64_URL_SAFE_NO_PAD.encode(sha256(&file)))),
            ("accept-ranges", "bytes".to_owned()),
            ("cache-control", "private, no-store".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
            ("content-security-policy", "default-src 'none'; sandbox".to_owned()),
            (
                "content-disposition",
                "attachment; filename=\"mar_ _alta_.wav\"; filename*=UTF-8''mar%C3%A9%20%22alta%22.wav".to_owned(),
            ),
        ];
        for (name, value) in expected {
            assert_eq!(answer.header(name), Some(value.as_str()), "{name}");
        }
        assert!(answer.header("set-cookie").is_none());
    }
    let answer = world.http(Http::One, Method::HEAD, &path(&reply.url), &[("range", "bytes=0-4")], "").await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
    assert_eq!(answer.header("content-length"), Some(file.len().to_string().as_str()));
    let answer = world.http(Http::One, Method::POST, &path(&reply.url), &[], "").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);

    // Who asked for it stands in the trail.
    let trail = audit_event::Entity::find().filter(audit_event::Column::Action.eq("download_url_created"));
    assert_eq!(trail.count(&world.db().await).await.unwrap(), 1);
}

#[tokio::test]
async fn a_part_of_the_file_is_given_to_whoever_asks_for_it() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let size = file.len();
    let upload = world.finalized(&ana, &file).await;
    let url = signed(&ana, &upload.object_id).await;
    let parts = [
        ("bytes=0-0".to_owned(), 0..1),
        ("bytes=10-".to_owned(), 10..size),
        ("bytes=100-199".to_owned(), 100..200),
        (format!("bytes=5-{}", size * 2), 5..size),
        ("bytes=-7".to_owned(), size - 7..size),
        (format!("bytes=-{}", size * 2), 0..size),
    ];
    for (range, expected) in parts {
        let answer = get(&world, &url, &[("range", &range)]).await;
        assert_eq!((answer.status, answer.text().is_empty()), (StatusCode::PARTIAL_CONTENT, false), "{range}");
        assert_eq!(answer.body, file[expected.clone()], "{range}");
        let told = format!("bytes {}-{}/{size}", expected.start, expected.end - 1);
        assert_eq!(answer.header("content-range"), Some(told.as_str()));
        assert_eq!(answer.header("content-length"), Some(expected.len().to_string().as_str()));
    }
    for range in [format!("bytes={size}-"), "bytes=-0".to_owned()] {
        let answer = get(&world, &url, &[("range", &range)]).await;
        assert_eq!(answer.status, StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
        assert_eq!(answer.header("content-range"), Some(format!("bytes */{size}").as_str()));
    }
    for range in ["bytes=9-5", "bytes=0-1,5-6", "lines=1-2", "bytes=x-"] {
        let answer = get(&world, &url, &[("range", range)]).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, size), "{range}");
    }

    let etag = get(&world, &url, &[]).await.header("etag").unwrap().to_owned();
    let answer = get(&world, &url, &[("range", "bytes=1-2"), ("if-range", &etag)]).await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::PARTIAL_CONTENT, &file[1..3]));
    let answer = get(&world, &url, &[("range", "bytes=1-2"), ("if-range", "\"sha256-other\"")]).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, size), "another file's tag gets this file whole");
}

#[tokio::test]
async fn a_url_that_is_not_exactly_ours_opens_nothing() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let bea = world.account("bea").await;
    let file = song(1);
    let mine = world.finalized(&ana, &file).await;
    let other = world.finalized(&ana, &song(2)).await;
    let url = signed(&ana, &mine.object_id).await;
    let field = |name: &str| {
        let from = url.find(&format!("{name}=")).unwrap() + name.len() + 1;
        let to = url[from..].find('&').map_or(url.len(), |at| from + at);
        (from, to)
    };
    let mut forged: Vec<String> = Vec::new();
    for name in ["expires", "subject", "key", "signature"] {
        let (from, to) = field(name);
        // Missing, empty, changed.
        forged.push(format!("{}{}", &url[..from - name.len() - 1], &url[to..]));
        forged.push(format!("{}{}", &url[..from], &url[to..]));
        forged.push(tampered(&url, from + 1));
    }
    let (from, to) = field("expires");
    let later: i64 = url[from..to].parse().unwrap();
    forged.push(format!("{}{}{}", &url[..from], later + 1, &url[to..]));
    let (from, to) = field("subject");
    forged.push(format!("{}{}{}", &url[..from], bea.account_id(), &url[to..]));
    forged.push(url.replace(&mine.object_id, &other.object_id));
    forged.push(url.split('?').next().unwrap().to_owned());
    forged.push(tampered(&url, url.find("obj_").unwrap() + 25).to_lowercase());
    let mut bodies = std::collections::BTreeSet::new();
    for forged in &forged {
        let answer = get(&world, forged, &[]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{forged}");
        assert_eq!(answer.header("cache-control"), Some("private, no-store"));
        bodies.insert(answer.text());
    }
    assert_eq!(bodies.len(), 1, "all refusals are alike: {bodies:?}");
    assert_eq!(get(&world, "/objects/nonsense", &[]).await.status, StatusCode::NOT_FOUND);

    // The real one still works, until its time is over.
    assert_eq!(get(&world, &url, &[]).await.body, file);
    world.advance(MINUTE * 10 - Duration::from_secs(1));
    assert_eq!(get(&world, &url, &[]).await.status, StatusCode::OK);
    world.advance(Duration::from_secs(1));
    assert_eq!(get(&world, &url, &[]).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_url_outlives_a_restart_and_ends_with_the_access_epoch() {
    let mut world = World::start().await;
    let ana = world.account("ana").await;
    let file = song(1);
    let upload = world.finalized(&ana, &file).await;
    let url = signed(&ana, &upload.object_id).await;
    world.restart().await;
    assert_eq!(get(&world, &url, &[]).await.body, file);
    let next = Expr::col(stored_blob::Column::AccessEpoch).add(1);
    let raised = stored_blob::Entity::update_many().col_expr(stored_blob::Column::AccessEpoch, next);
    raised.exec(&world.db().await).await.unwrap();
    assert_eq!(get(&world, &url, &[]).await.status, StatusCode::FORBIDDEN);
    let url = signed(&ana, &upload.object_id).await;
    assert_eq!(get(&world, &url, &[]).await.body, file);
}
