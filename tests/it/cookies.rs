//! Browsers' sessions: the refresh token in a cookie, and who may make use of it.

use http::{HeaderMap, Method, StatusCode};
use pb::login_response::Outcome;
use prost::Message;

use crate::harness::{raw::frame, *};

const LOGIN: &str = "/backline.v1.SessionService/Login";
const REFRESH: &str = "/backline.v1.SessionService/RefreshSession";
const LOGOUT: &str = "/backline.v1.SessionService/Logout";
const CSRF: (&str, &str) = ("x-backline-csrf", "1");

/// One call as a page makes it: gRPC-Web over HTTP/1.1.
async fn call(world: &World, path: &str, headers: &[(&str, &str)], message: &impl Message) -> Answer {
    let mut all = vec![("content-type", "application/grpc-web+proto"), ("sec-fetch-site", "same-origin")];
    all.extend_from_slice(headers);
    world.http(Http::One, Method::POST, path, &all, frame(&message.encode_to_vec())).await.web()
}

/// What a browser keeps of an answer: its cookie, without the attributes.
fn cookie(headers: &HeaderMap) -> Option<String> {
    let line = headers.get("set-cookie")?.to_str().unwrap();
    let (pair, attributes) = line.split_once("; ").unwrap();
    assert!(attributes.starts_with("Secure; HttpOnly; SameSite=Strict; Path=/; Max-Age="), "{attributes}");
    assert!(pair.starts_with("__Host-backline_refresh="), "{pair}");
    Some(pair.to_owned())
}

fn reply<M: Message + Default>(answer: &Answer) -> M {
    assert_eq!(answer.grpc().code(), Code::Ok, "{answer:?}");
    M::decode(answer.messages()[0].clone()).unwrap()
}

/// Signs in as a browser: the reply, and the cookie.
async fn sign_in(world: &World, email: &str) -> (pb::SignedIn, String) {
    let request = pb::LoginRequest {
        email: email.to_owned(),
        password: PASSWORD.to_owned(),
        session_transport: pb::SessionTransport::Cookie.into(),
        ..Default::default()
    };
    let answer = call(world, LOGIN, &[], &request).await;
    let cookie = cookie(&answer.headers).expect("a browser gets a cookie");
    // The owner hears of a program that was not seen before.
    world.run_jobs().await;
    let Some(Outcome::SignedIn(signed_in)) = reply::<pb::LoginResponse>(&answer).outcome else { panic!("{answer:?}") };
    (signed_in, cookie)
}

async fn refresh(world: &World, headers: &[(&str, &str)]) -> Answer {
    call(world, REFRESH, headers, &pb::RefreshSessionRequest::default()).await
}

fn bearer(tokens: &pb::Tokens) -> String {
    format!("Bearer {}", tokens.access_token)
}

#[tokio::test]
async fn a_browser_s_refresh_token_travels_in_its_cookie_alone() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (signed_in, first) = sign_in(&world, &ana.email).await;
    let session = signed_in.session.unwrap();
    assert_eq!(session.transport(), pb::SessionTransport::Cookie);
    assert_eq!(ana.session.transport(), pb::SessionTransport::Bearer);
    let tokens = signed_in.tokens.unwrap();
    assert_eq!(tokens.refresh_token, "");
    assert!(tokens.refresh_token_lifetime.is_some() && !tokens.access_token.is_empty());

    let headers = [("cookie", first.as_str()), CSRF];
    let answer = refresh(&world, &headers).await;
    let second = cookie(&answer.headers).unwrap();
    let refreshed: pb::RefreshSessionResponse = reply(&answer);
    assert!(!refreshed.replayed && first != second);
    assert_eq!(refreshed.session_id, session.session_id);
    let tokens = refreshed.tokens.unwrap();
    assert_eq!(tokens.refresh_token, "");

    // A reply that was lost comes again, cookie and all.
    let answer = refresh(&world, &headers).await;
    assert_eq!(cookie(&answer.headers), Some(second.clone()));
    let again: pb::RefreshSessionResponse = reply(&answer);
    assert!(again.replayed);
    assert_eq!(again.tokens.as_ref(), Some(&tokens));

    // Cookies of others stand beside ours, and text mode changes nothing.
    let beside = format!("theme=dark; {second}; lang=en");
    let headers = [("content-type", "application/grpc-web-text"), ("cookie", beside.as_str()), CSRF];
    let body = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, frame(&[]));
    let answer = world.http(Http::Two, Method::POST, REFRESH, &headers, body).await;
    assert!(cookie(&answer.headers).is_some_and(|third| third != second), "{answer:?}");
}

#[tokio::test]
async fn a_cookie_lives_as_long_as_its_session_may_stay_unused() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let request = pb::LoginRequest {
        email: ana.email.clone(),
        password: PASSWORD.to_owned(),
        session_transport: pb::SessionTransport::Cookie.into(),
        ..Default::default()
    };
    let answer = call(&world, LOGIN, &[], &request).await;
    assert!(answer.header("set-cookie").unwrap().ends_with("; Max-Age=2592000"), "30 days: {answer:?}");
    // Whoever asks for no cookie gets none.
    let request = pb::LoginRequest { session_transport: pb::SessionTransport::Bearer.into(), ..request };
    assert_eq!(call(&world, LOGIN, &[], &request).await.header("set-cookie"), None);
    world.run_jobs().await;
    let request = pb::LoginRequest { session_transport: 7, ..request };
    let refused = call(&world, LOGIN, &[], &request).await.grpc();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["session_transport"]);
    world.run_jobs().await;
}

#[tokio::test]
async fn a_cookie_without_our_header_opens_nothing() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (signed_in, cookie_line) = sign_in(&world, &ana.email).await;
    let bearer = bearer(&signed_in.tokens.unwrap());
    for headers in [&[("cookie", cookie_line.as_str())][..], &[("cookie", &cookie_line), ("x-backline-csrf", "")]] {
        let answer = refresh(&world, headers).await;
        assert_reason(&answer.grpc(), Code::PermissionDenied, ErrorReason::CsrfHeaderMissing);
        assert_eq!(cookie(&answer.headers), None);
    }
    let headers = [("cookie", cookie_line.as_str()), ("authorization", &bearer)];
    let refused = call(&world, LOGOUT, &headers, &pb::LogoutRequest::default()).await.grpc();
    assert_reason(&refused, Code::PermissionDenied, ErrorReason::CsrfHeaderMissing);

    // Nothing was spent or ended by it.
    let answer = refresh(&world, &[("cookie", &cookie_line), CSRF]).await;
    assert!(!reply::<pb::RefreshSessionResponse>(&answer).replayed);
}

#[tokio::test]
async fn pages_of_others_cannot_use_the_cookie() {
    let app = "https://app.backline.test";
    let world = World::with(&[("web.allowed_origins", app)]).await;
    let ana = world.account("ana").await;
    let (_, cookie_line) = sign_in(&world, &ana.email).await;
    let post = async |http, kind: &str, origin: &str, site: &str| {
        let headers = [
            ("content-type", kind),
            ("cookie", cookie_line.as_str()),
            CSRF,
            ("origin", origin),
            ("sec-fetch-site", site),
        ];
        world.http(http, Method::POST, REFRESH, &headers, frame(&[])).await
    };
    for http in [Http::One, Http::Two] {
        for (origin, site) in [("https://evil.test", "cross-site"), ("null", "cross-site"), ("https://evil.test", "")] {
            let answer = post(http, "application/grpc-web+proto", origin, site).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{http:?} {origin} {site}");
            assert_eq!(cookie(&answer.headers), None);
        }
        // What a browser sends without asking first.
        for kind in ["text/plain", "application/x-www-form-urlencoded"] {
            let answer = post(http, kind, "https://backline.test", "same-origin").await;
            assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{http:?} {kind}");
            assert_eq!(cookie(&answer.headers), None);
        }
    }
    // A page of ours on another origin of the site may.
    let answer = post(Http::One, "application/grpc-web+proto", app, "same-site").await;
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert!(!reply::<pb::RefreshSessionResponse>(&answer.web()).replayed);
}

#[tokio::test]
async fn a_token_is_worth_nothing_by_the_other_way() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (_, cookie_line) = sign_in(&world, &ana.email).await;
    let token = cookie_line.split_once('=').unwrap().1;

    // A cookie's token in a message, and an app's in a cookie.
    let refused = ana.refresh_with(token).await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::RefreshTokenInvalid);
    let foreign = format!("__Host-backline_refresh={}", ana.refresh_token());
    let answer = refresh(&world, &[("cookie", &foreign), CSRF]).await;
    assert_alike(&answer.grpc(), &refused);
    for nothing in ["__Host-backline_refresh=", "__Host-backline_refresh=nonsense", "backline_refresh=x", "=;;=;"] {
        let answer = refresh(&world, &[("cookie", nothing), CSRF]).await;
        assert_alike(&answer.grpc(), &refused);
    }
    let answer = refresh(&world, &[CSRF]).await;
    assert_alike(&answer.grpc(), &refused);

    // Both sessions go on by their own way.
    ana.refresh().await.unwrap();
    assert!(!reply::<pb::RefreshSessionResponse>(&refresh(&world, &[("cookie", &cookie_line), CSRF]).await).replayed);
}

#[tokio::test]
async fn a_copied_cookie_ends_the_session_like_any_copied_token() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (_, first) = sign_in(&world, &ana.email).await;
    let second = cookie(&refresh(&world, &[("cookie", &first), CSRF]).await.headers).unwrap();
    refresh(&world, &[("cookie", &second), CSRF]).await;
    let refused = refresh(&world, &[("cookie", &first), CSRF]).await.grpc();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::RefreshTokenReused);
    world.run_jobs().await;
    let letters = world.letters_to(&ana.email);
    assert!(letters.iter().any(|letter| letter.subject == "A device was signed out for your safety"));
    ana.whoami().await.unwrap();
}

#[tokio::test]
async fn signing_out_takes_the_cookie_away() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (signed_in, cookie_line) = sign_in(&world, &ana.email).await;
    let bearer = bearer(&signed_in.tokens.unwrap());
    let headers = [("cookie", cookie_line.as_str()), CSRF, ("authorization", &bearer)];

    let others = pb::LogoutRequest { scope: pb::LogoutScope::Others.into() };
    let answer = call(&world, LOGOUT, &headers, &others).await;
    assert_eq!((reply::<pb::LogoutResponse>(&answer).ended_count, cookie(&answer.headers)), (1, None));

    let answer = call(&world, LOGOUT, &headers, &pb::LogoutRequest::default()).await;
    assert_eq!(reply::<pb::LogoutResponse>(&answer).ended_count, 1);
    assert_eq!(cookie(&answer.headers).as_deref(), Some("__Host-backline_refresh="));
    assert!(answer.header("set-cookie").unwrap().ends_with("Max-Age=0"));
    let refused = refresh(&world, &[("cookie", &cookie_line), CSRF]).await.grpc();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::SessionRevoked);
}

#[tokio::test]
async fn a_second_factor_brings_the_cookie_and_a_lost_reply_brings_it_again() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (app, _) = ana.add_app(&world).await;
    world.advance(factors::STEP);
    let request = pb::LoginRequest {
        email: ana.email.clone(),
        password: PASSWORD.to_owned(),
        session_transport: pb::SessionTransport::Cookie.into(),
        ..Default::default()
    };
    let answer = call(&world, LOGIN, &[], &request).await;
    assert_eq!(cookie(&answer.headers), None, "nobody is signed in yet");
    let Some(Outcome::FactorRequired(required)) = reply::<pb::LoginResponse>(&answer).outcome else {
        panic!("no factor was wanted: {answer:?}")
    };
    let request = pb::ContinueLoginRequest {
        flow_id: required.flow_id,
        proof: Some(factors::Proof::TotpCode(app.code(&world))),
        request_id: request_id(1),
    };
    let path = "/backline.v1.SessionService/ContinueLogin";
    let (first, again) = (call(&world, path, &[], &request).await, call(&world, path, &[], &request).await);
    let cookie_line = cookie(&first.headers).expect("a browser gets a cookie");
    assert_eq!(cookie(&again.headers).as_ref(), Some(&cookie_line));
    assert!(again.header("set-cookie").unwrap().ends_with("; Max-Age=2592000"), "30 days: {again:?}");
    let (first, again): (pb::ContinueLoginResponse, pb::ContinueLoginResponse) = (reply(&first), reply(&again));
    assert_eq!(first, again);
    let signed_in = again.signed_in.unwrap();
    assert_eq!(signed_in.session.unwrap().transport(), pb::SessionTransport::Cookie);
    assert_eq!(signed_in.tokens.unwrap().refresh_token, "", "it is in the cookie alone");
    let answer = refresh(&world, &[("cookie", &cookie_line), CSRF]).await;
    assert!(!reply::<pb::RefreshSessionResponse>(&answer).replayed);
    world.run_jobs().await;
}
