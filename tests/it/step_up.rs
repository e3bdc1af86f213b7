//! Proving again who one is.

use std::time::Duration;

use pb::step_up_request::Proof;

use crate::harness::{factors::STEP, *};

const MINUTE: Duration = Duration::from_mins(1);

/// A sensitive act: it wants a check not older than ten minutes.
async fn act(actor: &Actor) -> Result<(), Status> {
    actor.factors().begin_totp_enrollment(pb::BeginTotpEnrollmentRequest::default()).await.map(drop)
}

#[track_caller]
fn assert_stale(outcome: Result<(), Status>, methods: &str) {
    let refused = outcome.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::StepUpRequired);
    assert_eq!(fact(&refused, "methods").as_deref(), Some(methods));
    assert_eq!(fact(&refused, "max_age").as_deref(), Some("600"));
}

#[expect(clippy::unnecessary_wraps, reason = "as the message wants it")]
fn password(text: &str) -> Option<Proof> {
    Some(Proof::Password(text.to_owned()))
}

#[tokio::test]
async fn the_password_serves_whoever_has_nothing_stronger() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    act(&ana).await.unwrap();
    world.advance(10 * MINUTE);
    assert_stale(act(&ana).await, "password");
    let required = ana.ask_to_step_up().await;
    assert_eq!((required.methods, required.passkey_options), (vec!["password".to_owned()], String::new()));
    ana.step_up(password(PASSWORD)).await.unwrap();
    act(&ana).await.unwrap();
    world.advance(9 * MINUTE);
    // The refreshed token remembers, and the ten minutes go on from the check.
    ana.refresh().await.unwrap();
    act(&ana).await.unwrap();
    world.advance(MINUTE);
    assert_stale(act(&ana).await, "password");
}

#[tokio::test]
async fn only_the_strongest_serves_whoever_has_more() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (app, done) = ana.add_app(&world).await;
    let mut device = Device::new();
    ana.add_passkey(&mut device).await;
    world.advance(10 * MINUTE);
    assert_stale(act(&ana).await, "passkey");
    for weaker in [Proof::Password(PASSWORD.into()), Proof::TotpCode(app.code(&world))] {
        assert_stale(ana.step_up(Some(weaker)).await.map(drop), "passkey");
    }
    assert_stale(act(&ana).await, "passkey");
    // Nor does a sign-in that was checked by less.
    let anyone = world.anonymous();
    let flow = anyone.begin_login(&ana.email).await.flow_id;
    let phone = anyone.continue_login(&flow, factors::Proof::TotpCode(app.code(&world))).await.unwrap();
    assert_stale(act(&phone).await, "passkey");
    phone.refresh().await.unwrap();
    assert_stale(act(&phone).await, "passkey");

    // The way out for whoever has lost the strongest.
    ana.step_up(Some(Proof::RecoveryCode(done.recovery_codes[3].clone()))).await.unwrap();
    act(&ana).await.unwrap();
    ana.step_up(Some(Proof::RecoveryCode(done.recovery_codes[3].clone()))).await.unwrap_err();

    world.advance(14 * MINUTE);
    ana.refresh().await.unwrap();
    let required = ana.ask_to_step_up().await;
    assert_eq!(required.methods, ["passkey", "recovery_code"]);
    let answer = Proof::PasskeyCredential(device.sign(&required.passkey_options));
    ana.step_up(Some(answer.clone())).await.unwrap();
    act(&ana).await.unwrap();
    // The challenge is spent.
    let refused = ana.step_up(Some(answer)).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    world.run_jobs().await;
}

#[tokio::test]
async fn a_code_serves_once_whoever_has_an_app_alone() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (app, _) = ana.add_app(&world).await;
    world.advance(10 * MINUTE);
    assert_stale(act(&ana).await, "totp");
    assert_stale(ana.step_up(password(PASSWORD)).await.map(drop), "totp");
    assert_eq!(ana.ask_to_step_up().await.methods, ["totp", "recovery_code"]);
    ana.step_up(Some(Proof::TotpCode(app.code(&world)))).await.unwrap();
    act(&ana).await.unwrap();
    let again = ana.step_up(Some(Proof::TotpCode(app.code(&world)))).await.unwrap_err();
    assert_reason(&again, Code::Unauthenticated, ErrorReason::InvalidCredentials);
    world.run_jobs().await;
}

#[tokio::test]
async fn a_weaker_factor_that_is_added_takes_no_freshness() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    ana.add_passkey(&mut Device::new()).await;
    world.advance(9 * MINUTE);
    let (app, _) = ana.add_app(&world).await;
    act(&ana).await.unwrap();
    world.advance(MINUTE);
    assert_stale(act(&ana).await, "passkey");

    // A stronger one is what counts from then on.
    let bea = world.account("bea").await;
    bea.add_app(&world).await;
    bea.add_passkey(&mut Device::new()).await;
    act(&bea).await.unwrap();
    assert_stale(ana.step_up(Some(Proof::TotpCode(app.code(&world)))).await.map(drop), "passkey");
    world.run_jobs().await;
}

#[tokio::test]
async fn five_tries_in_a_quarter_of_an_hour_and_no_more() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let tablet = ana.on_another_device("Tablet").await;
    for number in 0..5 {
        let wrong = ana.step_up(password("not the password")).await.unwrap_err();
        assert_reason(&wrong, Code::Unauthenticated, ErrorReason::InvalidCredentials);
        if number == 2 {
            // Asking what serves gives no further tries.
            ana.ask_to_step_up().await;
        }
    }
    let used_up = ana.step_up(password(PASSWORD)).await.unwrap_err();
    assert_reason(&used_up, Code::FailedPrecondition, ErrorReason::AttemptsExhausted);
    ana.whoami().await.unwrap();
    tablet.step_up(password(PASSWORD)).await.unwrap();

    world.advance(14 * MINUTE);
    ana.refresh().await.unwrap();
    ana.step_up(password(PASSWORD)).await.unwrap_err();
    world.advance(MINUTE);
    ana.step_up(password(PASSWORD)).await.unwrap();
    ana.step_up(password(PASSWORD)).await.unwrap();
}

#[tokio::test]
async fn a_challenge_lives_five_minutes() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let mut device = Device::new();
    ana.add_passkey(&mut device).await;
    let required = ana.ask_to_step_up().await;
    assert_eq!(required.lifetime.unwrap().seconds, 300);
    let answer = device.sign(&required.passkey_options);
    world.advance(5 * MINUTE);
    let late = ana.step_up(Some(Proof::PasskeyCredential(answer))).await.unwrap_err();
    assert_reason(&late, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    let required = ana.ask_to_step_up().await;
    ana.step_up(Some(Proof::PasskeyCredential(device.sign(&required.passkey_options)))).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn a_check_is_this_session_s_and_this_person_s() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (app, done) = ana.add_app(&world).await;
    let bea = world.account("bea").await;
    bea.add_app(&world).await;
    world.advance(10 * MINUTE);
    let anyone = world.anonymous();
    let flow = anyone.begin_login(&ana.email).await.flow_id;
    let tablet =
        anyone.continue_login(&flow, factors::Proof::RecoveryCode(done.recovery_codes[0].clone())).await.unwrap();
    act(&tablet).await.unwrap();
    assert_stale(act(&ana).await, "totp");
    for foreign in [Proof::TotpCode(app.code(&world)), Proof::RecoveryCode(done.recovery_codes[1].clone())] {
        let refused = bea.step_up(Some(foreign)).await.unwrap_err();
        assert_reason(&refused, Code::Unauthenticated, ErrorReason::InvalidCredentials);
    }
    world.advance(STEP);
    ana.step_up(Some(Proof::TotpCode(app.code(&world)))).await.unwrap();
    let refused = world.anonymous().step_up(None).await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::AccessTokenMissing);
    world.run_jobs().await;
}

#[tokio::test]
async fn staff_step_up_before_they_give_roles() {
    let world = World::start().await;
    let (root, eva) = (world.admin("root").await, world.account("eva").await);
    let set_roles = async |request: u32| {
        let message = pb::SetRolesRequest {
            account_id: eva.account_id().to_owned(),
            roles: vec![pb::Role::Reviewer.into()],
            reason: "Joins the jury".into(),
            request_id: request_id(request),
        };
        root.admin().set_roles(message).await.map(drop)
    };
    world.advance(10 * MINUTE);
    assert_stale(set_roles(1).await, "password");
    root.step_up(password(PASSWORD)).await.unwrap();
    set_roles(1).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn malformed_proofs_are_told() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    for (proof, field) in [
        (Proof::Password(String::new()), "password"),
        (Proof::Password("p".repeat(1025)), "password"),
        (Proof::TotpCode("1234567".into()), "totp_code"),
        (Proof::RecoveryCode(String::new()), "recovery_code"),
        (Proof::PasskeyCredential("null".into()), "passkey_credential"),
    ] {
        let refused = ana.step_up(Some(proof)).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
        assert_eq!(violations(&refused), [field]);
    }
}
