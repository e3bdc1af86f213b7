//! Second factors: authenticator apps, recovery codes, what changes of them mean for everything else.

use std::time::Duration;

use backline::kernel::{Role, ids::AccountId};
use pb::continue_login_request::Proof;

use crate::harness::{factors::STEP, *};

const MINUTE: Duration = Duration::from_mins(1);

async fn list(actor: &Actor) -> pb::ListFactorsResponse {
    actor.factors().list_factors(pb::ListFactorsRequest {}).await.unwrap().into_inner()
}

async fn begin(actor: &Actor, name: &str, request: u32) -> Result<pb::BeginTotpEnrollmentResponse, Status> {
    let request_id = if request == 0 { String::new() } else { request_id(request) };
    let message = pb::BeginTotpEnrollmentRequest { name: name.to_owned(), request_id };
    Ok(actor.factors().begin_totp_enrollment(message).await?.into_inner())
}

async fn finish(
    actor: &Actor,
    factor_id: &str,
    code: &str,
    request: u32,
) -> Result<pb::FinishTotpEnrollmentResponse, Status> {
    let request_id = if request == 0 { String::new() } else { request_id(request) };
    let message = pb::FinishTotpEnrollmentRequest { factor_id: factor_id.into(), code: code.into(), request_id };
    Ok(actor.factors().finish_totp_enrollment(message).await?.into_inner())
}

async fn delete(actor: &Actor, factor_id: &str, request: u32) -> Result<pb::DeleteFactorResponse, Status> {
    let request_id = if request == 0 { String::new() } else { request_id(request) };
    let message = pb::DeleteFactorRequest { factor_id: factor_id.to_owned(), request_id };
    Ok(actor.factors().delete_factor(message).await?.into_inner())
}

async fn rename(actor: &Actor, factor_id: &str, name: &str, paths: &[&str]) -> Result<pb::Factor, Status> {
    let message = pb::UpdateFactorRequest {
        factor: Some(pb::Factor { factor_id: factor_id.into(), name: name.into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
        request_id: request_id(77),
    };
    Ok(actor.factors().update_factor(message).await?.into_inner().factor.unwrap())
}

async fn regenerate(actor: &Actor, request: u32) -> Result<pb::RegenerateRecoveryCodesResponse, Status> {
    let message = pb::RegenerateRecoveryCodesRequest { request_id: request_id(request) };
    Ok(actor.factors().regenerate_recovery_codes(message).await?.into_inner())
}

#[tokio::test]
async fn an_app_is_in_force_from_its_first_right_code() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let begun = begin(&ana, " Phone ", 1).await.unwrap();
    assert_eq!(begin(&ana, " Phone ", 1).await.unwrap(), begun, "a repeat shows the same secret");
    assert_eq!((begun.secret.len(), begun.lifetime.unwrap().seconds), (32, 600));
    assert!(list(&ana).await.factors.is_empty(), "it counts for nothing yet");
    world.login(&ana.email, PASSWORD).await.unwrap();

    let app = Authenticator::scan(&begun.otpauth_uri);
    let wrong = finish(&ana, &begun.factor_id, &app.wrong_code(&world), 2).await.unwrap_err();
    assert_reason(&wrong, Code::Unauthenticated, ErrorReason::InvalidCredentials);
    let code = app.code(&world);
    let typed = format!("{} {}", &code[..3], &code[3..]);
    let done = finish(&ana, &begun.factor_id, &typed, 3).await.unwrap();
    assert_eq!(finish(&ana, &begun.factor_id, &typed, 3).await.unwrap(), done, "a lost reply can be asked for again");
    let again = finish(&ana, &begun.factor_id, &typed, 4).await.unwrap_err();
    assert_reason(&again, Code::NotFound, ErrorReason::ResourceNotFound);

    ana.keep_access_token(&done.change.unwrap().access_token);
    assert_eq!(ana.whoami().await.unwrap().factor_kinds, [i32::from(pb::FactorKind::Totp)]);
    let listed = list(&ana).await;
    assert_eq!((listed.factors, listed.recovery_codes_left), (vec![done.factor.clone().unwrap()], 10));
    assert_eq!(done.factor.unwrap().name, "Phone");
    world.run_jobs().await;
}

#[tokio::test]
async fn a_change_ends_the_other_sessions_and_tells_the_owner() {
    let world = World::start().await;
    let laptop = world.account("ana").await;
    let phone = laptop.on_another_device("Phone").await;
    let (_, done) = laptop.add_app(&world).await;
    let change = done.change.unwrap();
    assert_eq!((change.ended_count, done.recovery_codes.len()), (1, 10));
    let ended = phone.whoami().await.unwrap_err();
    assert_reason(&ended, Code::Unauthenticated, ErrorReason::SessionRevoked);
    assert_eq!(fact(&ended, "cause").as_deref(), Some("factor_changed"));
    let letter = world.newest_letter_to(&laptop.email).await;
    assert!(letter.text.starts_with("The authenticator app “Authenticator app” was added"), "{}", letter.text);
    assert!(letter.link().contains("/undo?token="));

    // The session that did it goes on, its refresh token too, and counts as checked by the factor.
    laptop.refresh().await.unwrap();
    let factor_id = done.factor.unwrap().factor_id;
    let gone = delete(&laptop, &factor_id, 1).await.unwrap();
    assert_eq!(delete(&laptop, &factor_id, 1).await.unwrap(), gone);
    let again = delete(&laptop, &factor_id, 2).await.unwrap_err();
    assert_reason(&again, Code::NotFound, ErrorReason::ResourceNotFound);
    laptop.keep_access_token(&gone.change.unwrap().access_token);
    assert!(laptop.whoami().await.unwrap().factor_kinds.is_empty());
    let letter = world.newest_letter_to(&laptop.email).await;
    assert!(letter.text.starts_with("The authenticator app “Authenticator app” was removed"), "{}", letter.text);
    world.login(&laptop.email, PASSWORD).await.unwrap();
    assert_eq!(list(&laptop).await, pb::ListFactorsResponse::default());
}

#[tokio::test]
async fn a_secret_waits_ten_minutes_and_takes_five_tries() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (tried, late) = (begin(&ana, "", 0).await.unwrap(), begin(&ana, "", 0).await.unwrap());
    let app = Authenticator::scan(&tried.otpauth_uri);
    for _ in 0..5 {
        finish(&ana, &tried.factor_id, &app.wrong_code(&world), 0).await.unwrap_err();
    }
    let used_up = finish(&ana, &tried.factor_id, &app.code(&world), 0).await.unwrap_err();
    assert_reason(&used_up, Code::FailedPrecondition, ErrorReason::AttemptsExhausted);
    world.advance(10 * MINUTE);
    let code = Authenticator::scan(&late.otpauth_uri).code(&world);
    let refused = finish(&ana, &late.factor_id, &code, 0).await.unwrap_err();
    assert_reason(&refused, Code::NotFound, ErrorReason::ResourceNotFound);
}

#[tokio::test]
async fn a_change_wants_a_fresh_check() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (_, done) = ana.add_app(&world).await;
    world.advance(10 * MINUTE);
    let factor_id = done.factor.unwrap().factor_id;
    let register = pb::BeginPasskeyRegistrationRequest::default();
    for refused in [
        begin(&ana, "", 0).await.unwrap_err(),
        delete(&ana, &factor_id, 0).await.unwrap_err(),
        regenerate(&ana, 1).await.unwrap_err(),
        ana.factors().begin_passkey_registration(register).await.unwrap_err(),
    ] {
        assert_reason(&refused, Code::FailedPrecondition, ErrorReason::StepUpRequired);
        assert_eq!(fact(&refused, "methods").as_deref(), Some("totp"));
    }
    rename(&ana, &factor_id, "Old phone", &["name"]).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn factors_of_others_do_not_exist() {
    let world = World::start().await;
    let (ana, bea) = (world.account("ana").await, world.account("bea").await);
    let (_, done) = ana.add_app(&world).await;
    let begun = begin(&ana, "", 0).await.unwrap();
    let code = Authenticator::scan(&begun.otpauth_uri).code(&world);
    let factor_id = done.factor.unwrap().factor_id;
    let refused = delete(&bea, &factor_id, 0).await.unwrap_err();
    assert_reason(&refused, Code::NotFound, ErrorReason::ResourceNotFound);
    assert_alike(&refused, &rename(&bea, &factor_id, "Mine", &["name"]).await.unwrap_err());
    assert_alike(&refused, &finish(&bea, &begun.factor_id, &code, 0).await.unwrap_err());
    for id in ["fac_01h455vb4pex5vsknk084sn02q", "fac_1", bea.account_id(), ""] {
        assert_alike(&refused, &delete(&bea, id, 0).await.unwrap_err());
        assert_alike(&refused, &rename(&bea, id, "Mine", &["name"]).await.unwrap_err());
    }
    assert_alike(&refused, &regenerate(&bea, 1).await.unwrap_err());
    assert_eq!(list(&ana).await.factors.len(), 1);
    assert!(list(&bea).await.factors.is_empty());
    world.run_jobs().await;
}

#[tokio::test]
async fn malformed_changes_are_told_every_field() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    assert_eq!(violations(&begin(&ana, "two\nlines", 0).await.unwrap_err()), ["name"]);
    assert_eq!(violations(&begin(&ana, &"n".repeat(61), 0).await.unwrap_err()), ["name"]);
    assert_eq!(violations(&finish(&ana, "", "12345", 0).await.unwrap_err()), ["factor_id", "code"]);
    assert_eq!(violations(&rename(&ana, "", "", &["name"]).await.unwrap_err()), ["factor.name"]);
    for paths in [&[] as &[&str], &["kind"], &["name", "create_time"]] {
        let refused = rename(&ana, "", "Phone", paths).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::UpdateMaskInvalid);
    }
    let message = pb::BeginTotpEnrollmentRequest { request_id: "one".into(), ..Default::default() };
    let refused = ana.factors().begin_totp_enrollment(message).await.unwrap_err();
    assert_eq!(violations(&refused), ["request_id"]);
}

#[tokio::test]
async fn ten_factors_are_enough() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    ana.add_app(&world).await;
    for number in 0..9 {
        begin(&ana, &format!("Phone {number}"), 0).await.unwrap();
    }
    let refused = begin(&ana, "", 0).await.unwrap_err();
    assert_reason(&refused, Code::ResourceExhausted, ErrorReason::FactorLimit);
    assert_eq!(fact(&refused, "limit").as_deref(), Some("10"));
    let register = pb::BeginPasskeyRegistrationRequest::default();
    let refused = ana.factors().begin_passkey_registration(register).await.unwrap_err();
    assert_reason(&refused, Code::ResourceExhausted, ErrorReason::FactorLimit);
    world.advance(10 * MINUTE);
    world.run_jobs().await;
}

#[tokio::test]
async fn a_recovery_code_opens_once_and_new_ones_void_the_old() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (_, done) = ana.add_app(&world).await;
    world.run_jobs().await;
    let (codes, anyone) = (done.recovery_codes, world.anonymous());
    let unique: std::collections::BTreeSet<&String> = codes.iter().collect();
    assert!(unique.len() == 10 && codes.iter().all(|code| code.len() == 14));

    let flow = anyone.begin_login(&ana.email).await.flow_id;
    let typed = format!(" {}", codes[0].to_lowercase().replace('-', " "));
    anyone.continue_login(&flow, Proof::RecoveryCode(typed.clone())).await.unwrap();
    let flow = anyone.begin_login(&ana.email).await.flow_id;
    let refused = anyone.continue_login(&flow, Proof::RecoveryCode(typed)).await.err().unwrap();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::InvalidCredentials);
    assert_eq!(list(&ana).await.recovery_codes_left, 9);

    let renewed = regenerate(&ana, 1).await.unwrap();
    assert_eq!(regenerate(&ana, 1).await.unwrap(), renewed);
    ana.keep_access_token(&renewed.change.unwrap().access_token);
    assert_eq!(list(&ana).await.recovery_codes_left, 10);
    let letter = world.newest_letter_to(&ana.email).await;
    assert!(letter.text.starts_with("A new set of recovery codes was added"), "{}", letter.text);
    let old = anyone.continue_login(&flow, Proof::RecoveryCode(codes[1].clone())).await.err().unwrap();
    assert_alike(&old, &refused);
    let new = Proof::RecoveryCode(renewed.recovery_codes[9].clone());
    anyone.continue_login(&flow, new).await.unwrap();

    // Another's codes are nobody else's.
    let bea = world.account("bea").await;
    bea.add_app(&world).await;
    let flow = anyone.begin_login(&bea.email).await.flow_id;
    let foreign = Proof::RecoveryCode(renewed.recovery_codes[0].clone());
    assert_alike(&anyone.continue_login(&flow, foreign).await.err().unwrap(), &refused);
    world.run_jobs().await;
}

#[tokio::test]
async fn two_apps_at_once_are_both_in_force() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (one, two) = (begin(&ana, "One", 0).await.unwrap(), begin(&ana, "Two", 0).await.unwrap());
    let code = |begun: &pb::BeginTotpEnrollmentResponse| Authenticator::scan(&begun.otpauth_uri).code(&world);
    let (code_one, code_two) = (code(&one), code(&two));
    let both = tokio::join!(finish(&ana, &one.factor_id, &code_one, 0), finish(&ana, &two.factor_id, &code_two, 0));
    let codes = both.0.unwrap().recovery_codes.len() + both.1.unwrap().recovery_codes.len();
    assert_eq!((codes, list(&ana).await.factors.len()), (10, 2), "only the first brings recovery codes");
    world.run_jobs().await;
}

#[tokio::test]
async fn staff_without_a_factor_hold_no_office_where_one_is_wanted() {
    let world = World::with(&[("passkeys.staff_must_have_factor", "true")]).await;
    let (root, eva) = (world.admin("root").await, world.account("eva").await);
    let reply = root.login(&root.email, PASSWORD, "").await.unwrap();
    let Some(pb::login_response::Outcome::SignedIn(signed_in)) = reply.outcome else { panic!("not signed in") };
    assert!(signed_in.second_factor_missing);
    let accounts = async || root.admin().list_accounts(pb::ListAccountsRequest::default()).await;
    let refused = accounts().await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::StepUpRequired);
    assert_eq!(fact(&refused, "methods").as_deref(), Some("enroll"));
    root.whoami().await.unwrap();

    let (_, done) = root.add_app(&world).await;
    accounts().await.unwrap();
    let factor_id = done.factor.unwrap().factor_id;
    let refused = delete(&root, &factor_id, 0).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::LastRequiredFactor);
    assert_eq!(list(&root).await.factors.len(), 1, "nothing was removed");
    root.add_app(&world).await;
    delete(&root, &factor_id, 0).await.unwrap();

    // Roles that come later want one too, at once.
    world.give_role(eva.account_id(), Role::Reviewer).await;
    let refused = eva.review().list_queue(pb::ListQueueRequest::default()).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::StepUpRequired);
    world.run_jobs().await;
}

#[tokio::test]
async fn elsewhere_staff_without_a_factor_are_warned() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let reply = root.login(&root.email, PASSWORD, "").await.unwrap();
    let Some(pb::login_response::Outcome::SignedIn(signed_in)) = reply.outcome else { panic!("not signed in") };
    assert!(signed_in.second_factor_missing);
    root.admin().list_accounts(pb::ListAccountsRequest::default()).await.unwrap();
}

#[tokio::test]
async fn what_strangers_did_to_factors_can_be_taken_back() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (app, done) = ana.add_app(&world).await;
    let account: AccountId = ana.account_id().parse().unwrap();
    let factor: backline::kernel::ids::FactorId = done.factor.unwrap().factor_id.parse().unwrap();
    let app_of_server = world.app();
    let undo = async |added: bool| {
        let tx = app_of_server.db.begin_write().await.unwrap();
        let undone = if added {
            backline::factors::undo_added(&tx, app_of_server, account, factor).await.unwrap()
        } else {
            backline::factors::undo_removed(&tx, app_of_server, account, factor).await.unwrap()
        };
        tx.commit().await.unwrap();
        undone
    };
    assert!(!undo(false).await, "it was not removed");
    delete(&ana, &factor.to_string(), 0).await.unwrap();
    assert!(undo(false).await && !undo(false).await);
    let anyone = world.anonymous();
    world.advance(STEP);
    let flow = anyone.begin_login(&ana.email).await.flow_id;
    anyone.continue_login(&flow, Proof::TotpCode(app.code(&world))).await.unwrap();

    let flow = anyone.begin_login(&ana.email).await.flow_id;
    assert!(undo(true).await && !undo(true).await);
    assert!(!undo(false).await, "what a stranger added does not come back");
    let over = anyone.continue_login(&flow, Proof::RecoveryCode(done.recovery_codes[0].clone())).await.err().unwrap();
    assert_reason(&over, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    world.login(&ana.email, PASSWORD).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn staff_can_reset_what_was_lost_and_a_removal_is_kept_for_a_week() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let root = world.admin("root").await;
    let (_, done) = ana.add_app(&world).await;
    world.run_jobs().await;
    let account: AccountId = ana.account_id().parse().unwrap();
    let request = pb::ResetFactorsRequest {
        account_id: ana.account_id().into(),
        reason: "Lost the phone".into(),
        request_id: request_id(1),
    };
    let reset = async || root.admin().reset_factors(request.clone()).await.unwrap().into_inner().removed_count;
    assert_eq!((reset().await, reset().await), (1, 1), "a repeat is told the first reply");
    ana.whoami().await.unwrap_err();
    assert_eq!(world.newest_letter_to(&ana.email).await.subject, "A second factor was removed");
    let again = pb::ResetFactorsRequest { request_id: String::new(), ..request.clone() };
    assert_eq!(root.admin().reset_factors(again).await.unwrap().into_inner().removed_count, 0);
    let own =
        pb::ResetFactorsRequest { account_id: root.account_id().into(), reason: "Mine".into(), ..Default::default() };
    let refused = root.admin().reset_factors(own).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::TargetIsSelf);
    let ana = world.login(&ana.email, PASSWORD).await.unwrap();
    assert_eq!(list(&ana).await, pb::ListFactorsResponse::default());

    world.advance(Duration::from_hours(9 * 24));
    world.run_jobs().await;
    world.advance(Duration::from_hours(2));
    world.run_jobs().await;
    let factor = done.factor.unwrap().factor_id.parse().unwrap();
    let tx = world.app().db.begin_write().await.unwrap();
    assert!(!backline::factors::undo_removed(&tx, world.app(), account, factor).await.unwrap());
    tx.commit().await.unwrap();
}
