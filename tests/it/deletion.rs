//! Closing an account, and coming back.

use std::time::Duration;

use backline::{entity::account, kernel::ids::AccountId};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ActiveValue::Unchanged, EntityTrait};

use crate::{erasure::assert_whole, harness::*};

pub async fn delete(actor: &Actor, reason: &str) -> Result<pb::DeleteAccountResponse, Status> {
    let request = pb::DeleteAccountRequest { reason: reason.into(), ..Default::default() };
    Ok(actor.accounts().delete_account(request).await?.into_inner())
}

pub async fn cancel(world: &World, token: &str) -> Result<(), Status> {
    let request = pb::CancelDeletionRequest { token: token.into(), ..Default::default() };
    world.anonymous().accounts().cancel_deletion(request).await.map(drop)
}

async fn suspend(root: &Actor, account_id: &str) -> Result<pb::SuspendAccountResponse, Status> {
    let request = pb::SuspendAccountRequest {
        account_id: account_id.into(),
        reason: "Reported by listeners".into(),
        ..Default::default()
    };
    Ok(root.admin().suspend_account(request).await?.into_inner())
}

#[tokio::test]
async fn a_deleted_account_is_nobody_s_until_its_owner_comes_back() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let phone = ana.on_another_device("Phone").await;
    let reply = delete(&ana, "I have had enough").await.unwrap();
    let grace = reply.purge_time.unwrap().seconds - world.now().micros() / 1_000_000;
    assert_eq!(grace, 14 * 24 * 3600);
    for device in [&ana, &phone] {
        let refused = device.whoami().await.unwrap_err();
        assert_reason(&refused, Code::Unauthenticated, ErrorReason::SessionRevoked);
        assert_eq!(fact(&refused, "cause").as_deref(), Some("deleted"));
    }
    let refused = world.login(&ana.email, PASSWORD).await.err().unwrap();
    let unknown = world.login("nobody@example.org", PASSWORD).await.err().unwrap();
    assert_alike(&refused, &unknown);

    let letter = world.newest_letter_to(&ana.email).await;
    assert!(letter.text.contains("2026-03-15"), "{}", letter.text);
    world.advance(Duration::from_hours(13 * 24));
    world.run_jobs().await;
    for wrong in ["wrong", &tampered(letter.token(), 5)] {
        let refused = cancel(&world, wrong).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    }
    let refused = cancel(&world, "").await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    cancel(&world, letter.token()).await.unwrap();
    let refused = cancel(&world, letter.token()).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    let ana = world.login(&ana.email, PASSWORD).await.unwrap();
    assert_eq!(ana.whoami().await.unwrap().status(), pb::AccountStatus::Active);
    world.advance(Duration::from_hours(10 * 24));
    world.run_jobs().await;
    world.login(&ana.email, PASSWORD).await.unwrap();
    let root = world.login(&root.email, PASSWORD).await.unwrap();
    assert_whole(&root).await;
}

#[tokio::test]
async fn deleting_wants_a_fresh_proof_and_leaves_an_administrator() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let refused = delete(&root, "").await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::LastAdmin);
    let refused = delete(&ana, "two\nlines").await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["reason"]);
    world.advance(Duration::from_mins(11));
    let refused = delete(&ana, "").await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::StepUpRequired);

    let second = world.admin("second").await;
    delete(&second, "").await.unwrap();
    let ana = world.login(&ana.email, PASSWORD).await.unwrap();
    let request = pb::DeleteAccountRequest { request_id: request_id(1), ..Default::default() };
    ana.accounts().delete_account(request).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn the_last_administrator_cannot_leave_without_a_second_factor_either() {
    let world = World::with(&[("passkeys.staff_must_have_factor", "true")]).await;
    let root = world.admin("root").await;
    let refused = delete(&root, "").await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::LastAdmin);
    let second = world.admin("second").await;
    delete(&second, "").await.unwrap();
    let refused = delete(&root, "").await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::LastAdmin);
    world.run_jobs().await;
}

#[tokio::test]
async fn of_two_administrators_who_leave_at_once_one_stays() {
    let world = World::start().await;
    let (root, second) = (world.admin("root").await, world.admin("second").await);
    let (one, other) = tokio::join!(delete(&root, ""), delete(&second, ""));
    let refused = [one, other].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_reason(&refused[0], Code::FailedPrecondition, ErrorReason::LastAdmin);
    world.run_jobs().await;
}

/// An instance that has not heard of the suspension takes the call.
#[tokio::test]
async fn who_is_suspended_does_not_come_back_by_a_deletion() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let id: AccountId = ana.account_id().parse().unwrap();
    let row = account::ActiveModel { id: Unchanged(id), status: Set(account::Status::Suspended), ..Default::default() };
    row.update(&world.app().db.write_one()).await.unwrap();
    let refused = delete(&ana, "").await.unwrap_err();
    assert_reason(&refused, Code::Aborted, ErrorReason::EtagMismatch);
    let row = account::Entity::find_by_id(id).one(&world.db().await).await.unwrap().unwrap();
    assert_eq!((row.status, row.purge_at), (account::Status::Suspended, None));

    // A suspension whose time is over is none.
    let over = Some(world.now());
    let row = account::ActiveModel { id: Unchanged(id), suspended_until: Set(over), ..Default::default() };
    row.update(&world.app().db.write_one()).await.unwrap();
    delete(&ana, "").await.unwrap();
    cancel(&world, world.newest_letter_to(&ana.email).await.token()).await.unwrap();
    world.login(&ana.email, PASSWORD).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn who_is_suspended_before_coming_back_comes_back_suspended() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    delete(&ana, "").await.unwrap();
    let token = world.newest_letter_to(&ana.email).await.token().to_owned();
    let reply = suspend(&root, ana.account_id()).await.unwrap();
    assert_eq!(reply.account.unwrap().status(), pb::AccountStatus::Deleted);
    cancel(&world, &token).await.unwrap();
    let refused = world.login(&ana.email, PASSWORD).await.err().unwrap();
    assert_reason(&refused, Code::PermissionDenied, ErrorReason::AccountSuspended);
    let request = pb::ReinstateAccountRequest {
        account_id: ana.account_id().into(),
        reason: "A mistake".into(),
        ..Default::default()
    };
    root.admin().reinstate_account(request).await.unwrap();
    let ana = world.login(&ana.email, PASSWORD).await.unwrap();

    // It is forgotten with the suspension that it was, and can be taken back while the account waits.
    world.run_jobs().await;
    delete(&ana, "").await.unwrap();
    suspend(&root, ana.account_id()).await.unwrap();
    let request = pb::ReinstateAccountRequest {
        account_id: ana.account_id().into(),
        reason: "A mistake again".into(),
        ..Default::default()
    };
    let reply = root.admin().reinstate_account(request.clone()).await.unwrap().into_inner();
    assert_eq!(reply.account.unwrap().status(), pb::AccountStatus::Deleted);
    let refused = root.admin().reinstate_account(request).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::InvalidStateTransition);
    cancel(&world, world.newest_letter_to(&ana.email).await.token()).await.unwrap();
    world.login(&ana.email, PASSWORD).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn a_deletion_asked_for_twice_with_one_id_is_one() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let request = pb::DeleteAccountRequest { request_id: request_id(1), ..Default::default() };
    let (mut one, mut other) = (ana.accounts(), ana.accounts());
    let (one, other) = tokio::join!(one.delete_account(request.clone()), other.delete_account(request));
    assert_eq!(one.unwrap().into_inner(), other.unwrap().into_inner());
    world.run_jobs().await;
    assert_eq!(world.letters_to(&ana.email).iter().filter(|letter| letter.text.contains("/undo?")).count(), 1);
}

#[tokio::test]
async fn a_link_brings_back_once_and_not_after_the_end() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    delete(&ana, "").await.unwrap();
    let token = world.newest_letter_to(&ana.email).await.token().to_owned();
    let request = pb::CancelDeletionRequest { token, request_id: request_id(1) };
    for _ in 0..2 {
        world.anonymous().accounts().cancel_deletion(request.clone()).await.unwrap();
    }
    let again = pb::CancelDeletionRequest { request_id: request_id(2), ..request };
    let refused = world.anonymous().accounts().cancel_deletion(again).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);

    world.run_jobs().await;
    let ana = world.login(&ana.email, PASSWORD).await.unwrap();
    delete(&ana, "").await.unwrap();
    let token = world.newest_letter_to(&ana.email).await.token().to_owned();
    let request = pb::EraseAccountRequest {
        account_id: ana.account_id().into(),
        reason: "Asked by letter".into(),
        ..Default::default()
    };
    root.admin().erase_account(request).await.unwrap();
    let refused = cancel(&world, &token).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);

    let eva = world.account("eva").await;
    delete(&eva, "").await.unwrap();
    let token = world.newest_letter_to(&eva.email).await.token().to_owned();
    world.advance(Duration::from_hours(14 * 24));
    let refused = cancel(&world, &token).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    world.run_jobs().await;
}
