//! How often anyone may call: sliding windows by account, by address and by mailbox, and whose address it is.

use std::time::Duration;

use backline::entity::login_attempt;
use futures::future::join_all;
use prost::Message;
use sea_orm::EntityTrait;

use crate::harness::{
    guests,
    raw::{self, frame},
    *,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const INFO: &str = "/backline.v1.ServerService/GetServerInfo";

/// Checks a refusal, and tells how long to wait.
#[track_caller]
fn wait_of(refused: &Status, scope: &str, limit: &str) -> Duration {
    assert_reason(refused, Code::ResourceExhausted, ErrorReason::RateLimited);
    assert_eq!((fact(refused, "scope").as_deref(), fact(refused, "limit").as_deref()), (Some(scope), Some(limit)));
    let details = details(refused);
    assert_eq!(details.quota_failure().unwrap().violations[0].subject, scope);
    details.retry_info().unwrap().retry_delay.unwrap()
}

async fn rename(who: &Actor, name: &str) -> Result<(), Status> {
    let request = pb::UpdateAccountRequest {
        account: Some(pb::Account { display_name: name.to_owned(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
        ..Default::default()
    };
    who.accounts().update_account(request).await.map(drop)
}

async fn register(world: &World, email: &str, request_id: &str) -> Result<pb::RegisterResponse, Status> {
    let request = pb::RegisterRequest {
        email: email.to_owned(),
        password: PASSWORD.to_owned(),
        display_name: "Somebody".into(),
        request_id: request_id.to_owned(),
        ..Default::default()
    };
    Ok(world.anonymous().accounts().register(request).await?.into_inner())
}

#[tokio::test]
async fn the_window_slides() {
    let world = World::with(&[("limits.reads_per_minute", "4")]).await;
    let ana = world.account("ana").await;
    for _ in 0..4 {
        ana.whoami().await.unwrap();
        world.advance(10 * SECOND);
    }
    let wait = wait_of(&ana.whoami().await.unwrap_err(), "reads", "4");
    assert!(wait > 18 * SECOND && wait < 23 * SECOND, "the first call was 40 s ago: {wait:?}");
    world.advance(wait.saturating_sub(SECOND));
    wait_of(&ana.whoami().await.unwrap_err(), "reads", "4");
    world.advance(SECOND);
    ana.whoami().await.unwrap();
    wait_of(&ana.whoami().await.unwrap_err(), "reads", "4");

    // Writes, other people and other devices of theirs have nothing to do with it; other devices of one's own have.
    rename(&ana, "Ana Sol").await.unwrap();
    world.account("bea").await.whoami().await.unwrap();
    wait_of(&ana.on_another_device("Phone").await.whoami().await.unwrap_err(), "reads", "4");
}

#[tokio::test]
async fn checks_of_a_password_are_counted_by_session() {
    let world = World::with(&[("limits.password_checks_per_hour", "3")]).await;
    let ana = world.account("ana").await;
    let phone = ana.on_another_device("Phone").await;
    let ask = async |who: &Actor| who.sessions().step_up(pb::StepUpRequest::default()).await.map(drop);
    for _ in 0..3 {
        ask(&phone).await.ok();
    }
    wait_of(&ask(&phone).await.unwrap_err(), "password_checks", "3");
    let change = pb::ChangePasswordRequest {
        current_password: PASSWORD.into(),
        new_password: "nine slow clouds above the harbour".into(),
        ..Default::default()
    };
    ana.accounts().change_password(change).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn of_a_hundred_at_once_exactly_twenty_pass() {
    let world = World::with(&[("limits.writes_per_minute", "20")]).await;
    let ana = world.account("ana").await;
    let outcomes = join_all((0..100).map(|_| rename(&ana, "Ana"))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 20);
    for refused in outcomes.into_iter().filter_map(Result::err) {
        wait_of(&refused, "writes", "20");
    }
    // Refused calls do not count.
    world.advance(MINUTE + 2 * SECOND);
    assert!(join_all((0..20).map(|_| rename(&ana, "Ana"))).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn of_many_hand_ins_at_once_exactly_twenty_pass() {
    let studio = Studio::open().await;
    let mut drafts = Vec::new();
    for number in 0..30 {
        drafts.push(studio.draft(&format!("Song {number}")).await.submission_id);
    }
    let outcomes = join_all(drafts.iter().map(|id| studio.ana.hand_in(id))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 20);
    let refused = outcomes.into_iter().find_map(Result::err).unwrap();
    wait_of(&refused, "submissions.submit", "20");
    assert_eq!(fact(&refused, "tier").as_deref(), Some("free"));

    studio.make_premium(&studio.ana).await;
    let left = join_all(drafts.iter().map(|id| studio.ana.hand_in(id))).await;
    assert_eq!(left.iter().filter(|outcome| outcome.is_ok()).count(), 10, "premium has room for more");
    studio.world.run_jobs().await;
}

#[tokio::test]
async fn every_kind_of_call_has_a_limit_of_its_own() {
    let settings = [
        ("limits.refreshes_per_minute", "2"),
        ("limits.watches_per_minute", "2"),
        ("limits.chunks_per_minute", "2"),
        ("limits.tries_per_minute", "5"),
    ];
    let world = World::with(&settings).await;
    let (ana, anyone) = (world.account("ana").await, world.anonymous());
    let mut refused = Vec::new();
    for _ in 0..3 {
        refused.push(ana.refresh().await.map(drop));
    }
    wait_of(&refused.pop().unwrap().unwrap_err(), "refreshes", "2");
    for _ in 0..3 {
        let request = pb::WatchSessionRequest::default();
        refused.push(ana.sessions().watch_session(request).await.map(drop));
    }
    wait_of(&refused.pop().unwrap().unwrap_err(), "watches", "2");
    for _ in 0..3 {
        let request = pb::AppendChunkRequest { upload_id: absent("upl"), ..Default::default() };
        refused.push(ana.storage().append_chunk(request).await.map(drop));
    }
    wait_of(&refused.pop().unwrap().unwrap_err(), "chunks", "2");
    // One was the proof of Ana's mailbox.
    for _ in 0..5 {
        let request = pb::UndoSecurityChangeRequest { token: "nonsense".into(), ..Default::default() };
        refused.push(anyone.accounts().undo_security_change(request).await.map(drop));
    }
    wait_of(&refused.pop().unwrap().unwrap_err(), "tries", "5");
    ana.whoami().await.unwrap();
}

#[tokio::test]
async fn without_a_caller_the_address_pays() {
    let world = World::with(&[("limits.open_reads_per_minute", "3"), ("limits.logins_per_minute", "5")]).await;
    let ana = world.account("ana").await;
    let ask = async || {
        let request = pb::GetServerInfoRequest {};
        world.anonymous().server().get_server_info(request).await.map(drop)
    };
    for _ in 0..3 {
        ask().await.unwrap();
    }
    wait_of(&ask().await.unwrap_err(), "open_reads", "3");
    // Nor does it help to be somebody: the method is anyone's.
    let refused = ana.server().get_server_info(pb::GetServerInfoRequest {}).await.unwrap_err();
    wait_of(&refused, "open_reads", "3");
    ana.whoami().await.unwrap();

    for _ in 0..4 {
        ana.on_another_device("Phone").await;
    }
    wait_of(&ana.login(&ana.email, PASSWORD, "").await.unwrap_err(), "logins", "5");
    world.advance(MINUTE + 2 * SECOND);
    ana.on_another_device("Phone").await;
    ask().await.unwrap();
}

#[tokio::test]
async fn a_mailbox_gets_five_letters_an_hour_known_or_not() {
    let world = World::with(&[("limits.letters_per_hour", "5")]).await;
    world.account("ana").await;
    let mut refusals = Vec::new();
    for (email, already) in [("ana@example.org", 1), ("nobody@example.org", 0)] {
        for number in already..5 {
            register(&world, email, &request_id(number)).await.unwrap();
        }
        refusals.push(register(&world, email, "").await.unwrap_err());
        wait_of(&refusals[refusals.len() - 1], "letters", "5");
        // A repeat sends no letter.
        register(&world, email, &request_id(4)).await.unwrap();
    }
    assert_alike(&refusals[0], &refusals[1]);
    register(&world, "somebody@example.org", "").await.unwrap();
    world.run_jobs().await;
    assert_eq!(world.letters_to("nobody@example.org").len(), 5);
    let to_ana = world.letters_to("ana@example.org").into_iter();
    assert_eq!(to_ana.filter(|letter| !letter.subject.contains("Welcome")).count(), 5);
    world.advance(62 * MINUTE);
    register(&world, "nobody@example.org", "").await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn a_letter_asked_for_again_counts_too() {
    let world = World::with(&[("limits.letters_per_hour", "2")]).await;
    let waiting = world.register("bea").await;
    let again = async || {
        let request = pb::ResendVerificationRequest { registration_id: waiting.id.clone(), ..Default::default() };
        world.anonymous().accounts().resend_verification(request).await.unwrap().into_inner().resend_after.unwrap()
    };
    world.advance(MINUTE);
    assert_eq!(again().await.seconds, 60);
    world.advance(MINUTE);
    assert!(again().await.seconds > 57 * 60, "the next in an hour");
    world.run_jobs().await;
    assert_eq!(world.letters_to(&waiting.email).len(), 2);
}

#[tokio::test]
async fn registrations_of_one_address_are_refused_in_the_end() {
    let world = World::with(&[("limits.costly_per_hour", "6")]).await;
    for number in 0..6 {
        register(&world, &format!("p{number}@example.org"), "").await.unwrap();
    }
    let wait = wait_of(&register(&world, "p6@example.org", "").await.unwrap_err(), "costly", "6");
    assert!(wait > 59 * MINUTE && wait < 63 * MINUTE, "{wait:?}");
    world.run_jobs().await;
}

#[tokio::test]
async fn nobody_uses_up_another_s_letters() {
    let settings = [("limits.letters_per_hour", "2"), ("server.trusted_proxies", "127.0.0.0/8")];
    let world = World::with(&settings).await;
    let ask = async |from: &str| {
        let request = pb::StartPasswordResetRequest { email: "ana@example.org".into(), ..Default::default() };
        let path = "/backline.v1.AccountService/StartPasswordReset";
        world.grpc(path, &[("x-forwarded-for", from)], frame(&request.encode_to_vec())).await.grpc()
    };
    for _ in 0..2 {
        assert_eq!(ask("192.0.2.1").await.code(), Code::Ok);
    }
    wait_of(&ask("192.0.2.1").await, "letters", "2");
    assert_eq!(ask("192.0.2.2").await.code(), Code::Ok, "the owner, from elsewhere");
    register(&world, "ana@example.org", "").await.unwrap();

    // Of many askers, too, a mailbox has enough one day; and room again when the last letter's link is too old.
    for (last, answer) in [(3, Code::Ok), (4, Code::Ok), (5, Code::Ok), (6, Code::Ok), (7, Code::Ok)] {
        assert_eq!(ask(&format!("192.0.2.{last}")).await.code(), answer, "{last}");
    }
    let wait = wait_of(&ask("192.0.2.9").await, "letters", "8");
    assert!(wait < 31 * MINUTE, "{wait:?}");
    world.advance(wait);
    assert_eq!(ask("192.0.2.9").await.code(), Code::Ok);
    world.run_jobs().await;
}

#[tokio::test]
async fn a_change_of_address_writes_to_no_mailbox_without_end() {
    let world = World::with(&[("limits.letters_per_hour", "2")]).await;
    let ana = world.account("ana").await;
    let ask = async || {
        let request = pb::StartEmailChangeRequest { new_email: "new@example.org".into(), ..Default::default() };
        ana.accounts().start_email_change(request).await.map(drop)
    };
    ask().await.unwrap();
    ask().await.unwrap();
    wait_of(&ask().await.unwrap_err(), "letters", "2");
    world.run_jobs().await;
    assert_eq!(world.letters_to("new@example.org").len(), 2);
}

#[tokio::test]
async fn the_pages_of_letters_are_limited_like_the_methods() {
    let world = World::with(&[("limits.tries_per_minute", "3")]).await;
    let post = async |path: &str| {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        world.http(Http::One, http::Method::POST, path, &headers, "token=a").await
    };
    for path in ["/verify", "/undo", "/email"] {
        assert_eq!(post(path).await.status, 400, "{path}");
    }
    let refused = post("/verify").await;
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((59..=63).contains(&wait), "{wait}");
    // A code by gRPC is the same try; looking at a page is none.
    let request = pb::VerifyEmailRequest { token: "a".into(), ..Default::default() };
    wait_of(&world.anonymous().accounts().verify_email(request).await.unwrap_err(), "tries", "3");
    assert_eq!(world.http(Http::One, http::Method::GET, "/verify?token=a", &[], "").await.status, 200);
    world.advance(Duration::from_secs(wait));
    assert_eq!(post("/verify").await.status, 400);
}

#[tokio::test]
async fn a_challenge_comes_long_before_the_refusal() {
    let settings = [("limits.costly_challenge_per_hour", "2"), ("limits.costly_per_hour", "6")];
    let world = World::with(&settings).await;
    let register = async |number: u32, challenge_solution| {
        let request = pb::RegisterRequest {
            email: format!("p{number}@example.org"),
            password: PASSWORD.to_owned(),
            display_name: "Somebody".into(),
            request_id: request_id(number),
            challenge_solution,
            ..Default::default()
        };
        world.anonymous().accounts().register(request).await.map(drop)
    };
    register(1, None).await.unwrap();
    register(2, None).await.unwrap();
    let refused = register(3, None).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::ChallengeRequired);
    let solved = Some(guests::solve(&refused));
    register(3, solved.clone()).await.unwrap();
    // The lost reply comes again; for another person the solution is spent.
    register(3, solved.clone()).await.unwrap();
    let request = pb::StartPasswordResetRequest {
        email: "p1@example.org".into(),
        challenge_solution: solved,
        ..Default::default()
    };
    let refused = world.anonymous().accounts().start_password_reset(request).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::ChallengeRequired);
    wait_of(&register(4, Some(guests::solve(&refused))).await.unwrap_err(), "costly", "6");
    world.run_jobs().await;

    let bad = pb::ChallengeSolution::default();
    world.advance(62 * MINUTE);
    let refused = register(5, Some(bad)).await.unwrap_err();
    assert_eq!(violations(&refused), ["challenge_solution.kind", "challenge_solution.solution"]);
}

/// What a call that says it comes `from` there is told, or no refusal.
async fn ask_from(world: &World, header: &str, from: &str) -> Status {
    world.grpc(INFO, &[(header, from)], frame(&[])).await.grpc()
}

#[tokio::test]
async fn a_header_from_a_stranger_changes_nothing() {
    let world = World::with(&[("limits.open_reads_per_minute", "3")]).await;
    for last in 1..=3 {
        let answer = ask_from(&world, "x-forwarded-for", &format!("192.0.2.{last}")).await;
        assert_eq!(answer.code(), Code::Ok);
    }
    wait_of(&ask_from(&world, "x-forwarded-for", "192.0.2.4").await, "open_reads", "3");
    wait_of(&ask_from(&world, "forwarded", "for=192.0.2.5").await, "open_reads", "3");
}

#[tokio::test]
async fn behind_our_load_balancer_each_client_has_its_own_limit() {
    let settings = [("limits.open_reads_per_minute", "2"), ("server.trusted_proxies", "127.0.0.0/8, 10.0.0.0/8")];
    let world = World::with(&settings).await;
    let ask = async |from: &str| ask_from(&world, "x-forwarded-for", from).await;
    for from in ["192.0.2.1", "198.51.100.9, 192.0.2.1, 10.0.0.7"] {
        assert_eq!(ask(from).await.code(), Code::Ok, "{from}");
    }
    // What the client wrote itself stands further left, and a mapped address is the same one.
    for from in ["192.0.2.1", "203.0.113.1, 192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1:4711"] {
        wait_of(&ask(from).await, "open_reads", "2");
    }
    assert_eq!(ask("192.0.2.2").await.code(), Code::Ok, "a neighbour");

    // A subscriber has a whole /64.
    for from in ["2001:db8:1:2::1", "2001:db8:1:2:ffff::7"] {
        assert_eq!(ask(from).await.code(), Code::Ok, "{from}");
    }
    wait_of(&ask("2001:db8:1:2:3:4:5:6").await, "open_reads", "2");
    assert_eq!(ask("2001:db8:1:3::1").await.code(), Code::Ok);

    // The address that counts is the one that is written down.
    let wrong = pb::LoginRequest { email: "a@example.org".into(), password: "wrong".into(), ..Default::default() };
    let headers = [("x-forwarded-for", "192.0.2.77")];
    world.grpc("/backline.v1.SessionService/Login", &headers, frame(&wrong.encode_to_vec())).await;
    let attempt = login_attempt::Entity::find().one(&world.db().await).await.unwrap().unwrap();
    assert_eq!((attempt.address.as_str(), attempt.address_prefix.as_str()), ("192.0.2.77", "192.0.2.77/32"));
}

#[tokio::test]
async fn refusals_are_counted_for_those_who_watch_the_server() {
    let world = World::with(&[("limits.open_reads_per_minute", "1")]).await;
    for _ in 0..2 {
        ask_from(&world, "x-none", "x").await;
    }
    let answer = raw::send(world.server().admin_address, Http::One, http::Method::GET, "/metrics", &[], "").await;
    assert!(answer.text().contains("backline_rate_limited_total{scope=\"open_reads\"}"), "{}", answer.text());
}
