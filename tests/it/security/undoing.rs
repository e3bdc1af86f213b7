//! «It was not me.»

use std::time::Duration;

use super::*;

#[tokio::test]
async fn a_stranger_s_new_password_is_taken_back() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let stranger = ana.on_another_device("Stolen").await;
    change_password(&stranger, PASSWORD, NEW).await.unwrap();
    let letter = world.newest_letter_to(&ana.email).await;

    let undone = undo(&world, letter.token()).await.unwrap();
    assert_eq!(undone.changes, [pb::SecurityChange::PasswordChanged as i32]);
    assert!(undone.password_reset_sent);
    let refused = stranger.whoami().await.unwrap_err();
    assert_eq!(fact(&refused, "cause").as_deref(), Some("undone"));
    for password in [PASSWORD, NEW] {
        assert_shut_out(world.login(&ana.email, password).await);
    }
    let reset = world.newest_letter_to(&ana.email).await;
    assert_eq!(reset.subject, "Choose a new password");
    reset_by_token(&world, reset.token(), "the owner is back at home").await.unwrap();
    world.login(&ana.email, "the owner is back at home").await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn a_stranger_s_new_address_is_taken_back_with_all_that_came_after() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let stranger = ana.on_another_device("Stolen").await;
    move_to(&world, &stranger, "thief@example.org").await;
    let owners = world.newest_letter_to(&ana.email).await;
    world.advance(Duration::from_mins(1));
    change_password(&stranger, PASSWORD, NEW).await.unwrap();
    let thiefs = world.newest_letter_to("thief@example.org").await;
    world.advance(Duration::from_mins(1));
    ask_reset(&world, "thief@example.org").await;
    let reset = world.newest_letter_to("thief@example.org").await;

    let undone = undo(&world, owners.token()).await.unwrap();
    let expected = [pb::SecurityChange::EmailChanged, pb::SecurityChange::PasswordChanged];
    assert_eq!(undone.changes, expected.map(|change| change as i32));
    // Nothing that the thief holds works any more.
    stranger.whoami().await.unwrap_err();
    assert_spent(&undo(&world, thiefs.token()).await.unwrap_err());
    assert_spent(&reset_by_token(&world, reset.token(), NEW).await.unwrap_err());
    for email in ["thief@example.org", ana.email.as_str()] {
        assert_shut_out(world.login(email, NEW).await);
    }
    let reset = world.newest_letter_to(&ana.email).await;
    reset_by_token(&world, reset.token(), "the owner is back at home").await.unwrap();
    let ana = world.login(&ana.email, "the owner is back at home").await.unwrap();
    assert_eq!(ana.whoami().await.unwrap().email, "ana@example.org");
    world.run_jobs().await;
}

#[tokio::test]
async fn a_former_address_that_another_has_by_now_does_not_come_back() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    move_to(&world, &ana, "ana.new@example.org").await;
    let token = world.newest_letter_to("ana@example.org").await.token().to_owned();
    world.account("ana").await;
    let undone = undo(&world, &token).await.unwrap();
    assert!(!undone.password_reset_sent, "neither mailbox is known to be the owner's");
    assert_shut_out(world.login("ana.new@example.org", PASSWORD).await);
    world.login("ana@example.org", PASSWORD).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn a_link_takes_back_once_and_for_seven_days() {
    let world = World::start().await;
    let (ana, eva) = (world.account("ana").await, world.account("eva").await);
    for actor in [&ana, &eva] {
        change_password(actor, PASSWORD, NEW).await.unwrap();
    }
    let (letter, evas) = (world.newest_letter_to(&ana.email).await, world.newest_letter_to(&eva.email).await);
    undo(&world, letter.token()).await.unwrap();
    assert_spent(&undo(&world, letter.token()).await.unwrap_err());
    world.advance(Duration::from_hours(7 * 24));
    assert_spent(&undo(&world, evas.token()).await.unwrap_err());
    world.login(&eva.email, NEW).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn the_page_asks_and_its_button_takes_back_once() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    change_password(&ana, PASSWORD, NEW).await.unwrap();
    let letter = world.newest_letter_to(&ana.email).await;
    open(&world, letter.link()).await;
    ana.whoami().await.unwrap();
    assert_eq!(press(&world, "/undo", &[("token", letter.token())]).await.status, 200);
    assert_eq!(press(&world, "/undo", &[("token", letter.token())]).await.status, 400);
    ana.whoami().await.unwrap_err();
    world.run_jobs().await;
}

#[tokio::test]
async fn malformed_links_are_refused_and_repeats_get_the_first_reply() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let refused = undo(&world, "").await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["token"]);
    assert_spent(&undo(&world, "nobody-sent-this").await.unwrap_err());

    change_password(&ana, PASSWORD, NEW).await.unwrap();
    let token = world.newest_letter_to(&ana.email).await.token().to_owned();
    let request = pb::UndoSecurityChangeRequest { token, request_id: request_id(1) };
    let anyone = world.anonymous();
    let first = anyone.accounts().undo_security_change(request.clone()).await.unwrap().into_inner();
    assert_eq!(anyone.accounts().undo_security_change(request).await.unwrap().into_inner(), first);
    world.run_jobs().await;
}

#[tokio::test]
async fn an_intruder_s_password_is_gone_for_good_and_not_only_off() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    change_password(&ana.on_another_device("Stolen").await, PASSWORD, NEW).await.unwrap();
    let letter = world.newest_letter_to(&ana.email).await;
    undo(&world, letter.token()).await.unwrap();
    // Even if something turned the password on again.
    let tx = world.app().db.begin_write().await.unwrap();
    sessions::password_reset(&tx, world.app(), ana.account_id().parse().unwrap()).await.unwrap();
    tx.commit().await.unwrap();
    for password in [PASSWORD, NEW] {
        assert_shut_out(world.login(&ana.email, password).await);
    }
    world.run_jobs().await;
}

#[tokio::test]
async fn of_two_links_at_once_each_is_spent_once_and_the_owner_gets_one_account_back() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    change_password(&ana, PASSWORD, NEW).await.unwrap();
    let first = world.newest_letter_to(&ana.email).await;
    world.advance(Duration::from_secs(1));
    change_password(&ana, NEW, "another good enough secret").await.unwrap();
    let second = world.newest_letter_to(&ana.email).await;
    let (one, other, again) =
        tokio::join!(undo(&world, first.token()), undo(&world, second.token()), undo(&world, first.token()));
    assert_eq!(u8::from(one.is_ok()) + u8::from(again.is_ok()), 1, "{one:?} {again:?}");
    for refused in [one, other, again].into_iter().filter_map(Result::err) {
        assert_spent(&refused);
    }
    // Each brings a letter, in any order within this one moment; a newer reset voids the older.
    world.run_jobs().await;
    let mut resets = 0;
    for letter in world.letters_to(&ana.email).iter().filter(|letter| letter.text.contains("/reset?")) {
        let reset = reset_by_token(&world, letter.token(), "the owner is back at home").await;
        resets += usize::from(reset.is_ok());
    }
    assert_eq!(resets, 1);
    world.login(&ana.email, "the owner is back at home").await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn request_ids_of_what_is_taken_back_are_uuids() {
    let world = World::start().await;
    let request = pb::UndoSecurityChangeRequest { token: "a".into(), request_id: "not-a-uuid".into() };
    let refused = world.anonymous().accounts().undo_security_change(request).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["request_id"]);
}
