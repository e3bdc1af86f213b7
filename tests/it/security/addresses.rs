//! Changing an address: both mailboxes say yes.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn an_address_changes_when_both_mailboxes_have_said_so() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let phone = ana.on_another_device("Phone").await;
    ask_address(&ana, "ana.new@example.org").await.unwrap();
    let (old, new) = (world.newest_letter_to(&ana.email).await, world.newest_letter_to("ana.new@example.org").await);
    assert!(old.text.contains("ana.new@example.org") && !new.text.contains(&ana.email));

    assert_eq!(confirm_address(&ana, new.token()).await.unwrap(), pb::EmailChangeState::NewConfirmed);
    assert_eq!(ana.whoami().await.unwrap().email, ana.email, "one is not enough");
    assert_spent(&confirm_address(&ana, new.token()).await.unwrap_err());
    assert_eq!(confirm_address(&ana, old.token()).await.unwrap(), pb::EmailChangeState::Changed);
    assert_eq!(ana.whoami().await.unwrap().email, "ana.new@example.org");
    let refused = phone.whoami().await.unwrap_err();
    assert_eq!(fact(&refused, "cause").as_deref(), Some("email_changed"));

    assert_shut_out(world.login(&ana.email, PASSWORD).await);
    world.login("ana.new@example.org", PASSWORD).await.unwrap();
    let (old, new) = (world.newest_letter_to(&ana.email).await, world.newest_letter_to("ana.new@example.org").await);
    assert_eq!(old.subject, new.subject);
    assert!(old.link().contains("/undo?token="));
    assert!(!new.text.contains("/undo"), "only the old mailbox can take it back");
}

#[tokio::test]
async fn codes_confirm_too_and_belong_to_their_change() {
    let world = World::start().await;
    let (ana, eva) = (world.account("ana").await, world.account("eva").await);
    let change_id = ask_address(&ana, "ana.new@example.org").await.unwrap();
    let evas = ask_address(&eva, "eva.new@example.org").await.unwrap();
    let code = world.newest_letter_to(&ana.email).await.code().to_owned();
    let by_code = async |actor: &Actor, change_id: &str, code: &str| {
        let request =
            pb::ConfirmEmailChangeRequest { change_id: change_id.into(), code: code.into(), ..Default::default() };
        Ok::<_, Status>(actor.accounts().confirm_email_change(request).await?.into_inner().state())
    };
    // Somebody else's session, somebody else's change.
    assert_spent(&by_code(&eva, &change_id, &code).await.unwrap_err());
    assert_spent(&by_code(&ana, &evas, &code).await.unwrap_err());
    assert_eq!(by_code(&ana, &change_id, &code).await.unwrap(), pb::EmailChangeState::OldConfirmed);
    for _ in 0..3 {
        assert_spent(&by_code(&ana, &change_id, "AAAA-AAAA").await.unwrap_err());
    }
    let code = world.newest_letter_to("ana.new@example.org").await.code().to_owned();
    let refused = by_code(&ana, &change_id, &code).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::AttemptsExhausted);
    let token = world.newest_letter_to("ana.new@example.org").await.token().to_owned();
    assert_spent(&confirm_address(&eva, &token).await.unwrap_err());
    confirm_address(&ana, &token).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn an_address_in_use_looks_like_any_other_and_its_owner_is_told() {
    let world = World::start().await;
    let (ana, eva) = (world.account("ana").await, world.account("eva").await);
    let (_, taken) = world.statements(async || ask_address(&ana, &eva.email).await.unwrap()).await;
    let letter = world.newest_letter_to(&ana.email).await;
    assert_eq!(world.newest_letter_to(&eva.email).await.subject, "You already have an account");
    assert_eq!(confirm_address(&ana, letter.token()).await.unwrap(), pb::EmailChangeState::OldConfirmed);
    let (_, free) = world.statements(async || ask_address(&ana, "free@example.org").await.unwrap()).await;
    assert_eq!(taken, free, "the same work");

    // One that is registered by somebody else before the second mailbox says yes.
    let (old, new) = (world.newest_letter_to(&ana.email).await, world.newest_letter_to("free@example.org").await);
    confirm_address(&ana, old.token()).await.unwrap();
    world.account("free").await;
    assert_spent(&confirm_address(&ana, new.token()).await.unwrap_err());
    assert_eq!(ana.whoami().await.unwrap().email, ana.email);
}

#[tokio::test]
async fn a_newer_change_and_a_new_password_void_the_older() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    ask_address(&ana, "first@example.org").await.unwrap();
    let first = world.newest_letter_to("first@example.org").await;
    ask_address(&ana, "second@example.org").await.unwrap();
    let second = world.newest_letter_to("second@example.org").await;
    assert_spent(&confirm_address(&ana, first.token()).await.unwrap_err());
    change_password(&ana, PASSWORD, NEW).await.unwrap();
    assert_spent(&confirm_address(&ana, second.token()).await.unwrap_err());

    ask_address(&ana, "third@example.org").await.unwrap();
    let third = world.newest_letter_to("third@example.org").await;
    world.advance(Duration::from_mins(30));
    ana.refresh().await.unwrap();
    assert_spent(&confirm_address(&ana, third.token()).await.unwrap_err());
}

#[tokio::test]
async fn a_change_of_address_wants_a_fresh_check_and_another_address() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    for (email, path) in [("ana@example.org", "new_email"), ("nobody", "new_email")] {
        let refused = ask_address(&ana, email).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
        assert_eq!(violations(&refused), [path]);
    }
    let nothing = pb::ConfirmEmailChangeRequest::default();
    let refused = ana.accounts().confirm_email_change(nothing).await.unwrap_err();
    assert_eq!(violations(&refused), ["token"]);
    world.advance(Duration::from_mins(10));
    let refused = ask_address(&ana, "ana.new@example.org").await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::StepUpRequired);
}

#[tokio::test]
async fn the_page_asks_and_its_button_confirms_once() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    ask_address(&ana, "ana.new@example.org").await.unwrap();
    for (mailbox, heading) in
        [(ana.email.as_str(), "Thank you: one of two"), ("ana.new@example.org", "The address is changed")]
    {
        let letter = world.newest_letter_to(mailbox).await;
        open(&world, letter.link()).await;
        let page = press(&world, "/email", &[("token", letter.token())]).await;
        assert_eq!(page.status, 200);
        assert!(page.text().contains(heading), "{}", page.text());
        assert_eq!(press(&world, "/email", &[("token", letter.token())]).await.status, 400);
    }
    assert_eq!(ana.whoami().await.unwrap().email, "ana.new@example.org");
    world.run_jobs().await;
}

#[tokio::test]
async fn repeated_changes_of_address_give_the_first_reply() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let start = pb::StartEmailChangeRequest { new_email: "ana.new@example.org".into(), request_id: request_id(1) };
    let first = ana.accounts().start_email_change(start.clone()).await.unwrap().into_inner();
    assert_eq!(ana.accounts().start_email_change(start).await.unwrap().into_inner(), first);
    let token = world.newest_letter_to(&ana.email).await.token().to_owned();
    let confirm = pb::ConfirmEmailChangeRequest { token, request_id: request_id(2), ..Default::default() };
    for _ in 0..2 {
        let reply = ana.accounts().confirm_email_change(confirm.clone()).await.unwrap().into_inner();
        assert_eq!(reply.state(), pb::EmailChangeState::OldConfirmed);
    }
    assert_eq!(world.letters_to("ana.new@example.org").len(), 1);
}

#[tokio::test]
async fn two_confirmations_at_once_change_the_address() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    ask_address(&ana, "ana.new@example.org").await.unwrap();
    let (old, new) = (world.newest_letter_to(&ana.email).await, world.newest_letter_to("ana.new@example.org").await);
    let (one, other) = tokio::join!(confirm_address(&ana, old.token()), confirm_address(&ana, new.token()));
    let states = [one.unwrap(), other.unwrap()];
    assert_eq!(states.iter().filter(|state| **state == pb::EmailChangeState::Changed).count(), 1, "{states:?}");
    assert_eq!(ana.whoami().await.unwrap().email, "ana.new@example.org");
    world.run_jobs().await;
}

#[tokio::test]
async fn a_change_of_address_leaves_a_reset_alone() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    ask_reset(&world, &ana.email).await;
    let reset = world.newest_letter_to(&ana.email).await;
    let stranger = ana.on_another_device("Stolen").await;
    ask_address(&stranger, "thief@example.org").await.unwrap();
    let thiefs = world.newest_letter_to("thief@example.org").await;
    reset_by_token(&world, reset.token(), NEW).await.unwrap();
    // The new password voids the change: nobody confirms it now.
    assert_eq!(press(&world, "/email", &[("token", thiefs.token())]).await.status, 400);
    world.login(&ana.email, NEW).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn an_account_begins_only_so_many_changes_of_address() {
    let world = World::with(&[("limits.email_changes_per_hour", "2")]).await;
    let (ana, eva) = (world.account("ana").await, world.account("eva").await);
    for number in 0..2 {
        ask_address(&ana, &format!("stranger{number}@example.org")).await.unwrap();
    }
    let refused = ask_address(&ana, "stranger2@example.org").await.unwrap_err();
    assert_reason(&refused, Code::ResourceExhausted, ErrorReason::RateLimited);
    assert_eq!(fact(&refused, "scope").as_deref(), Some("email_changes"));
    assert!(details(&refused).retry_info().is_some() && details(&refused).quota_failure().is_some());
    // From another device as little; other people have nothing to do with it.
    ask_address(&ana.on_another_device("Phone").await, "stranger2@example.org").await.unwrap_err();
    ask_address(&eva, "eva.new@example.org").await.unwrap();
    world.run_jobs().await;
    assert_eq!(world.letters_to("stranger2@example.org").len(), 0);
    world.advance(Duration::from_mins(62));
    let ana = world.login(&ana.email, PASSWORD).await.unwrap();
    ask_address(&ana, "stranger2@example.org").await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn what_was_guessed_at_an_address_before_does_not_lock_out_whoever_moves_there() {
    let settings = [("guessing.off_after", "10"), ("guessing.network_challenge_all_after", "9999")];
    let world = World::with(&settings).await;
    let stranger = guests::caller_from(&world, guests::address(0));
    for _ in 0..10 {
        world.advance(Duration::from_mins(6));
        stranger.fail("ana.new@example.org", "", 1).await;
    }
    let ana = world.account("ana").await;
    move_to(&world, &ana, "ana.new@example.org").await;
    world.login("ana.new@example.org", PASSWORD).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn one_request_id_is_for_one_new_address() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let ask = async |new_email: &str, request_id: String| {
        let request = pb::StartEmailChangeRequest { new_email: new_email.into(), request_id };
        ana.accounts().start_email_change(request).await
    };
    ask("ana.new@example.org", request_id(1)).await.unwrap();
    let refused = ask("ana.other@example.org", request_id(1)).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::RequestIdReused);
    world.run_jobs().await;
    assert_eq!(world.letters_to("ana.other@example.org").len(), 0);
}

#[tokio::test]
async fn links_confirm_for_half_an_hour_and_codes_for_ten_minutes() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let change_id = ask_address(&ana, "ana.new@example.org").await.unwrap();
    let (old, new) = (world.newest_letter_to(&ana.email).await, world.newest_letter_to("ana.new@example.org").await);
    world.advance(Duration::from_mins(10));
    let request = pb::ConfirmEmailChangeRequest { change_id, code: old.code().into(), ..Default::default() };
    assert_spent(&ana.accounts().confirm_email_change(request).await.unwrap_err());
    world.advance(Duration::from_mins(19));
    assert_eq!(press(&world, "/email", &[("token", old.token())]).await.status, 200);
    world.advance(Duration::from_mins(1));
    assert_eq!(press(&world, "/email", &[("token", new.token())]).await.status, 400);
    world.login(&ana.email, PASSWORD).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn a_suspended_owner_s_mailboxes_still_confirm_and_open_nothing() {
    let world = World::start().await;
    let (sam, ana) = (world.admin("sam").await, world.account("ana").await);
    ask_address(&ana, "ana.new@example.org").await.unwrap();
    let (old, new) = (world.newest_letter_to(&ana.email).await, world.newest_letter_to("ana.new@example.org").await);
    let suspend = pb::SuspendAccountRequest {
        account_id: ana.account_id().into(),
        reason: "A test.".into(),
        ..Default::default()
    };
    sam.admin().suspend_account(suspend).await.unwrap();
    let refused = confirm_address(&ana, old.token()).await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::SessionRevoked);
    for letter in [&old, &new] {
        assert_eq!(press(&world, "/email", &[("token", letter.token())]).await.status, 200);
    }
    let refused = world.login("ana.new@example.org", PASSWORD).await.err().unwrap();
    assert_reason(&refused, Code::PermissionDenied, ErrorReason::AccountSuspended);
    world.run_jobs().await;
}

#[tokio::test]
async fn a_password_that_guesses_turned_off_stays_off_at_another_address() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let id: backline::kernel::ids::AccountId = ana.account_id().parse().unwrap();
    let tx = world.app().db.begin_write().await.unwrap();
    backline::sessions::turn_password_off(&tx, world.app(), id).await.unwrap();
    tx.commit().await.unwrap();
    move_to(&world, &ana, "ana@example.net").await;
    assert_shut_out(world.login("ana@example.net", PASSWORD).await);
}
