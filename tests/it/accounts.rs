//! Registration, verification, and one's own account.

mod at_once;
mod rivals;
mod upkeep;

use std::time::Duration;

use backline::entity::audit_event;
use sea_orm::EntityTrait;

use crate::harness::{guests, world::Registration, *};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

fn registering(email: &str, password: &str, request_id: &str) -> pb::RegisterRequest {
    pb::RegisterRequest {
        email: email.to_owned(),
        password: password.to_owned(),
        display_name: "Somebody".to_owned(),
        request_id: request_id.to_owned(),
        ..Default::default()
    }
}

async fn verify_by_code(world: &World, id: &str, code: &str) -> Result<pb::Account, Status> {
    let request =
        pb::VerifyEmailRequest { registration_id: id.to_owned(), code: code.to_owned(), ..Default::default() };
    let reply = world.anonymous().accounts().verify_email(request).await?;
    // The letter of welcome.
    world.run_jobs().await;
    Ok(reply.into_inner().account.unwrap())
}

async fn verify_by_token(world: &World, token: &str) -> Result<pb::Account, Status> {
    let request = pb::VerifyEmailRequest { token: token.to_owned(), ..Default::default() };
    let reply = world.anonymous().accounts().verify_email(request).await?;
    // The letter of welcome.
    world.run_jobs().await;
    Ok(reply.into_inner().account.unwrap())
}

/// Asks for the letter again; returns the seconds until the next.
async fn resend(world: &World, id: &str) -> i64 {
    let request = pb::ResendVerificationRequest { registration_id: id.to_owned(), ..Default::default() };
    let reply = world.anonymous().accounts().resend_verification(request).await.unwrap().into_inner();
    reply.resend_after.unwrap().seconds
}

#[tokio::test]
async fn a_person_registers_proves_the_mailbox_and_signs_in() {
    let mut world = World::start().await;
    let ana = world.account("ana").await;
    let account = ana.whoami().await.unwrap();
    assert_eq!((account.email.as_str(), account.display_name.as_str()), ("ana@example.org", "Ana"));
    assert_eq!(account.roles, [pb::Role::Listener as i32]);
    assert!(account.email_verified);
    assert_eq!((account.locale.as_str(), account.status), ("en", pb::AccountStatus::Active.into()));

    // Each act left its row in the trail.
    let trail = audit_event::Entity::find().all(&world.db().await).await.unwrap();
    let actions: Vec<&str> = trail.iter().map(|row| row.action.as_str()).collect();
    assert_eq!(actions, ["user_registration_started", "user_created", "authn_login_success"]);
    assert!(trail.iter().all(|row| !row.request_id.is_empty()));

    // A second start keeps everything.
    world.restart().await;
    assert_eq!(ana.whoami().await.unwrap(), account);
    world.login("ana@example.org", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn registering_a_known_address_looks_like_registering_a_new_one() {
    let world = World::start().await;
    world.account("ana").await;
    let register = async |email: &str| {
        let request = registering(email, PASSWORD, "");
        world.anonymous().accounts().register(request).await.unwrap().into_inner()
    };
    let (known, cost_known) = world.statements(async || register("ana@example.org").await).await;
    let (new, cost_new) = world.statements(async || register("bea@example.org").await).await;
    assert_eq!(cost_known, cost_new, "the same work");
    assert_eq!(known.resend_after, new.resend_after);
    assert_eq!(known.registration_id.len(), new.registration_id.len());

    // Only the owner of the mailbox learns more.
    let letter = world.newest_letter_to("ana@example.org").await;
    assert_eq!(letter.subject, "You already have an account");
    assert!(!letter.text.contains("token="));
    assert_eq!(world.letters_to("bea@example.org").len(), 1);

    // Asking again looks the same too, and opens nothing.
    world.advance(MINUTE);
    let (_, cost_known) = world.statements(async || resend(&world, &known.registration_id).await).await;
    let (_, cost_new) = world.statements(async || resend(&world, &new.registration_id).await).await;
    assert_eq!(cost_known, cost_new);
    let refused = verify_by_code(&world, &known.registration_id, "ABCD-2345").await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    world.run_jobs().await;
}

#[tokio::test]
async fn a_link_is_spent_once() {
    let world = World::start().await;
    let ana = world.register("ana").await;
    let letter = world.newest_letter_to(&ana.email).await;
    verify_by_token(&world, letter.token()).await.unwrap();

    let again = verify_by_token(&world, letter.token()).await.unwrap_err();
    assert_reason(&again, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    let invented = verify_by_token(&world, "nobody-sent-this").await.unwrap_err();
    assert_alike(&again, &invented);
    // The code of a spent letter is spent with it.
    let code = verify_by_code(&world, &ana.id, letter.code()).await.unwrap_err();
    assert_alike(&again, &code);
}

#[tokio::test]
async fn a_code_opens_the_account_however_it_is_typed() {
    let world = World::start().await;
    let ana = world.register("ana").await;
    let code = world.newest_letter_to(&ana.email).await.code().to_owned();
    let typed = format!(" {} ", code.to_lowercase().replace('-', " "));
    let account = verify_by_code(&world, &ana.id, &typed).await.unwrap();
    assert_eq!(account.email, ana.email);
}

#[tokio::test]
async fn a_code_is_bound_to_its_registration_and_to_five_tries() {
    let world = World::start().await;
    let (ana, bea) = (world.register("ana").await, world.register("bea").await);
    let code = world.newest_letter_to(&ana.email).await.code().to_owned();
    let beas_code = world.newest_letter_to(&bea.email).await.code().to_owned();
    for wrong in [beas_code.as_str(), "AAAA-AAAA", "2", "ZZZZZZZZ", "not the code"] {
        let refused = verify_by_code(&world, &ana.id, wrong).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    }
    let refused = verify_by_code(&world, &ana.id, &code).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::AttemptsExhausted);

    // A new letter has a new code, with tries of its own.
    world.advance(MINUTE);
    resend(&world, &ana.id).await;
    let code = world.newest_letter_to(&ana.email).await.code().to_owned();
    verify_by_code(&world, &ana.id, &code).await.unwrap();
}

#[tokio::test]
async fn codes_live_ten_minutes_and_links_a_day() {
    let world = World::start().await;
    let (ana, bea) = (world.register("ana").await, world.register("bea").await);
    let (letter, beas) = (world.newest_letter_to(&ana.email).await, world.newest_letter_to(&bea.email).await);

    world.advance(10 * MINUTE);
    let late = verify_by_code(&world, &ana.id, letter.code()).await.unwrap_err();
    assert_reason(&late, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    verify_by_token(&world, letter.token()).await.unwrap();

    world.advance(24 * HOUR);
    let late = verify_by_token(&world, beas.token()).await.unwrap_err();
    assert_reason(&late, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
}

#[tokio::test]
async fn a_letter_can_be_asked_for_again_after_a_minute() {
    let world = World::start().await;
    let ana = world.register("ana").await;
    let first = world.newest_letter_to(&ana.email).await;

    world.advance(Duration::from_secs(20));
    assert_eq!(resend(&world, &ana.id).await, 40);
    assert_eq!(world.run_jobs().await, 0, "no letter went out");

    world.advance(Duration::from_secs(40));
    assert_eq!(resend(&world, &ana.id).await, 60);
    let second = world.newest_letter_to(&ana.email).await;
    assert_eq!(world.letters_to(&ana.email).len(), 2);
    let void = verify_by_token(&world, first.token()).await.unwrap_err();
    assert_reason(&void, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    verify_by_token(&world, second.token()).await.unwrap();

    // Finished, unknown and malformed ids are answered alike; only a mailbox that has an account hears more.
    world.advance(MINUTE);
    for id in ["reg_01h455vb4pex5vsknk084sn02q", "reg_1", "nonsense", ""] {
        assert_eq!(resend(&world, id).await, 60, "{id}");
    }
    assert_eq!(world.run_jobs().await, 0);
    assert_eq!(resend(&world, &ana.id).await, 60);
    assert_eq!(world.newest_letter_to(&ana.email).await.subject, "You already have an account");
}

#[tokio::test]
async fn one_registration_gets_six_letters_at_most() {
    let world = World::start().await;
    let ana = world.register("ana").await;
    for _ in 0..8 {
        world.advance(MINUTE);
        resend(&world, &ana.id).await;
    }
    world.run_jobs().await;
    assert_eq!(world.letters_to(&ana.email).len(), 6);
}

#[tokio::test]
async fn opening_the_page_spends_nothing_and_its_button_does() {
    let world = World::start().await;
    let ana = world.register("ana").await;
    let letter = world.newest_letter_to(&ana.email).await;
    let path = letter.link().strip_prefix("http://backline.test").unwrap().to_owned();
    for method in [http::Method::HEAD, http::Method::GET, http::Method::GET] {
        let page = world.http(Http::One, method.clone(), &path, &[], "").await;
        assert_eq!((page.status, page.header("cache-control")), (http::StatusCode::OK, Some("no-store")));
        assert_eq!(method == http::Method::GET, page.text().contains("<form method=\"post\""), "{}", page.text());
    }
    let refused = world.login(&ana.email, PASSWORD).await.err().unwrap();
    assert_reason(&refused, Code::PermissionDenied, ErrorReason::AccountNotVerified);

    let press = async || {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        world.http(Http::One, http::Method::POST, "/verify", &form, format!("token={}", letter.token())).await
    };
    assert_eq!(press().await.status, 200);
    assert_eq!(press().await.status, 400);
    assert_eq!(world.newest_letter_to(&ana.email).await.subject, "Welcome to Backline");
    world.login(&ana.email, PASSWORD).await.unwrap();

    // What stands in the link is shown as text, never as markup.
    let page = world.http(Http::One, http::Method::GET, "/verify?token=%22%3E%3Cb%3E", &[], "").await;
    assert!(!page.text().contains("<b>"), "{}", page.text());
}

#[tokio::test]
async fn malformed_registrations_are_told_every_field_at_once() {
    let world = World::start().await;
    let refused = world.anonymous().accounts().register(pb::RegisterRequest::default()).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["email", "display_name", "password"]);

    let long = "x".repeat(300);
    let bad = [
        ("email", pb::RegisterRequest { email: format!("{long}@example.org"), ..registering("", PASSWORD, "") }),
        ("email", pb::RegisterRequest { email: "ana@example".into(), ..registering("", PASSWORD, "") }),
        ("email", pb::RegisterRequest { email: "ana\u{0}@example.org".into(), ..registering("", PASSWORD, "") }),
        (
            "display_name",
            pb::RegisterRequest { display_name: long.clone(), ..registering("ana@example.org", PASSWORD, "") },
        ),
        (
            "display_name",
            pb::RegisterRequest { display_name: "A\u{7}na".into(), ..registering("ana@example.org", PASSWORD, "") },
        ),
        ("locale", pb::RegisterRequest { locale: "en_US!".into(), ..registering("ana@example.org", PASSWORD, "") }),
        ("terms_version", pb::RegisterRequest { terms_version: long, ..registering("ana@example.org", PASSWORD, "") }),
        ("request_id", registering("ana@example.org", PASSWORD, "not-a-uuid")),
    ];
    for (field, request) in bad {
        let refused = world.anonymous().accounts().register(request).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
        assert_eq!(violations(&refused), [field]);
    }

    for (why, password) in
        [("too_short", "short"), ("similar", "ana.sol@example.org"), ("monotonous", "aaaaaaaaaaaaaaaa")]
    {
        let request = registering("ana.sol@example.org", password, "");
        let refused = world.anonymous().accounts().register(request).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::PasswordRejected);
        assert_eq!(violations(&refused), ["password"]);
        assert_eq!(fact(&refused, why).as_deref(), Some("true"), "{why}");
    }

    let both = pb::VerifyEmailRequest {
        token: "a".into(),
        registration_id: "reg_1".into(),
        code: "b".into(),
        ..Default::default()
    };
    for malformed in [pb::VerifyEmailRequest::default(), both] {
        let refused = world.anonymous().accounts().verify_email(malformed).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    }
}

#[tokio::test]
async fn repeating_a_registration_or_its_proof_gives_the_first_reply() {
    let world = World::start().await;
    let anyone = world.anonymous();
    let request = registering("ana@example.org", PASSWORD, &request_id(1));
    let first = anyone.accounts().register(request.clone()).await.unwrap().into_inner();
    let again = anyone.accounts().register(request).await.unwrap().into_inner();
    assert_eq!(first, again);
    let token = world.newest_letter_to("ana@example.org").await.token().to_owned();
    assert_eq!(world.letters_to("ana@example.org").len(), 1);

    // Somebody else who hits on the same id gets nothing of hers.
    let request = registering("bea@example.org", PASSWORD, &request_id(1));
    let other = anyone.accounts().register(request).await.unwrap().into_inner();
    assert_ne!(first.registration_id, other.registration_id);

    let request = pb::VerifyEmailRequest { token, request_id: request_id(2), ..Default::default() };
    let first = anyone.accounts().verify_email(request.clone()).await.unwrap().into_inner();
    let again = anyone.accounts().verify_email(request.clone()).await.unwrap().into_inner();
    assert_eq!(first, again);

    // After a day it is a new request, and the link is spent.
    world.advance(25 * HOUR);
    let refused = anyone.accounts().verify_email(request).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);

    let registration = Registration { email: "cleo@example.org".into(), id: String::new() };
    let request = registering(&registration.email, PASSWORD, "");
    let id = anyone.accounts().register(request).await.unwrap().into_inner().registration_id;
    world.advance(MINUTE);
    let request = pb::ResendVerificationRequest { registration_id: id, request_id: request_id(3) };
    for _ in 0..2 {
        anyone.accounts().resend_verification(request.clone()).await.unwrap();
    }
    world.run_jobs().await;
    assert_eq!(world.letters_to(&registration.email).len(), 2);
}

fn renaming(name: &str, etag: &str, request_id: &str) -> pb::UpdateAccountRequest {
    pb::UpdateAccountRequest {
        account: Some(pb::Account { display_name: name.to_owned(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".to_owned()] }),
        etag: etag.to_owned(),
        request_id: request_id.to_owned(),
    }
}

#[tokio::test]
async fn an_account_is_changed_by_its_owner() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let etag = ana.whoami().await.unwrap().etag;

    let request = renaming("Ana Sol", &etag, &request_id(1));
    let changed = ana.accounts().update_account(request.clone()).await.unwrap().into_inner();
    assert_eq!(changed.account.as_ref().unwrap().display_name, "Ana Sol");
    assert_eq!(ana.whoami().await.unwrap(), changed.account.clone().unwrap());

    // The same request again, the same id for another request, and the same etag again.
    assert_eq!(ana.accounts().update_account(request).await.unwrap().into_inner(), changed);
    let refused = ana.accounts().update_account(renaming("Other", "", &request_id(1))).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::RequestIdReused);
    for stale in [etag.as_str(), "never ours"] {
        let refused = ana.accounts().update_account(renaming("Other", stale, "")).await.unwrap_err();
        assert_reason(&refused, Code::Aborted, ErrorReason::EtagMismatch);
    }

    let refused = world.anonymous().accounts().update_account(renaming("Eve", "", "")).await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::AccessTokenMissing);
    assert_eq!(ana.whoami().await.unwrap().display_name, "Ana Sol");
}

#[tokio::test]
async fn only_what_is_one_s_own_to_change_can_be_changed() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let update = async |paths: &[&str], account: pb::Account| {
        let request = pb::UpdateAccountRequest {
            account: Some(account),
            update_mask: Some(prost_types::FieldMask { paths: paths.iter().map(ToString::to_string).collect() }),
            ..Default::default()
        };
        ana.accounts().update_account(request).await
    };
    for paths in [&[] as &[&str], &["roles"], &["email"], &["display_name", "tier"], &["nonsense"], &[""]] {
        let refused = update(paths, pb::Account::default()).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::UpdateMaskInvalid);
    }
    let bad = pb::Account { display_name: "\u{1b}[2J".into(), locale: "?".into(), ..Default::default() };
    let refused = update(&["display_name", "locale"], bad).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["account.display_name", "account.locale"]);

    let good = pb::Account { locale: "pt-PT".into(), terms_version: "2026-03".into(), ..Default::default() };
    let account = update(&["locale", "terms_version"], good).await.unwrap().into_inner().account.unwrap();
    assert_eq!((account.locale.as_str(), account.terms_version.as_str()), ("pt-PT", "2026-03"));
    assert_eq!(account.display_name, "Ana", "what the mask does not name stays");
}
