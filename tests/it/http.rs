//! What is not plain gRPC: gRPC-Web, other origins' pages, headers, request ids.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{Method, StatusCode};
use prost::Message;

use crate::harness::{raw::frame, *};

const INFO: &str = "/backline.v1.ServerService/GetServerInfo";
const LOGIN: &str = "/backline.v1.SessionService/Login";
const APP: &str = "https://app.backline.test";

#[tokio::test]
async fn grpc_web_works_over_http_1_in_binary_and_as_text() {
    let world = World::start().await;
    for http in [Http::One, Http::Two] {
        let headers = [("content-type", "application/grpc-web+proto")];
        let answer = world.http(http, Method::POST, INFO, &headers, frame(&[])).await;
        assert_eq!(answer.status, StatusCode::OK, "{http:?}");
        let answer = answer.web();
        assert_eq!(answer.grpc().code(), Code::Ok, "{answer:?}");
        let info = pb::GetServerInfoResponse::decode(answer.messages()[0].clone()).unwrap();
        assert_eq!(info.api_package, "backline.v1");
    }

    let headers = [("content-type", "application/grpc-web-text"), ("accept", "application/grpc-web-text")];
    let answer = world.http(Http::One, Method::POST, INFO, &headers, BASE64_STANDARD.encode(frame(&[]))).await;
    // Each frame may be padded by itself.
    let text = answer.text();
    let body: Vec<u8> = text.as_bytes().chunks(4).flat_map(|four| BASE64_STANDARD.decode(four).unwrap()).collect();
    let answer = Answer { body: body.into(), ..answer }.web();
    assert_eq!(answer.grpc().code(), Code::Ok, "{text}");
    pb::GetServerInfoResponse::decode(answer.messages()[0].clone()).unwrap();
}

#[tokio::test]
async fn grpc_web_errors_are_typed_like_any_other() {
    let world = World::start().await;
    let headers = [("content-type", "application/grpc-web+proto")];
    let wrong = pb::LoginRequest { email: "a@example.org".into(), password: "wrong".into(), ..Default::default() };
    let answer = world.http(Http::One, Method::POST, LOGIN, &headers, frame(&wrong.encode_to_vec())).await.web();
    assert_reason(&answer.grpc(), Code::Unauthenticated, ErrorReason::InvalidCredentials);
    let answer = world.http(Http::One, Method::POST, "/nowhere.Service/None", &headers, frame(&[])).await.web();
    assert_reason(&answer.grpc(), Code::Unimplemented, ErrorReason::MethodUnknown);
}

#[tokio::test]
async fn pages_of_allowed_origins_may_call_and_others_may_not() {
    let world = World::with(&[("web.allowed_origins", APP)]).await;
    let ask = async |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type,x-grpc-web"),
        ];
        world.http(Http::One, Method::OPTIONS, INFO, &headers, "").await
    };
    let allowed = ask(APP).await;
    assert!(allowed.status.is_success(), "{allowed:?}");
    assert_eq!(allowed.header("access-control-allow-origin"), Some(APP));
    let named = allowed.header("access-control-allow-headers").unwrap().to_lowercase();
    assert!(["authorization", "content-type", "x-grpc-web"].iter().all(|name| named.contains(name)), "{named}");
    assert_eq!(ask("https://evil.test").await.header("access-control-allow-origin"), None);

    let call = async |origin: &str, site: &str| {
        let headers = [("content-type", "application/grpc-web+proto"), ("origin", origin), ("sec-fetch-site", site)];
        world.http(Http::One, Method::POST, INFO, &headers, frame(&[])).await
    };
    let allowed = call(APP, "same-site").await;
    assert_eq!(allowed.status, StatusCode::OK, "{allowed:?}");
    let exposed = allowed.header("access-control-expose-headers").unwrap_or_default().to_lowercase();
    assert!(exposed.contains("grpc-status-details-bin"), "{exposed}");
    assert_eq!(call("https://evil.test", "cross-site").await.status, StatusCode::FORBIDDEN);
    assert_eq!(call("null", "cross-site").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn only_what_says_it_is_grpc_reaches_grpc() {
    let world = World::start().await;
    for http in [Http::One, Http::Two] {
        for kind in ["text/plain", "application/json", "application/x-www-form-urlencoded", "application/grpcish"] {
            let answer = world.http(http, Method::POST, INFO, &[("content-type", kind)], frame(&[])).await;
            assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{http:?} {kind}");
        }
        let answer = world.http(http, Method::POST, INFO, &[], frame(&[])).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "no type at all");
        assert_eq!(world.http(http, Method::GET, INFO, &[], "").await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn http_answers_carry_the_security_headers() {
    let world = World::start().await;
    for path in ["/verify?token=a", "/nowhere"] {
        let answer = world.http(Http::One, Method::GET, path, &[], "").await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
        assert_eq!(answer.header("strict-transport-security"), None, "the public address is not https");
    }
    let secure = World::with(&[("web.public_url", "https://backline.test")]).await;
    let answer = secure.http(Http::One, Method::GET, "/verify?token=a", &[], "").await;
    assert!(answer.header("strict-transport-security").is_some());
}

#[tokio::test]
async fn a_request_keeps_its_id_or_gets_one() {
    let world = World::start().await;
    let mine = "client-7f.3:a_b";
    let answer = world.grpc("/backline.v1.AccountService/GetAccount", &[("x-request-id", mine)], frame(&[])).await;
    assert_eq!(answer.header("x-request-id"), Some(mine));
    let told = details(&answer.grpc()).request_info().unwrap().request_id.clone();
    assert_eq!(told, mine, "RequestInfo names the same");
    let page = world.http(Http::One, Method::GET, "/verify?token=a", &[("x-request-id", mine)], "").await;
    assert_eq!(page.header("x-request-id"), Some(mine));

    let long = "x".repeat(200);
    let mut made = Vec::new();
    for unusable in ["", "two words", "line\tfeed", long.as_str()] {
        let answer = world.grpc(INFO, &[("x-request-id", unusable)], frame(&[])).await;
        made.push(answer.header("x-request-id").unwrap().to_owned());
    }
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 4, "four new ids: {made:?}");
    assert!(made.iter().all(|id| id.len() == 32), "{made:?}");
}
