//! What is done with factors twice: at once, once more, or with words that are none.

use std::{future::Future, time::Duration};

use pb::continue_login_request::Proof;
use prost_types::FieldMask;

use crate::harness::{factors::STEP, *};

const MINUTE: Duration = Duration::from_mins(1);

/// How many of these acts worked, all begun at once.
async fn worked<T>(acts: impl IntoIterator<Item = impl Future<Output = Result<T, Status>>>) -> usize {
    futures::future::join_all(acts).await.iter().filter(|outcome| outcome.is_ok()).count()
}

/// A person with an app, whose first code is a step ago, and with recovery codes.
async fn guarded(world: &World) -> (Actor, Authenticator, Vec<String>) {
    let ana = world.account("ana").await;
    let (app, done) = ana.add_app(world).await;
    world.run_jobs().await;
    world.advance(STEP);
    (ana, app, done.recovery_codes)
}

#[tokio::test]
async fn a_recovery_code_opens_once_whoever_is_faster() {
    let world = World::start().await;
    let (ana, _, codes) = guarded(&world).await;
    let anyone = world.anonymous();
    let mut flows = Vec::new();
    for _ in 0..6 {
        flows.push(anyone.begin_login(&ana.email).await.flow_id);
    }
    let code = || Proof::RecoveryCode(codes[0].clone());
    assert_eq!(worked(flows.iter().map(|flow| anyone.continue_login(flow, code()))).await, 1);
}

#[tokio::test]
async fn a_passkey_s_answer_opens_once_whoever_is_faster() {
    let world = World::start().await;
    let (ana, mut device) = (world.account("ana").await, Device::new());
    ana.add_passkey(&mut device).await;
    world.run_jobs().await;
    let anyone = world.anonymous();
    let begun = anyone.factors().begin_passkey_login(pb::BeginPasskeyLoginRequest::default()).await.unwrap();
    let begun = begun.into_inner();
    let answer = device.sign(&begun.passkey_options);
    let proof = || Proof::PasskeyCredential(answer.clone());
    assert_eq!(worked((0..5).map(|_| anyone.continue_login(&begun.flow_id, proof()))).await, 1);
}

#[tokio::test]
async fn a_step_up_happens_once_whoever_is_faster() {
    let world = World::start().await;
    let (ana, mut device) = (world.account("ana").await, Device::new());
    ana.add_passkey(&mut device).await;
    world.run_jobs().await;
    let options = ana.ask_to_step_up().await.passkey_options;
    let answer = device.sign(&options);
    let proof = || Some(pb::step_up_request::Proof::PasskeyCredential(answer.clone()));
    assert_eq!(worked((0..5).map(|_| ana.step_up(proof()))).await, 1);
}

#[tokio::test]
async fn an_app_comes_into_force_once_whoever_is_faster() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let begun = ana.factors().begin_totp_enrollment(pb::BeginTotpEnrollmentRequest::default()).await;
    let begun = begun.unwrap().into_inner();
    let code = Authenticator::scan(&begun.otpauth_uri).code(&world);
    let finish = || {
        let factor_id = begun.factor_id.clone();
        let request = pb::FinishTotpEnrollmentRequest { factor_id, code: code.clone(), ..Default::default() };
        let ana = ana.clone();
        async move { ana.factors().finish_totp_enrollment(request).await }
    };
    assert_eq!(worked((0..5).map(|_| finish())).await, 1);
    world.run_jobs().await;
    assert_eq!(world.letters_to(&ana.email).iter().filter(|letter| letter.subject.contains("was added")).count(), 1);
}

#[tokio::test]
async fn a_passkey_comes_into_force_once_whoever_is_faster() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let begun = ana.factors().begin_passkey_registration(pb::BeginPasskeyRegistrationRequest::default()).await;
    let begun = begun.unwrap().into_inner();
    let credential = Device::new().make(&begun.passkey_options);
    let finish = || {
        let request = pb::FinishPasskeyRegistrationRequest {
            flow_id: begun.flow_id.clone(),
            passkey_credential: credential.clone(),
            ..Default::default()
        };
        let ana = ana.clone();
        async move { ana.factors().finish_passkey_registration(request).await }
    };
    assert_eq!(worked((0..5).map(|_| finish())).await, 1);
    world.run_jobs().await;
}

#[tokio::test]
async fn a_sign_in_whose_reply_was_lost_can_be_asked_for_again() {
    let world = World::start().await;
    let (ana, app, _) = guarded(&world).await;
    let anyone = world.anonymous();
    let flow_id = anyone.begin_login(&ana.email).await.flow_id;
    let request =
        pb::ContinueLoginRequest { flow_id, proof: Some(Proof::TotpCode(app.code(&world))), request_id: request_id(1) };
    let first = anyone.sessions().continue_login(request.clone()).await.unwrap().into_inner();
    let again = anyone.sessions().continue_login(request.clone()).await.unwrap().into_inner();
    assert_eq!(again, first);
    ana.signed_in(again.signed_in.unwrap()).refresh().await.unwrap();

    // Whoever knows the id alone is told nothing.
    let wrong = pb::ContinueLoginRequest { proof: Some(Proof::TotpCode(app.wrong_code(&world))), ..request.clone() };
    let refused = anyone.sessions().continue_login(wrong).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    let malformed = pb::ContinueLoginRequest { request_id: "one".into(), ..request };
    let refused = anyone.sessions().continue_login(malformed).await.unwrap_err();
    assert_eq!(violations(&refused), ["request_id"]);
    let sessions = ana.sessions().list_sessions(pb::ListSessionsRequest::default()).await.unwrap().into_inner();
    assert_eq!(sessions.sessions.len(), 2);
}

#[tokio::test]
async fn a_step_up_whose_reply_was_lost_can_be_asked_for_again() {
    use pb::step_up_request::Proof;

    let world = World::start().await;
    let (ana, app, _) = guarded(&world).await;
    let step_up = async |code: String, id: String| {
        let request = pb::StepUpRequest { proof: Some(Proof::TotpCode(code)), request_id: id };
        Ok::<_, Status>(ana.sessions().step_up(request).await?.into_inner())
    };
    let code = app.code(&world);
    let first = step_up(code.clone(), request_id(1)).await.unwrap();
    assert_eq!(step_up(code.clone(), request_id(1)).await.unwrap(), first);
    let reused = step_up(app.wrong_code(&world), request_id(1)).await.unwrap_err();
    assert_reason(&reused, Code::InvalidArgument, ErrorReason::RequestIdReused);
    assert_eq!(violations(&step_up(code.clone(), "one".into()).await.unwrap_err()), ["request_id"]);
    let spent = step_up(code, request_id(2)).await.unwrap_err();
    assert_reason(&spent, Code::Unauthenticated, ErrorReason::InvalidCredentials);
}

#[tokio::test]
async fn changes_that_are_repeated_happen_once_and_keep_their_id() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (_, done) = ana.add_app(&world).await;
    let factor_id = done.factor.unwrap().factor_id;
    let rename = async |name: &str, id: String| {
        let request = pb::UpdateFactorRequest {
            factor: Some(pb::Factor { factor_id: factor_id.clone(), name: name.into(), ..Default::default() }),
            update_mask: Some(FieldMask { paths: vec!["name".into()] }),
            request_id: id,
        };
        Ok::<_, Status>(ana.factors().update_factor(request).await?.into_inner().factor.unwrap())
    };
    let renamed = rename("Old phone", request_id(1)).await.unwrap();
    assert_eq!((renamed.name.as_str(), &renamed.factor_id), ("Old phone", &factor_id));
    rename("New phone", request_id(2)).await.unwrap();
    assert_eq!(rename("Old phone", request_id(1)).await.unwrap(), renamed, "the first reply");
    let listed = ana.factors().list_factors(pb::ListFactorsRequest {}).await.unwrap().into_inner();
    assert_eq!(listed.factors[0].name, "New phone", "and nothing was done again");
    let reused = rename("Tablet", request_id(1)).await.unwrap_err();
    assert_reason(&reused, Code::InvalidArgument, ErrorReason::RequestIdReused);

    let delete = pb::DeleteFactorRequest { factor_id: factor_id.clone(), request_id: "one".into() };
    let renew = pb::RegenerateRecoveryCodesRequest { request_id: "one".into() };
    let register = pb::BeginPasskeyRegistrationRequest { name: "two\nlines".into(), ..Default::default() };
    let register_once = pb::BeginPasskeyRegistrationRequest { request_id: "one".into(), ..Default::default() };
    for (refused, field) in [
        (rename("Tablet", "one".into()).await.unwrap_err(), "request_id"),
        (ana.factors().delete_factor(delete).await.unwrap_err(), "request_id"),
        (ana.factors().regenerate_recovery_codes(renew).await.unwrap_err(), "request_id"),
        (ana.factors().begin_passkey_registration(register).await.unwrap_err(), "name"),
        (ana.factors().begin_passkey_registration(register_once).await.unwrap_err(), "request_id"),
    ] {
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
        assert_eq!(violations(&refused), [field]);
    }
    world.run_jobs().await;
}

#[tokio::test]
async fn the_code_that_put_an_app_in_force_opens_nothing_more() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (app, _) = ana.add_app(&world).await;
    let anyone = world.anonymous();
    let flow = anyone.begin_login(&ana.email).await.flow_id;
    let refused = anyone.continue_login(&flow, Proof::TotpCode(app.code(&world))).await.err().unwrap();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::InvalidCredentials);
    world.run_jobs().await;
}

#[tokio::test]
async fn recovery_codes_sleep_while_there_is_no_factor() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (_, done) = ana.add_app(&world).await;
    let delete = pb::DeleteFactorRequest { factor_id: done.factor.unwrap().factor_id, ..Default::default() };
    let gone = ana.factors().delete_factor(delete).await.unwrap().into_inner();
    ana.keep_access_token(&gone.change.unwrap().access_token);
    world.advance(10 * MINUTE);
    let code = pb::step_up_request::Proof::RecoveryCode(done.recovery_codes[0].clone());
    let refused = ana.step_up(Some(code)).await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::InvalidCredentials);
    world.run_jobs().await;
}

#[tokio::test]
async fn an_answer_to_a_flow_that_was_begun_anew_since_finishes_nothing() {
    use backline::{
        factors::{self, Answered, FlowKind, FlowStart},
        kernel::ids::FlowId,
    };

    let world = World::start().await;
    let ana = world.account("ana").await;
    let app = world.app();
    let id: FlowId = ana.session_id().replace("ses_", "flw_").parse().unwrap();
    let client = factors::client_mac(app, b"ana");
    let begin = async || {
        let account = Some(ana.account_id().parse().unwrap());
        let start = FlowStart { kind: FlowKind::StepUp, account, client, told: &(), life: MINUTE };
        factors::begin_or_keep_flow(app, id, start).await.unwrap();
    };
    let answer = async || {
        let answered: Answered<()> = factors::answer_flow(app, id, &[FlowKind::StepUp], client).await.unwrap();
        answered.taken
    };
    let finish = async |taken| {
        let tx = app.db.begin_write().await.unwrap();
        let finished = factors::finish_flow(&tx, app, taken).await;
        tx.commit().await.unwrap();
        finished
    };
    begin().await;
    let (one, two) = (answer().await, answer().await);
    finish(one).await.unwrap();
    world.advance(Duration::from_millis(1));
    begin().await;
    finish(two).await.unwrap_err();
    finish(answer().await).await.unwrap();
}
