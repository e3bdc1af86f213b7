//! A forgotten password does not open what a second factor guards.

use pb::complete_password_reset_request::Factor;

use crate::harness::{factors::STEP, *};

/// Asks for a letter, and gives its token.
async fn ask(world: &World, email: &str) -> String {
    let message = pb::StartPasswordResetRequest { email: email.to_owned(), ..Default::default() };
    world.anonymous().accounts().start_password_reset(message).await.unwrap();
    world.newest_letter_to(email).await.token().to_owned()
}

async fn reset(world: &World, token: &str, flow_id: &str, factor: Option<Factor>) -> Result<(), Status> {
    let message = pb::CompletePasswordResetRequest {
        token: token.to_owned(),
        new_password: "eleven loud oceans rest".to_owned(),
        flow_id: flow_id.to_owned(),
        factor,
        ..Default::default()
    };
    world.anonymous().accounts().complete_password_reset(message).await.map(drop)
}

#[tokio::test]
async fn a_reset_wants_the_second_factor_and_spends_nothing_without() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (app, done) = ana.add_app(&world).await;
    world.run_jobs().await;
    world.advance(STEP);
    let token = ask(&world, &ana.email).await;
    let refused = reset(&world, &token, "", None).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::StepUpRequired);
    assert_eq!(fact(&refused, "methods").as_deref(), Some("totp"));
    for wrong in [Factor::TotpCode(app.wrong_code(&world)), Factor::RecoveryCode("AAAA-AAAA-AAAA".into())] {
        let refused = reset(&world, &token, "", Some(wrong)).await.unwrap_err();
        assert_reason(&refused, Code::Unauthenticated, ErrorReason::InvalidCredentials);
    }
    let malformed = reset(&world, &token, "", Some(Factor::TotpCode("12".into()))).await.unwrap_err();
    assert_eq!(violations(&malformed), ["totp_code"]);
    ana.whoami().await.unwrap();
    let spent = app.code(&world);
    reset(&world, &token, "", Some(Factor::TotpCode(spent.clone()))).await.unwrap();
    ana.whoami().await.unwrap_err();

    // The next letter goes out a minute after the first.
    world.advance(2 * STEP);
    let token = ask(&world, &ana.email).await;
    for proof in [Factor::TotpCode(spent), Factor::RecoveryCode("not a code".into())] {
        let refused = reset(&world, &token, "", Some(proof)).await.unwrap_err();
        assert_reason(&refused, Code::Unauthenticated, ErrorReason::InvalidCredentials);
    }
    reset(&world, &token, "", Some(Factor::RecoveryCode(done.recovery_codes[0].clone()))).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn a_passkey_resets_too() {
    let world = World::start().await;
    let (ana, mut device) = (world.account("ana").await, Device::new());
    ana.add_passkey(&mut device).await;
    world.run_jobs().await;
    let token = ask(&world, &ana.email).await;
    let message = pb::BeginPasskeyLoginRequest::default();
    let begun = world.anonymous().factors().begin_passkey_login(message).await.unwrap().into_inner();
    let answer = Factor::PasskeyCredential(device.sign(&begun.passkey_options));
    let unasked = reset(&world, &token, "", Some(answer.clone())).await.unwrap_err();
    assert_reason(&unasked, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    reset(&world, &token, &begun.flow_id, Some(answer)).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn the_link_of_the_letter_takes_a_factor_back() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    ana.add_app(&world).await;
    let token = world.newest_letter_to(&ana.email).await.token().to_owned();
    let message = pb::UndoSecurityChangeRequest { token, ..Default::default() };
    let undone = world.anonymous().accounts().undo_security_change(message).await.unwrap().into_inner();
    assert_eq!(undone.changes[0], i32::from(pb::SecurityChange::FactorAdded));
    ana.whoami().await.unwrap_err();
    let token = world.newest_letter_to(&ana.email).await.token().to_owned();
    reset(&world, &token, "", None).await.unwrap();
    let ana = world.login(&ana.email, "eleven loud oceans rest").await.unwrap();
    assert!(ana.whoami().await.unwrap().factor_kinds.is_empty());
    world.run_jobs().await;
}

#[tokio::test]
async fn what_staff_reset_comes_back_by_the_link_of_the_letter() {
    let world = World::start().await;
    let (root, ana, mut device) = (world.admin("root").await, world.account("ana").await, Device::new());
    let (app, _) = ana.add_app(&world).await;
    ana.add_passkey(&mut device).await;
    world.run_jobs().await;
    world.advance(STEP);
    let kinds = async || {
        let request = pb::GetAccountDetailsRequest { account_id: ana.account_id().into() };
        root.admin().get_account_details(request).await.unwrap().into_inner().details.unwrap().factor_kinds.len()
    };
    let request = pb::ResetFactorsRequest {
        account_id: ana.account_id().into(),
        reason: "Said to have lost the phone".into(),
        ..Default::default()
    };
    let reply = root.admin().reset_factors(request).await.unwrap().into_inner();
    assert_eq!((reply.removed_count, kinds().await), (2, 0));
    world.advance(STEP);
    let token = world.newest_letter_to(&ana.email).await.token().to_owned();
    let message = pb::UndoSecurityChangeRequest { token, ..Default::default() };
    let undone = world.anonymous().accounts().undo_security_change(message).await.unwrap().into_inner();
    assert_eq!(undone.changes, [i32::from(pb::SecurityChange::FactorRemoved); 2]);
    assert_eq!(kinds().await, 2);
    // The letter of the undoing sets a new password, and wants one of them.
    let token = world.newest_letter_to(&ana.email).await.token().to_owned();
    reset(&world, &token, "", None).await.unwrap_err();
    reset(&world, &token, "", Some(Factor::TotpCode(app.code(&world)))).await.unwrap();
    world.run_jobs().await;
}
