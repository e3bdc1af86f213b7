//! Guessing at codes of apps: locks, the letters about them, and the end of it.

use std::time::Duration;

use backline::entity::audit_event;
use pb::continue_login_request::Proof;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::harness::{factors::STEP, *};

const MINUTE: Duration = Duration::from_mins(1);
const PAUSED: &str = "Codes of your authenticator app are paused";

/// A person with an app, whose first code is a step ago, and with recovery codes.
async fn guarded(world: &World) -> (Actor, Authenticator, Vec<String>) {
    let ana = world.account("ana").await;
    let (app, done) = ana.add_app(world).await;
    world.run_jobs().await;
    world.advance(STEP);
    (ana, app, done.recovery_codes)
}

/// Ten wrong codes, in two sign-ins of five.
async fn ten_wrong(world: &World, email: &str, app: &Authenticator) {
    let anyone = world.anonymous();
    for _ in 0..2 {
        let flow = anyone.begin_login(email).await.flow_id;
        for _ in 0..5 {
            let wrong = Proof::TotpCode(app.wrong_code(world));
            let refused = anyone.continue_login(&flow, wrong).await.err().unwrap();
            assert_reason(&refused, Code::Unauthenticated, ErrorReason::InvalidCredentials);
        }
    }
}

async fn try_code(world: &World, email: &str, code: String) -> Result<Actor, Status> {
    let anyone = world.anonymous();
    let flow = anyone.begin_login(email).await.flow_id;
    anyone.continue_login(&flow, Proof::TotpCode(code)).await
}

async fn letters(world: &World, email: &str) -> usize {
    world.run_jobs().await;
    world.letters_to(email).iter().filter(|letter| letter.subject == PAUSED).count()
}

async fn locks_in_the_trail(world: &World) -> u64 {
    let rows = audit_event::Entity::find().filter(audit_event::Column::Action.eq("authn_factor_lock"));
    rows.count(&world.db().await).await.unwrap()
}

#[tokio::test]
async fn each_lock_is_told_once_to_the_owner_and_the_trail() {
    let world = World::start().await;
    let (ana, app, _) = guarded(&world).await;
    for episode in 1..=2 {
        ten_wrong(&world, &ana.email, &app).await;
        for _ in 0..3 {
            let locked = try_code(&world, &ana.email, app.code(&world)).await.err().unwrap();
            assert_reason(&locked, Code::FailedPrecondition, ErrorReason::AttemptsExhausted);
        }
        assert_eq!(letters(&world, &ana.email).await, episode);
        assert_eq!(locks_in_the_trail(&world).await, episode as u64);
        world.advance(15 * MINUTE);
    }
    let letter = world.newest_letter_to(&ana.email).await;
    assert!(letter.text.contains("choose a new") && !letter.text.contains("http"), "{}", letter.text);
    try_code(&world, &ana.email, app.code(&world)).await.unwrap();
}

#[tokio::test]
async fn a_hundred_wrong_codes_in_a_row_turn_an_app_off_until_another_factor_is_shown() {
    let world = World::start().await;
    let (ana, app, recovery_codes) = guarded(&world).await;
    for _ in 0..10 {
        ten_wrong(&world, &ana.email, &app).await;
        world.advance(15 * MINUTE);
    }
    assert_eq!(letters(&world, &ana.email).await, 10);
    let letter = world.newest_letter_to(&ana.email).await;
    assert!(letter.text.contains("until you sign in with a passkey or a"), "{}", letter.text);

    world.advance(Duration::from_hours(48));
    let off = try_code(&world, &ana.email, app.code(&world)).await.err().unwrap();
    assert_reason(&off, Code::FailedPrecondition, ErrorReason::AttemptsExhausted);
    assert!(details(&off).retry_info().is_none(), "waiting does not help");
    let is_off = async |actor: &Actor| {
        actor.factors().list_factors(pb::ListFactorsRequest {}).await.unwrap().into_inner().factors[0].off
    };
    ana.refresh().await.unwrap();
    assert!(is_off(&ana).await);

    let anyone = world.anonymous();
    let flow = anyone.begin_login(&ana.email).await.flow_id;
    let phone = anyone.continue_login(&flow, Proof::RecoveryCode(recovery_codes[0].clone())).await.unwrap();
    assert!(!is_off(&phone).await);
    try_code(&world, &ana.email, app.code(&world)).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn of_fifty_wrong_codes_at_once_ten_are_judged() {
    let world = World::start().await;
    let (ana, app, _) = guarded(&world).await;
    let anyone = world.anonymous();
    let mut flows = Vec::new();
    for _ in 0..50 {
        flows.push(anyone.begin_login(&ana.email).await.flow_id);
    }
    let wrong = app.wrong_code(&world);
    let tries = flows.iter().map(|flow| anyone.continue_login(flow, Proof::TotpCode(wrong.clone())));
    let refusals: Vec<Status> =
        futures::future::join_all(tries).await.into_iter().map(|tried| tried.err().unwrap()).collect();
    let judged = refusals.iter().filter(|refused| refused.code() == Code::Unauthenticated).count();
    assert_eq!(judged, 10);
    for locked in refusals.iter().filter(|refused| refused.code() != Code::Unauthenticated) {
        assert_reason(locked, Code::FailedPrecondition, ErrorReason::AttemptsExhausted);
    }
    try_code(&world, &ana.email, app.code(&world)).await.err().unwrap();
    assert_eq!(letters(&world, &ana.email).await, 1, "one episode");
}

#[tokio::test]
async fn right_codes_of_one_app_do_not_lock_another() {
    let world = World::start().await;
    let (ana, one, _) = guarded(&world).await;
    let (two, _) = ana.add_app(&world).await;
    world.run_jobs().await;
    for _ in 0..12 {
        world.advance(STEP);
        try_code(&world, &ana.email, one.code(&world)).await.unwrap();
    }
    try_code(&world, &ana.email, two.code(&world)).await.unwrap();
}
