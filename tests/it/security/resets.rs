//! Setting a password that one has forgotten.

use std::time::Duration;

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_forgotten_password_is_set_by_link_and_every_session_ends() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let phone = ana.on_another_device("Phone").await;
    ask_reset(&world, "Ana@Example.org").await;
    let letter = world.newest_letter_to(&ana.email).await;
    assert_eq!(letter.subject, "Choose a new password");
    assert_eq!(reset_by_token(&world, letter.token(), NEW).await.unwrap(), 2);

    for ended in [&ana, &phone] {
        let refused = ended.whoami().await.unwrap_err();
        assert_eq!(fact(&refused, "cause").as_deref(), Some("password_changed"));
    }
    assert_shut_out(world.login(&ana.email, PASSWORD).await);
    world.login(&ana.email, NEW).await.unwrap();
    assert_spent(&reset_by_token(&world, letter.token(), PASSWORD).await.unwrap_err());
    assert_eq!(world.newest_letter_to(&ana.email).await.subject, "Your password was changed");
}

#[tokio::test]
async fn a_code_is_bound_to_the_client_that_asked_and_to_five_tries() {
    let world = World::start().await;
    let (ana, eva) = (world.account("ana").await, world.account("eva").await);
    let (reset, evas) = (ask_reset(&world, &ana.email).await, ask_reset(&world, &eva.email).await);
    let code = world.newest_letter_to(&ana.email).await.code().to_owned();
    let evas_letter = world.newest_letter_to(&eva.email).await;
    assert_spent(&reset_by_code(&world, &evas, &code).await.unwrap_err());
    assert_spent(&reset_by_code(&world, "rst_nonsense", &code).await.unwrap_err());
    for wrong in ["AAAA-AAAA", "2", "ZZZZZZZZ", "not the code"] {
        assert_spent(&reset_by_code(&world, &evas, wrong).await.unwrap_err());
    }
    let refused = reset_by_code(&world, &evas, evas_letter.code()).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::AttemptsExhausted);
    // The letter's link is no code, and ana's code is untouched.
    reset_by_token(&world, evas_letter.token(), NEW).await.unwrap();
    reset_by_code(&world, &reset, &code.to_lowercase().replace('-', " ")).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn asking_looks_the_same_for_every_address() {
    let world = World::start().await;
    let (ana, eva) = (world.account("ana").await, world.account("eva").await);
    set_status(&world, &eva, "deleted").await;
    let mut replies = Vec::new();
    for email in [ana.email.as_str(), eva.email.as_str(), "nobody@example.org"] {
        replies.push(world.statements(async || ask_reset(&world, email).await).await);
    }
    assert!(replies.iter().all(|(id, cost)| id.len() == replies[0].0.len() && *cost == replies[0].1));
    world.run_jobs().await;
    assert_eq!(world.letters_to("nobody@example.org").len(), 0);
    assert_eq!(world.letters_to(&eva.email).len(), 2, "to verify and to welcome");
    // Codes of letters that nobody got are wrong like any other, and used up like any other.
    let refusals: Vec<_> =
        [&replies[0].0, &replies[2].0].into_iter().map(|id| reset_by_code(&world, id, "ABCD-2345")).collect();
    let mut told = Vec::new();
    for refusal in refusals {
        told.push(refusal.await.unwrap_err());
    }
    assert_alike(&told[0], &told[1]);
}

#[tokio::test]
async fn an_account_gets_one_letter_a_minute_and_the_newest_counts() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let before = world.letters_to(&ana.email).len();
    ask_reset(&world, &ana.email).await;
    let first = world.newest_letter_to(&ana.email).await;
    world.advance(Duration::from_secs(59));
    let impatient = ask_reset(&world, &ana.email).await;
    world.run_jobs().await;
    assert_eq!(world.letters_to(&ana.email).len(), before + 1);
    assert_spent(&reset_by_code(&world, &impatient, first.code()).await.unwrap_err());

    world.advance(MINUTE);
    ask_reset(&world, &ana.email).await;
    let second = world.newest_letter_to(&ana.email).await;
    assert_eq!(world.letters_to(&ana.email).len(), before + 2);
    assert_spent(&reset_by_token(&world, first.token(), NEW).await.unwrap_err());
    reset_by_token(&world, second.token(), NEW).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn links_live_half_an_hour_and_codes_ten_minutes() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let reset = ask_reset(&world, &ana.email).await;
    let letter = world.newest_letter_to(&ana.email).await;
    world.advance(10 * MINUTE);
    assert_spent(&reset_by_code(&world, &reset, letter.code()).await.unwrap_err());
    world.advance(20 * MINUTE);
    assert_spent(&reset_by_token(&world, letter.token(), NEW).await.unwrap_err());
    world.login(&ana.email, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_suspended_account_stays_so_and_a_deleted_one_gets_no_password() {
    let world = World::start().await;
    let (ana, eva) = (world.account("ana").await, world.account("eva").await);
    for actor in [&ana, &eva] {
        ask_reset(&world, &actor.email).await;
    }
    let (letter, evas) = (world.newest_letter_to(&ana.email).await, world.newest_letter_to(&eva.email).await);
    set_status(&world, &ana, "suspended").await;
    set_status(&world, &eva, "deleted").await;
    reset_by_token(&world, letter.token(), NEW).await.unwrap();
    let refused = world.login(&ana.email, NEW).await.err().unwrap();
    assert_reason(&refused, Code::PermissionDenied, ErrorReason::AccountSuspended);
    assert_spent(&reset_by_token(&world, evas.token(), NEW).await.unwrap_err());
    assert_shut_out(world.login(&eva.email, NEW).await);
    world.run_jobs().await;
}

#[tokio::test]
async fn a_letter_is_no_second_factor() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    ask_reset(&world, &ana.email).await;
    let token = world.newest_letter_to(&ana.email).await.token().to_owned();
    set_column(&world, &ana, account::Column::FactorKinds, "totp").await;
    let refused = reset_by_token(&world, &token, NEW).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::StepUpRequired);
    assert_eq!(fact(&refused, "methods").as_deref(), Some("totp"));
    // Nothing was spent.
    set_column(&world, &ana, account::Column::FactorKinds, "").await;
    reset_by_token(&world, &token, NEW).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn the_page_asks_and_its_button_sets_the_password_once() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    ask_reset(&world, &ana.email).await;
    let letter = world.newest_letter_to(&ana.email).await;
    open(&world, letter.link()).await;

    let weak = press(&world, "/reset", &[("token", letter.token()), ("password", "password")]).await;
    assert_eq!(weak.status, 400);
    assert!(weak.text().contains("at least 12 characters") && weak.text().contains("<form"), "{}", weak.text());
    let form = [("token", letter.token()), ("password", NEW)];
    assert_eq!(press(&world, "/reset", &form).await.status, 200);
    assert_eq!(press(&world, "/reset", &form).await.status, 400);
    world.login(&ana.email, NEW).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn malformed_resets_are_told_every_field() {
    let world = World::start().await;
    let anyone = world.anonymous();
    let start = pb::StartPasswordResetRequest { email: "nobody".into(), ..Default::default() };
    let refused = anyone.accounts().start_password_reset(start).await.unwrap_err();
    assert_eq!(violations(&refused), ["email"]);
    let refused =
        anyone.accounts().complete_password_reset(pb::CompletePasswordResetRequest::default()).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["token", "new_password"]);
    let both = pb::CompletePasswordResetRequest {
        token: "a".into(),
        reset_id: "rst_a".into(),
        new_password: "x".repeat(2000),
        ..Default::default()
    };
    let refused = anyone.accounts().complete_password_reset(both).await.unwrap_err();
    assert_eq!(violations(&refused), ["token", "code", "new_password"]);
}

#[tokio::test]
async fn repeated_resets_give_the_first_reply() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let anyone = world.anonymous();
    let start =
        pb::StartPasswordResetRequest { email: ana.email.clone(), request_id: request_id(1), ..Default::default() };
    let first = anyone.accounts().start_password_reset(start.clone()).await.unwrap().into_inner();
    assert_eq!(anyone.accounts().start_password_reset(start).await.unwrap().into_inner(), first);
    let complete = pb::CompletePasswordResetRequest {
        token: world.newest_letter_to(&ana.email).await.token().to_owned(),
        new_password: NEW.into(),
        request_id: request_id(2),
        ..Default::default()
    };
    for _ in 0..2 {
        let reply = anyone.accounts().complete_password_reset(complete.clone()).await.unwrap().into_inner();
        assert_eq!(reply.ended_count, 1);
    }
    world.run_jobs().await;
}

#[tokio::test]
async fn the_last_try_at_a_code_does_not_tell_whether_anybody_got_a_letter() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let mut resets = Vec::new();
    for email in [ana.email.as_str(), "nobody@example.org"] {
        // The second letter within a minute is none: its reset is void, if there is anybody to write to.
        let first = ask_reset(&world, email).await;
        world.run_jobs().await;
        resets.push((first, ask_reset(&world, email).await));
        world.run_jobs().await;
    }
    let (known, unknown) = (&resets[0], &resets[1]);
    for (known, unknown) in [(&known.1, &unknown.1), (&known.0, &unknown.0)] {
        for number in 0..6 {
            let told = reset_by_code(&world, known, "ABCD-2345").await.unwrap_err();
            assert_alike(&told, &reset_by_code(&world, unknown, "ABCD-2345").await.unwrap_err());
            assert_eq!(told.code() == Code::FailedPrecondition, number == 5, "{told:?}");
        }
    }
}

#[tokio::test]
async fn of_two_who_set_a_password_at_once_one_does() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let reset = ask_reset(&world, &ana.email).await;
    let letter = world.newest_letter_to(&ana.email).await;
    let (by_link, by_code) =
        tokio::join!(reset_by_token(&world, letter.token(), NEW), reset_by_code(&world, &reset, letter.code()));
    assert_eq!(u8::from(by_link.is_ok()) + u8::from(by_code.is_ok()), 1, "{by_link:?} {by_code:?}");
    for refused in [by_link, by_code].into_iter().filter_map(Result::err) {
        assert_spent(&refused);
    }
    world.login(&ana.email, NEW).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn the_code_of_a_spent_link_is_spent_with_it() {
    let world = World::start().await;
    let (ana, eva) = (world.account("ana").await, world.account("eva").await);
    let resets = [ask_reset(&world, &ana.email).await, ask_reset(&world, &eva.email).await];
    let (letter, evas) = (world.newest_letter_to(&ana.email).await, world.newest_letter_to(&eva.email).await);
    reset_by_token(&world, letter.token(), NEW).await.unwrap();
    assert_spent(&reset_by_code(&world, &resets[0], letter.code()).await.unwrap_err());
    reset_by_code(&world, &resets[1], evas.code()).await.unwrap();
    assert_spent(&reset_by_token(&world, evas.token(), NEW).await.unwrap_err());
    world.run_jobs().await;
}

#[tokio::test]
async fn request_ids_of_resets_are_uuids_and_another_password_is_another_request() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let anyone = world.anonymous();
    let start = pb::StartPasswordResetRequest {
        email: ana.email.clone(),
        request_id: "not-a-uuid".into(),
        ..Default::default()
    };
    let refused = anyone.accounts().start_password_reset(start).await.unwrap_err();
    assert_eq!(violations(&refused), ["request_id"]);

    ask_reset(&world, &ana.email).await;
    let complete = pb::CompletePasswordResetRequest {
        token: world.newest_letter_to(&ana.email).await.token().to_owned(),
        new_password: NEW.into(),
        request_id: request_id(1),
        ..Default::default()
    };
    anyone.accounts().complete_password_reset(complete.clone()).await.unwrap();
    // Nobody's request ids are bound to what was asked: this is a new request, whose link is spent.
    let other = pb::CompletePasswordResetRequest { new_password: "another good enough secret".into(), ..complete };
    assert_spent(&anyone.accounts().complete_password_reset(other).await.unwrap_err());
    world.login(&ana.email, NEW).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn an_owner_whom_strangers_locked_out_comes_back_by_a_reset() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    world.advance(MINUTE);
    let stranger = guests::caller_from(&world, guests::address(0));
    stranger.fail(&ana.email, "", 5).await;
    assert_shut_out(world.login(&ana.email, PASSWORD).await);

    // The letter about the lock first.
    world.run_jobs().await;
    ask_reset(&world, &ana.email).await;
    let letter = world.newest_letter_to(&ana.email).await;
    world.advance(MINUTE);
    reset_by_token(&world, letter.token(), NEW).await.unwrap();
    world.login(&ana.email, NEW).await.unwrap();
    assert_shut_out(world.login(&ana.email, PASSWORD).await);
    world.run_jobs().await;
}
