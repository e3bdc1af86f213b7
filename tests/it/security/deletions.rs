//! An account that was to be deleted, and stays.

use super::*;

async fn delete(actor: &Actor, request_id: &str) -> Result<pb::DeleteAccountResponse, Status> {
    let request = pb::DeleteAccountRequest { request_id: request_id.into(), ..Default::default() };
    Ok(actor.accounts().delete_account(request).await?.into_inner())
}

async fn cancel(world: &World, token: &str, request_id: &str) -> Result<(), Status> {
    let request = pb::CancelDeletionRequest { token: token.into(), request_id: request_id.into() };
    world.anonymous().accounts().cancel_deletion(request).await.map(drop)
}

#[tokio::test]
async fn the_button_of_the_letter_keeps_the_account_as_it_was() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    delete(&ana, "").await.unwrap();
    let letter = world.newest_letter_to(&ana.email).await;
    open(&world, letter.link()).await;
    let page = press(&world, "/undo", &[("token", letter.token())]).await;
    assert_eq!(page.status, 200);
    assert!(!page.text().contains("new password"), "{}", page.text());

    let letter = world.newest_letter_to(&ana.email).await;
    assert!(letter.subject == "Your account stays" && letter.text.contains("sign in as before"), "{}", letter.text);
    world.login(&ana.email, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_deletion_after_a_stranger_s_change_is_taken_back_with_it() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let stranger = ana.on_another_device("Stolen").await;
    change_password(&stranger, PASSWORD, NEW).await.unwrap();
    let letter = world.newest_letter_to(&ana.email).await;
    world.advance(std::time::Duration::from_secs(1));
    delete(&stranger, "").await.unwrap();
    let undone = undo(&world, letter.token()).await.unwrap();
    let expected = [pb::SecurityChange::PasswordChanged, pb::SecurityChange::DeletionStarted];
    assert_eq!(undone.changes, expected.map(|change| change as i32));
    assert!(undone.password_reset_sent);
    for password in [PASSWORD, NEW] {
        assert_shut_out(world.login(&ana.email, password).await);
    }
    world.run_jobs().await;
}

#[tokio::test]
async fn only_the_letter_of_the_deletion_takes_it_back_and_a_repeat_gets_the_first_reply() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    change_password(&ana, PASSWORD, NEW).await.unwrap();
    let other = world.newest_letter_to(&ana.email).await;
    delete(&ana, "").await.unwrap();
    let letter = world.newest_letter_to(&ana.email).await;
    assert_spent(&cancel(&world, other.token(), "").await.unwrap_err());
    for _ in 0..2 {
        cancel(&world, letter.token(), &request_id(1)).await.unwrap();
    }
    assert_spent(&cancel(&world, letter.token(), &request_id(2)).await.unwrap_err());
    let refused = cancel(&world, letter.token(), "not-a-uuid").await.unwrap_err();
    assert_eq!(violations(&refused), ["request_id"]);
    world.login(&ana.email, NEW).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn an_account_that_is_deleted_twice_at_once_is_deleted_once() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let refused = delete(&ana, "not-a-uuid").await.unwrap_err();
    assert_eq!(violations(&refused), ["request_id"]);
    let before = world.letters_to(&ana.email).len();
    let (one, other) = tokio::join!(delete(&ana, ""), delete(&ana, ""));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    world.run_jobs().await;
    assert_eq!(world.letters_to(&ana.email).len(), before + 1);
}
