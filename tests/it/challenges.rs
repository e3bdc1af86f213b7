//! Challenges: the work that this server sets, and the tokens that others vouch for.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use backline::entity::spent_challenge;
use parking_lot::Mutex;
use sea_orm::{EntityTrait, PaginatorTrait};
use tonic_types::StatusExt;

use crate::harness::{
    guests::{WRONG, payload, right_words, signed_in, solve, solve_work, words},
    *,
};

const ANA: &str = "ana@example.org";

/// A refusal that asks strangers to Ana's account for a challenge.
async fn refused(world: &World) -> Status {
    world.account("ana").await;
    world.advance(Duration::from_mins(1));
    let anyone = world.anonymous();
    for _ in 0..3 {
        anyone.try_login(words(ANA, WRONG)).await.unwrap_err();
    }
    anyone.try_login(right_words(ANA)).await.unwrap_err()
}

async fn try_with(actor: &Actor, solution: &pb::ChallengeSolution) -> Result<pb::SignedIn, Status> {
    let request = pb::LoginRequest { challenge_solution: Some(solution.clone()), ..right_words(ANA) };
    actor.try_login(request).await.map(|reply| signed_in(Ok(reply)))
}

#[track_caller]
fn assert_rejected(reply: Result<pb::SignedIn, Status>, why: &str) {
    let refused = reply.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::ChallengeRequired);
    assert_eq!(fact(&refused, "rejected").as_deref(), Some(why));
}

async fn challenge(actor: &Actor) -> pb::Challenge {
    actor.sessions().get_challenge(pb::GetChallengeRequest {}).await.unwrap().into_inner().challenge.unwrap()
}

#[tokio::test]
async fn a_solution_lets_one_call_pass_on_whichever_instance() {
    let mut world = World::start().await;
    let refusal = refused(&world).await;
    assert!(refusal.get_error_details().precondition_failure().is_some());
    assert_eq!(fact(&refusal, "rejected"), None);
    let solution = solve(&refusal);
    try_with(&world.anonymous(), &solution).await.unwrap();

    // The success undid Ana's failures, not those of the network.
    let anyone = world.anonymous();
    assert_rejected(try_with(&anyone, &solution).await, "spent");
    let (second, channel) = world.second_server().await;
    assert_rejected(try_with(&Actor::anonymous(channel.clone()), &solution).await, "spent");
    let given = challenge(&anyone).await;
    assert_eq!((given.kind(), given.lifetime.unwrap().seconds), (pb::ChallengeKind::Pow, 600));
    try_with(&Actor::anonymous(channel), &solve_work(&given.challenge)).await.unwrap();
    second.stop().await;
    world.restart().await;
    assert_rejected(try_with(&world.anonymous(), &solution).await, "spent");
}

#[tokio::test]
async fn what_is_no_solution_does_not_pass() {
    let world = World::start().await;
    let refusal = refused(&world).await;
    let anyone = world.anonymous();
    let challenge: altcha::Challenge = serde_json::from_str(&fact(&refusal, "challenge").unwrap()).unwrap();
    let solved = altcha::solve_challenge(altcha::SolveChallengeOptions::new(&challenge)).unwrap().unwrap();
    let with = |edit: fn(&mut altcha::Challenge, &mut altcha::Solution)| {
        let (mut challenge, mut solved) = (challenge.clone(), solved.clone());
        edit(&mut challenge, &mut solved);
        payload(challenge, solved)
    };
    let wrong = [
        with(|_, solved| solved.counter += 1),
        with(|_, solved| solved.derived_key = "00".repeat(32)),
        with(|_, solved| solved.derived_key = "no hex".into()),
        with(|challenge, _| challenge.parameters.cost = 0),
        with(|challenge, _| challenge.parameters.key_prefix = String::new()),
        with(|challenge, _| challenge.parameters.expires_at = Some(i64::MAX)),
        with(|challenge, _| challenge.parameters.expires_at = None),
        with(|challenge, _| challenge.parameters.nonce = "00".repeat(16)),
        with(|challenge, _| challenge.parameters.cost = u32::MAX),
        with(|challenge, _| challenge.signature = None),
        with(|challenge, _| challenge.signature = Some(String::new())),
        pb::ChallengeSolution { kind: pb::ChallengeKind::Pow.into(), solution: "nonsense".into() },
        pb::ChallengeSolution { kind: pb::ChallengeKind::Pow.into(), solution: "e30=".into() },
        pb::ChallengeSolution {
            kind: pb::ChallengeKind::Turnstile.into(),
            ..payload(challenge.clone(), solved.clone())
        },
    ];
    for solution in &wrong {
        assert_rejected(try_with(&anyone, solution).await, "wrong");
    }
    let spent = spent_challenge::Entity::find().count(&world.db().await).await.unwrap();
    assert_eq!(spent, 0, "nonsense fills no table");

    let malformed = [(0, "x".to_owned()), (99, "x".to_owned()), (1, String::new()), (1, "x".repeat(9000))];
    for (kind, solution) in malformed {
        let refused = try_with(&anyone, &pb::ChallengeSolution { kind, solution }).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
        assert!(violations(&refused)[0].starts_with("challenge_solution."), "{refused:?}");
    }

    let good = payload(challenge, solved);
    world.advance(Duration::from_mins(10));
    // The failures are still young enough.
    assert_rejected(try_with(&anyone, &good).await, "expired");
}

#[tokio::test]
async fn a_challenge_of_another_server_does_not_pass() {
    let world = World::start().await;
    refused(&world).await;
    let other = World::start().await;
    let foreign = challenge(&other.anonymous()).await;
    // Worlds throw the same dice, so that their keys are equal; this one's are its own.
    let mut parsed: altcha::Challenge = serde_json::from_str(&foreign.challenge).unwrap();
    let secret = "another server's";
    let signed = altcha::sign_challenge(&altcha::HmacAlgorithm::Sha256, &mut parsed.parameters, None, secret, None);
    let solution = solve_work(&serde_json::to_string(&signed.unwrap()).unwrap());
    assert_rejected(try_with(&world.anonymous(), &solution).await, "wrong");
}

#[tokio::test]
async fn the_work_grows_with_the_failures_and_what_was_set_before_is_too_easy() {
    let world = World::with(&[("challenges.cost", "2")]).await;
    let refusal = refused(&world).await;
    let early = solve(&refusal);
    let cost = |refused: &Status| {
        let challenge: altcha::Challenge = serde_json::from_str(&fact(refused, "challenge").unwrap()).unwrap();
        challenge.parameters.cost
    };
    assert_eq!(cost(&refusal), 2);
    world.anonymous().fail(ANA, "", 2).await;
    let locked = world.anonymous().try_login(right_words(ANA)).await.unwrap_err();
    assert_eq!(cost(&locked), 4);
    assert_rejected(try_with(&world.anonymous(), &early).await, "too_easy");
    world.run_jobs().await;
}

#[tokio::test]
async fn a_solution_that_nobody_asked_for_is_not_spent() {
    let world = World::start().await;
    world.account("ana").await;
    let solution = solve_work(&challenge(&world.anonymous()).await.challenge);
    for _ in 0..2 {
        try_with(&world.anonymous(), &solution).await.unwrap();
    }
    assert_eq!(spent_challenge::Entity::find().count(&world.db().await).await.unwrap(), 0);
}

#[tokio::test]
async fn spent_challenges_are_swept_once_they_are_too_old_anyway() {
    let world = World::start().await;
    let solution = solve(&refused(&world).await);
    try_with(&world.anonymous(), &solution).await.unwrap();
    let kept = async || spent_challenge::Entity::find().count(&world.db().await).await.unwrap();
    assert_eq!(kept().await, 1);
    world.advance(Duration::from_hours(2));
    world.run_jobs().await;
    assert_eq!(kept().await, 0);
}

/// A vendor's server: what it was asked, and what it says next.
#[derive(Clone, Default)]
struct VendorServer {
    asked: Arc<Mutex<Vec<String>>>,
    says: Arc<Mutex<(u16, String)>>,
    /// The trace and the request that the last call was made for.
    carried: Arc<Mutex<(String, String)>>,
}

impl VendorServer {
    /// Listens on a port of its own. Returns its address.
    async fn start(&self) -> String {
        let router = Router::new().route("/siteverify", post(answer)).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/siteverify")
    }

    fn say(&self, status: u16, body: &str) {
        *self.says.lock() = (status, body.to_owned());
    }
}

async fn answer(State(vendor): State<VendorServer>, headers: HeaderMap, asked: String) -> (StatusCode, String) {
    let carried = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    *vendor.carried.lock() = (carried("traceparent"), carried("x-request-id"));
    vendor.asked.lock().push(asked);
    let (status, body) = vendor.says.lock().clone();
    if body == "hang" {
        std::future::pending::<()>().await;
    }
    (StatusCode::from_u16(status).unwrap(), body)
}

async fn vendor_world(kind: &str, url: &str) -> (World, Status) {
    let settings = [
        ("challenges.kind", kind),
        ("challenges.site_key", "site-key"),
        ("challenges.secret", "vendor-secret"),
        ("challenges.verify_url", url),
    ];
    let world = World::with(&settings).await;
    let refusal = refused(&world).await;
    (world, refusal)
}

#[tokio::test]
async fn a_vendor_s_word_lets_pass_or_does_not() {
    let kinds = [("turnstile", pb::ChallengeKind::Turnstile), ("hcaptcha", pb::ChallengeKind::Hcaptcha)];
    for (name, kind) in kinds {
        let vendor = VendorServer::default();
        let (world, refusal) = vendor_world(name, &vendor.start().await).await;
        assert_eq!(fact(&refusal, "kind"), Some(name.to_uppercase()));
        assert_eq!(fact(&refusal, "challenge").as_deref(), Some("site-key"));
        let given = challenge(&world.anonymous()).await;
        assert_eq!((given.kind(), given.challenge.as_str()), (kind, "site-key"));

        let token = pb::ChallengeSolution { kind: kind.into(), solution: "a token & more".into() };
        let anyone = world.anonymous();
        let refusing = [
            (200, r#"{"success": false, "error-codes": ["invalid-input-response"]}"#, "wrong"),
            (400, r#"{"success": false, "error-codes": ["invalid-or-already-seen-response"]}"#, "spent"),
            (200, r#"{"success": false, "error-codes": ["timeout-or-duplicate"]}"#, "spent"),
            (200, r#"{"success": false, "error-codes": ["expired-input-response"]}"#, "expired"),
            (200, r#"{"success": false}"#, "wrong"),
        ];
        for (status, body, why) in refusing {
            vendor.say(status, body);
            assert_rejected(try_with(&anyone, &token).await, why);
        }
        vendor.say(200, r#"{"success": true, "challenge_ts": "2026-03-01T00:00:00Z", "hostname": "backline.test"}"#);
        try_with(&anyone, &token).await.unwrap();
        let asked = vendor.asked.lock().last().unwrap().clone();
        assert_eq!(asked, "secret=vendor-secret&response=a+token+%26+more&sitekey=site-key", "and no address");
        let (traceparent, request_id) = vendor.carried.lock().clone();
        assert!(traceparent.starts_with(&format!("00-{request_id}-")), "{traceparent} for {request_id}");

        // Work does not stand in for it.
        let work = pb::ChallengeSolution { kind: pb::ChallengeKind::Pow.into(), solution: "e30=".into() };
        assert_rejected(try_with(&anyone, &work).await, "wrong");
    }
}

#[tokio::test]
async fn while_a_vendor_is_away_nobody_passes() {
    let vendor = VendorServer::default();
    let (world, _) = vendor_world("turnstile", &vendor.start().await).await;
    world.expect_error("verifies challenges is away");
    let token = pb::ChallengeSolution { kind: pb::ChallengeKind::Turnstile.into(), solution: "token".into() };
    let anyone = world.anonymous();
    let long = format!(r#"{{"success": true, "cdata": "{}"}}"#, "x".repeat(70_000));
    let garbage = [
        (200, "no json"),
        (200, ""),
        (200, r#"{"success": "yes"}"#),
        (200, long.as_str()),
        (500, r#"{"success": true}"#),
        (302, r#"{"success": true}"#),
        (400, r#"{"success": false, "error-codes": ["invalid-input-secret"]}"#),
        (200, r#"{"success": false, "error-codes": ["internal-error"]}"#),
        (200, "hang"),
    ];
    for (status, body) in garbage {
        vendor.say(status, body);
        let begun = std::time::Instant::now();
        let refused = try_with(&anyone, &token).await.unwrap_err();
        assert_reason(&refused, Code::Unavailable, ErrorReason::DependencyDown);
        assert!(refused.get_error_details().retry_info().is_some(), "{body}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{body}");
    }

    // Nobody listens there.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/siteverify", listener.local_addr().unwrap());
    drop(listener);
    let (world, _) = vendor_world("turnstile", &url).await;
    world.expect_error("verifies challenges is away");
    let refused = try_with(&world.anonymous(), &token).await.unwrap_err();
    assert_reason(&refused, Code::Unavailable, ErrorReason::DependencyDown);
}
