//! Signing in with a second factor: flows in order, out of order, twice, late, by others.

use std::time::Duration;

use backline::entity::{account, login_attempt};
use pb::{continue_login_request::Proof, login_response::Outcome};
use prost::Message;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, sea_query::Expr};

use crate::harness::{factors::STEP, raw::frame, *};

const MINUTE: Duration = Duration::from_mins(1);

/// A person with an app, whose first code is a step ago.
async fn guarded(world: &World) -> (Actor, Authenticator) {
    let ana = world.account("ana").await;
    let (app, _) = ana.add_app(world).await;
    world.run_jobs().await;
    world.advance(STEP);
    (ana, app)
}

#[track_caller]
fn assert_over(refused: &Status) {
    assert_reason(refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
}

#[track_caller]
fn assert_wrong(refused: &Status) {
    assert_reason(refused, Code::Unauthenticated, ErrorReason::InvalidCredentials);
}

#[tokio::test]
async fn after_the_password_comes_the_code() {
    let world = World::start().await;
    let (ana, app) = guarded(&world).await;
    let anyone = world.anonymous();
    let required = anyone.begin_login(&ana.email).await;
    assert_eq!((required.methods.join(","), required.lifetime.unwrap().seconds), ("totp,recovery_code".into(), 300));
    assert_eq!(required.passkey_options, "");
    let phone = anyone.continue_login(&required.flow_id, Proof::TotpCode(app.code(&world))).await.unwrap();
    assert_eq!((phone.account_id(), phone.session.device_name.as_str()), (ana.account_id(), "Phone"));
    phone.whoami().await.unwrap();

    // The session was checked by the factor: it may do what wants a fresh check.
    phone.factors().begin_totp_enrollment(pb::BeginTotpEnrollmentRequest::default()).await.unwrap();
    let wrong = anyone.login(&ana.email, "not the password", "").await.unwrap_err();
    assert_wrong(&wrong);
}

#[tokio::test]
async fn a_code_opens_once_and_so_does_a_flow() {
    let world = World::start().await;
    let (ana, app) = guarded(&world).await;
    let anyone = world.anonymous();
    let (one, two) = (anyone.begin_login(&ana.email).await.flow_id, anyone.begin_login(&ana.email).await.flow_id);
    let code = Proof::TotpCode(app.code(&world));
    anyone.continue_login(&one, code.clone()).await.unwrap();
    assert_over(&anyone.continue_login(&one, code.clone()).await.err().unwrap());
    assert_wrong(&anyone.continue_login(&two, code).await.err().unwrap());
    world.advance(STEP);
    assert_over(&anyone.continue_login(&one, Proof::TotpCode(app.code(&world))).await.err().unwrap());

    // An older step than the last one that was taken is refused, though it is within a step of now.
    let (ahead, now) = (app.code_at(&world, 30), app.code(&world));
    anyone.continue_login(&two, Proof::TotpCode(ahead)).await.unwrap();
    let three = anyone.begin_login(&ana.email).await.flow_id;
    assert_wrong(&anyone.continue_login(&three, Proof::TotpCode(now)).await.err().unwrap());
}

#[tokio::test]
async fn of_many_answers_at_once_one_opens() {
    let world = World::start().await;
    let (ana, app) = guarded(&world).await;
    let anyone = world.anonymous();
    let mut flows = Vec::new();
    for _ in 0..4 {
        flows.push(anyone.begin_login(&ana.email).await.flow_id);
    }
    let code = app.code(&world);
    let tries = flows.iter().map(|flow| anyone.continue_login(flow, Proof::TotpCode(code.clone())));
    let outcomes = futures::future::join_all(tries).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let flow = anyone.begin_login(&ana.email).await.flow_id;
    world.advance(STEP);
    let code = app.code(&world);
    let tries = (0..4).map(|_| anyone.continue_login(&flow, Proof::TotpCode(code.clone())));
    let outcomes = futures::future::join_all(tries).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_phone_s_clock_may_be_one_step_off() {
    let world = World::start().await;
    let (ana, app) = guarded(&world).await;
    let anyone = world.anonymous();
    for (off_by, opens) in [(-60, false), (60, false), (-30, true), (0, true), (30, true)] {
        world.advance(4 * STEP);
        let flow = anyone.begin_login(&ana.email).await.flow_id;
        let outcome = anyone.continue_login(&flow, Proof::TotpCode(app.code_at(&world, off_by))).await;
        assert_eq!(outcome.is_ok(), opens, "{off_by} s");
    }
}

#[tokio::test]
async fn a_flow_takes_five_tries_and_five_minutes() {
    let world = World::start().await;
    let (ana, app) = guarded(&world).await;
    let anyone = world.anonymous();
    let flow = anyone.begin_login(&ana.email).await.flow_id;
    for _ in 0..5 {
        let wrong = Proof::TotpCode(app.wrong_code(&world));
        assert_wrong(&anyone.continue_login(&flow, wrong).await.err().unwrap());
    }
    let used_up = anyone.continue_login(&flow, Proof::TotpCode(app.code(&world))).await.err().unwrap();
    assert_reason(&used_up, Code::FailedPrecondition, ErrorReason::AttemptsExhausted);

    let flow = anyone.begin_login(&ana.email).await.flow_id;
    world.advance(5 * MINUTE);
    assert_over(&anyone.continue_login(&flow, Proof::TotpCode(app.code(&world))).await.err().unwrap());
}

#[tokio::test]
async fn ten_wrong_codes_lock_the_factor_and_never_the_account() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (app, done) = ana.add_app(&world).await;
    world.run_jobs().await;
    world.advance(STEP);
    let anyone = world.anonymous();
    for _ in 0..2 {
        let flow = anyone.begin_login(&ana.email).await.flow_id;
        for _ in 0..5 {
            let wrong = Proof::TotpCode(app.wrong_code(&world));
            assert_wrong(&anyone.continue_login(&flow, wrong).await.err().unwrap());
        }
    }
    let flow = anyone.begin_login(&ana.email).await.flow_id;
    let locked = anyone.continue_login(&flow, Proof::TotpCode(app.code(&world))).await.err().unwrap();
    assert_reason(&locked, Code::FailedPrecondition, ErrorReason::AttemptsExhausted);
    let wait = details(&locked).retry_info().and_then(|info| info.retry_delay);
    assert_eq!(wait, Some(15 * MINUTE));

    // Who is signed in stays so, sees the lock, and another factor opens.
    let factors = ana.factors().list_factors(pb::ListFactorsRequest {}).await.unwrap().into_inner().factors;
    assert!(factors[0].locked_until_time.is_some());
    anyone.continue_login(&flow, Proof::RecoveryCode(done.recovery_codes[0].clone())).await.unwrap();

    world.advance(15 * MINUTE);
    let flow = anyone.begin_login(&ana.email).await.flow_id;
    anyone.continue_login(&flow, Proof::TotpCode(app.code(&world))).await.unwrap();
    let factors = ana.factors().list_factors(pb::ListFactorsRequest {}).await;
    assert!(factors.is_err() || factors.unwrap().into_inner().factors[0].locked_until_time.is_none());
    world.run_jobs().await;
}

#[tokio::test]
async fn a_right_code_forgives_the_wrong_ones_before() {
    let world = World::start().await;
    let (ana, app) = guarded(&world).await;
    let anyone = world.anonymous();
    for _ in 0..4 {
        world.advance(STEP);
        let flow = anyone.begin_login(&ana.email).await.flow_id;
        for _ in 0..4 {
            anyone.continue_login(&flow, Proof::TotpCode(app.wrong_code(&world))).await.err().unwrap();
        }
        anyone.continue_login(&flow, Proof::TotpCode(app.code(&world))).await.unwrap();
    }
}

#[tokio::test]
async fn a_flow_is_nobody_else_s_and_nothing_else() {
    let world = World::start().await;
    let (ana, app) = guarded(&world).await;
    let anyone = world.anonymous();
    let flow = anyone.begin_login(&ana.email).await.flow_id;
    let proof = Proof::TotpCode(app.code(&world));
    let unknown = anyone.continue_login("flw_01h455vb4pex5vsknk084sn02q", proof.clone()).await.err().unwrap();
    assert_over(&unknown);
    for id in ["flw_1", ana.session_id(), "nonsense", &ana.session_id().replace("ses_", "flw_")] {
        assert_alike(&unknown, &anyone.continue_login(id, proof.clone()).await.err().unwrap());
    }
    // A registration's flow and a step-up's are no sign-ins.
    ana.ask_to_step_up().await;
    let step_up = ana.session_id().replace("ses_", "flw_");
    assert_alike(&unknown, &anyone.continue_login(&step_up, proof.clone()).await.err().unwrap());
    let register = pb::BeginPasskeyRegistrationRequest::default();
    let registration = ana.factors().begin_passkey_registration(register).await.unwrap().into_inner().flow_id;
    assert_alike(&unknown, &anyone.continue_login(&registration, proof.clone()).await.err().unwrap());

    // Another client, by what it says of itself.
    let request = pb::ContinueLoginRequest { flow_id: flow.clone(), proof: Some(proof.clone()), ..Default::default() };
    let path = "/backline.v1.SessionService/ContinueLogin";
    let headers = [("user-agent", "another-client/1.0")];
    let refused = world.grpc(path, &headers, frame(&request.encode_to_vec())).await.grpc();
    assert_over(&refused);
    anyone.continue_login(&flow, proof).await.unwrap();
}

#[tokio::test]
async fn malformed_answers_are_told_and_cost_no_try() {
    let world = World::start().await;
    let (ana, app) = guarded(&world).await;
    let anyone = world.anonymous();
    let flow = anyone.begin_login(&ana.email).await.flow_id;
    let nothing = anyone.sessions().continue_login(pb::ContinueLoginRequest::default()).await.unwrap_err();
    assert_reason(&nothing, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&nothing), ["flow_id", "proof"]);
    for (proof, field) in [
        (Proof::TotpCode("12345".into()), "totp_code"),
        (Proof::TotpCode("12345x".into()), "totp_code"),
        (Proof::RecoveryCode(String::new()), "recovery_code"),
        (Proof::RecoveryCode("A".repeat(65)), "recovery_code"),
        (Proof::PasskeyCredential("{}".into()), "passkey_credential"),
        (Proof::PasskeyCredential("x".repeat(65_537)), "passkey_credential"),
        (Proof::PasskeyCredential("[".repeat(10_000)), "passkey_credential"),
    ] {
        let refused = anyone.continue_login(&flow, proof).await.err().unwrap();
        assert_eq!(violations(&refused), [field]);
    }
    anyone.continue_login(&flow, Proof::TotpCode(app.code(&world))).await.unwrap();
}

#[tokio::test]
async fn what_changed_meanwhile_ends_a_flow() {
    let world = World::start().await;
    let (ana, app) = guarded(&world).await;
    let anyone = world.anonymous();
    let id: backline::kernel::ids::AccountId = ana.account_id().parse().unwrap();
    let change = async |column, value: &str| {
        let tx = world.app().db.begin_write().await.unwrap();
        let update = account::Entity::update_many().col_expr(column, Expr::value(value));
        update.filter(account::Column::Id.eq(id)).exec(&tx).await.unwrap();
        tx.commit().await.unwrap();
    };
    let flow = anyone.begin_login(&ana.email).await.flow_id;
    change(account::Column::Status, "suspended").await;
    let refused = anyone.continue_login(&flow, Proof::TotpCode(app.wrong_code(&world))).await.err().unwrap();
    assert_wrong(&refused);
    let refused = anyone.continue_login(&flow, Proof::TotpCode(app.code(&world))).await.err().unwrap();
    assert_reason(&refused, Code::PermissionDenied, ErrorReason::AccountSuspended);
    change(account::Column::Status, "active").await;

    // A new password ends what the old one began.
    change(account::Column::PasswordHash, "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA").await;
    let refused = anyone.continue_login(&flow, Proof::TotpCode(app.code(&world))).await.err().unwrap();
    assert_over(&refused);
}

#[tokio::test]
async fn a_sign_in_leaves_its_attempts() {
    let world = World::start().await;
    let (ana, app) = guarded(&world).await;
    let anyone = world.anonymous();
    let flow = anyone.begin_login(&ana.email).await.flow_id;
    world.advance(Duration::from_millis(1));
    anyone.continue_login(&flow, Proof::TotpCode(app.wrong_code(&world))).await.err().unwrap();
    world.advance(MINUTE);
    let phone = anyone.continue_login(&flow, Proof::TotpCode(app.code(&world))).await.unwrap();
    let order = login_attempt::Entity::find().order_by_desc(login_attempt::Column::Id);
    let rows = order.all(&world.db().await).await.unwrap();
    assert_eq!(rows[0].session_id.unwrap().to_string(), phone.session_id());
    assert_eq!(rows[0].result, login_attempt::Outcome::Succeeded);
    assert_eq!(rows[1].result, login_attempt::Outcome::WrongFactor);
    assert_eq!(rows[2].result, login_attempt::Outcome::FactorRequired);
    assert_eq!(rows[1].account_id, rows[0].account_id);
    assert_eq!(rows[1].identifier_mac, rows[0].identifier_mac);
}

#[tokio::test]
async fn a_restart_forgets_no_flow() {
    let mut world = World::start().await;
    let (ana, app) = guarded(&world).await;
    let anyone = world.anonymous();
    let flow = anyone.begin_login(&ana.email).await.flow_id;
    world.restart().await;
    anyone.continue_login(&flow, Proof::TotpCode(app.code(&world))).await.unwrap();
    let reply = anyone.login(&ana.email, PASSWORD, "").await.unwrap();
    assert!(matches!(reply.outcome, Some(Outcome::FactorRequired(_))));
    world.advance(Duration::from_hours(2));
    world.run_jobs().await;
}

/// Signs in on a device that shows a token, or wants to be remembered.
async fn login_on(world: &World, email: &str, device_token: &str) -> Outcome {
    let request = pb::LoginRequest {
        email: email.to_owned(),
        password: PASSWORD.to_owned(),
        remember_device: true,
        device_token: device_token.to_owned(),
        ..Default::default()
    };
    world.anonymous().sessions().login(request).await.unwrap().into_inner().outcome.unwrap()
}

#[tokio::test]
async fn a_device_that_is_remembered_is_not_asked_for_thirty_days() {
    let world = World::start().await;
    let (ana, app) = guarded(&world).await;
    let Outcome::FactorRequired(required) = login_on(&world, &ana.email, "").await else { panic!("not asked") };
    let request = pb::ContinueLoginRequest {
        flow_id: required.flow_id,
        proof: Some(Proof::TotpCode(app.code(&world))),
        ..Default::default()
    };
    let reply = world.anonymous().sessions().continue_login(request).await.unwrap().into_inner();
    let token = reply.signed_in.unwrap().device_token;
    assert!(!token.is_empty());

    world.advance(Duration::from_hours(29 * 24));
    let Outcome::SignedIn(signed_in) = login_on(&world, &ana.email, &token).await else { panic!("asked") };
    let laptop = ana.signed_in(signed_in);
    // Without the token, or when the trust is over, the factor is wanted.
    assert!(matches!(login_on(&world, &ana.email, "").await, Outcome::FactorRequired(_)));
    world.advance(Duration::from_hours(24));
    assert!(matches!(login_on(&world, &ana.email, &token).await, Outcome::FactorRequired(_)));

    // The password alone made nothing fresh.
    laptop.refresh().await.unwrap();
    let begin = pb::BeginTotpEnrollmentRequest::default();
    let refused = laptop.factors().begin_totp_enrollment(begin).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::StepUpRequired);
    world.run_jobs().await;
}

#[tokio::test]
async fn a_change_of_factors_takes_the_trust_from_devices() {
    let world = World::start().await;
    let (ana, app) = guarded(&world).await;
    let Outcome::FactorRequired(required) = login_on(&world, &ana.email, "").await else { panic!("not asked") };
    let request = pb::ContinueLoginRequest {
        flow_id: required.flow_id,
        proof: Some(Proof::TotpCode(app.code(&world))),
        ..Default::default()
    };
    let reply = world.anonymous().sessions().continue_login(request).await.unwrap().into_inner();
    let token = reply.signed_in.unwrap().device_token;
    assert!(matches!(login_on(&world, &ana.email, &token).await, Outcome::SignedIn(_)));
    ana.add_passkey(&mut Device::new()).await;
    assert!(matches!(login_on(&world, &ana.email, &token).await, Outcome::FactorRequired(_)));
    world.run_jobs().await;
}

#[tokio::test]
async fn wrong_codes_lock_no_password() {
    let world = World::start().await;
    let (ana, app) = guarded(&world).await;
    let anyone = world.anonymous();
    for _ in 0..2 {
        let flow = anyone.begin_login(&ana.email).await.flow_id;
        for _ in 0..5 {
            anyone.continue_login(&flow, Proof::TotpCode(app.wrong_code(&world))).await.err().unwrap();
        }
    }
    // No challenge and no lock: the password was right each time.
    anyone.begin_login(&ana.email).await;
    world.run_jobs().await;
}
