//! Sign-ins under way while something else decides about the account.

use std::time::Duration;

use backline::{accounts, entity::account, kernel::ids::AccountId};
use futures::future::{join, join_all};

use crate::harness::*;

const NEW: &str = "nine slow clouds above the harbour";

async fn as_it_is(world: &World, person: &Actor) -> account::Model {
    let id: AccountId = person.account_id().parse().unwrap();
    accounts::find(&world.app().db, id).await.unwrap().unwrap()
}

/// Whether a sign-in that was decided on `seen` may still begin.
async fn may_begin(world: &World, seen: &account::Model) -> bool {
    let tx = world.app().db.begin_write().await.unwrap();
    let arrived = accounts::arrive(&tx, seen, world.now()).await.unwrap();
    tx.commit().await.unwrap();
    arrived
}

async fn change_password(who: &Actor, current: &str, new: &str) {
    let request =
        pb::ChangePasswordRequest { current_password: current.into(), new_password: new.into(), ..Default::default() };
    who.accounts().change_password(request).await.unwrap();
}

#[tokio::test]
async fn no_session_begins_on_what_no_longer_holds() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let seen = as_it_is(&world, &ana).await;
    assert!(may_begin(&world, &seen).await);

    // What others see of the account does not matter.
    let name = pb::UpdateAccountRequest {
        account: Some(pb::Account { display_name: "Ana Sol".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
        ..Default::default()
    };
    ana.accounts().update_account(name).await.unwrap();
    assert!(may_begin(&world, &seen).await);

    change_password(&ana, PASSWORD, NEW).await;
    assert!(!may_begin(&world, &seen).await, "another password");
    let seen = as_it_is(&world, &ana).await;
    ana.add_app(&world).await;
    assert!(!may_begin(&world, &seen).await, "a second factor");
    let seen = as_it_is(&world, &ana).await;
    let suspend = pb::SuspendAccountRequest {
        account_id: ana.account_id().into(),
        reason: "Asked for by letter".into(),
        ..Default::default()
    };
    root.admin().suspend_account(suspend).await.unwrap();
    assert!(!may_begin(&world, &seen).await, "a suspension");
    world.run_jobs().await;
}

#[tokio::test]
async fn whoever_keeps_signing_in_with_the_old_password_is_out_after_the_change() {
    let world = World::with(&[("sessions.max_sessions", "50"), ("passwords.permits", "16")]).await;
    let ana = world.account("ana").await;
    world.run_jobs().await;
    // Both answers are honest: a session that the change ended, or a refusal.
    let intruders = join_all((0..24).map(|_| world.login(&ana.email, PASSWORD)));
    let (intruders, ()) = join(intruders, change_password(&ana, PASSWORD, NEW)).await;
    for intruder in intruders.into_iter().flatten() {
        intruder.whoami().await.unwrap_err();
        intruder.refresh().await.unwrap_err();
    }
    world.advance(Duration::from_mins(20));
    let again = world.login(&ana.email, NEW).await;
    let sessions = match again {
        Ok(owner) => owner.sessions().list_sessions(pb::ListSessionsRequest::default()).await.unwrap().into_inner(),
        Err(refused) => panic!("the owner is out: {refused:?}"),
    };
    assert_eq!(sessions.sessions.len(), 2, "the one that changed it, and the one that looks: {sessions:?}");
    world.run_jobs().await;
}
