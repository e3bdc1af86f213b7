//! The documents by which mobile systems know which apps belong to this server.

use http::{Method, StatusCode};
use serde_json::Value;

use crate::harness::*;

const ANDROID: &str = "/.well-known/assetlinks.json";
const APPLE: &str = "/.well-known/apple-app-site-association";
const FINGERPRINT: &str =
    "14:6D:E9:83:C5:73:06:50:D8:EE:B9:95:2F:34:FC:64:16:A0:83:42:E6:1D:BE:A8:8A:04:96:B2:3F:CF:44:E5";

async fn get(world: &World, http: Http, method: Method, path: &str) -> Answer {
    world.http(http, method, path, &[], "").await
}

#[tokio::test]
async fn without_apps_there_are_no_documents() {
    let world = World::start().await;
    for path in [ANDROID, APPLE] {
        assert_eq!(get(&world, Http::One, Method::GET, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn each_system_finds_its_document_without_a_redirect() {
    let world = World::with(&[
        ("apps.android_package", "org.example.backline"),
        ("apps.android_fingerprints", FINGERPRINT),
        ("apps.apple_app_ids", "ABCDE12345.org.example.backline,ABCDE12345.org.example.backline.beta"),
    ])
    .await;
    for path in [ANDROID, APPLE] {
        for http in [Http::One, Http::Two] {
            let answer = get(&world, http, Method::GET, path).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.header("cache-control"), Some("public, max-age=3600"));
            assert!(answer.body.len() < 128 * 1024, "Apple reads no more");
        }
        let head = get(&world, Http::One, Method::HEAD, path).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
        let posted = get(&world, Http::One, Method::POST, path).await;
        assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
    }

    // Digital Asset Links, https://developers.google.com/digital-asset-links/v1/statements
    let statements: Value = serde_json::from_str(&get(&world, Http::One, Method::GET, ANDROID).await.text()).unwrap();
    let [statement] = statements.as_array().unwrap().as_slice() else { panic!("{statements}") };
    assert_eq!(
        *statement,
        serde_json::json!({
            "relation": ["delegate_permission/common.handle_all_urls", "delegate_permission/common.get_login_creds"],
            "target": {
                "namespace": "android_app",
                "package_name": "org.example.backline",
                "sha256_cert_fingerprints": [FINGERPRINT],
            },
        })
    );

    // Associated domains, https://developer.apple.com/documentation/xcode/supporting-associated-domains
    let site: Value = serde_json::from_str(&get(&world, Http::One, Method::GET, APPLE).await.text()).unwrap();
    let apps = serde_json::json!(["ABCDE12345.org.example.backline", "ABCDE12345.org.example.backline.beta"]);
    let [details] = site["applinks"]["details"].as_array().unwrap().as_slice() else { panic!("{site}") };
    assert_eq!(details["appIDs"], apps);
    assert_eq!(site["webcredentials"]["apps"], apps);
    let paths: Vec<&str> =
        details["components"].as_array().unwrap().iter().map(|page| page["/"].as_str().unwrap()).collect();
    assert!(["/verify", "/reset", "/undo"].iter().all(|page| paths.contains(page)), "{paths:?}");
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        (members(&site), members(details)),
        (vec!["applinks".to_owned(), "webcredentials".to_owned()], vec!["appIDs".to_owned(), "components".to_owned()],)
    );
}

#[tokio::test]
async fn the_pages_that_open_in_an_app_can_be_chosen() {
    let world =
        World::with(&[("apps.apple_app_ids", "ABCDE12345.org.example.backline"), ("apps.paths", "/reset")]).await;
    let answer = get(&world, Http::One, Method::GET, APPLE).await.text();
    assert!(answer.contains("/reset") && !answer.contains("/verify"), "{answer}");
    assert_eq!(get(&world, Http::One, Method::GET, ANDROID).await.status, StatusCode::NOT_FOUND);
}
