//! Seeing the service through a person's eyes.

use std::time::Duration;

use crate::{harness::*, staff::told_of};

const REASON: &str = "They see no tracks";

async fn start(actor: &Actor, account_id: &str) -> Result<pb::StartImpersonationResponse, Status> {
    let request =
        pb::StartImpersonationRequest { account_id: account_id.into(), reason: REASON.into(), ..Default::default() };
    Ok(actor.admin().start_impersonation(request).await?.into_inner())
}

/// The person as staff see through their eyes, and the session's id.
async fn through(world: &World, staff: &Actor, person: &Actor) -> (Actor, String) {
    let begun = start(staff, person.account_id()).await.unwrap();
    let eyes = world.anonymous().with_access_token(&begun.access_token);
    (eyes, begun.session.unwrap().session_id)
}

async fn stop(actor: &Actor, session_id: &str) -> Result<(), Status> {
    let request = pb::StopImpersonationRequest { session_id: session_id.into(), ..Default::default() };
    actor.admin().stop_impersonation(request).await.map(drop)
}

async fn own_sessions(actor: &Actor) -> Vec<pb::Session> {
    let request = pb::ListSessionsRequest::default();
    actor.sessions().list_sessions(request).await.unwrap().into_inner().sessions
}

#[tokio::test]
async fn staff_see_what_the_person_sees_and_change_nothing() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let (eyes, _) = through(&world, &root, &ana).await;
    assert_eq!(eyes.whoami().await.unwrap().account_id, ana.account_id());

    let reads_only = |refused: Status| {
        assert_reason(&refused, Code::PermissionDenied, ErrorReason::ImpersonationReadsOnly);
    };
    let request = pb::CreateApplicationRequest { stage_name: "Night Bus".into(), ..Default::default() };
    reads_only(eyes.applications().create_application(request).await.unwrap_err());
    let request = pb::RevokeSessionRequest { session_id: ana.session_id().into() };
    reads_only(eyes.sessions().revoke_session(request).await.unwrap_err());
    for scope in [pb::LogoutScope::Others, pb::LogoutScope::All] {
        reads_only(eyes.sessions().logout(pb::LogoutRequest { scope: scope.into() }).await.unwrap_err());
    }
    ana.whoami().await.unwrap();
    // Nor does it carry the rights of whoever looks.
    let refused = eyes.admin().list_accounts(pb::ListAccountsRequest::default()).await.unwrap_err();
    assert_reason(&refused, Code::PermissionDenied, ErrorReason::PermissionMissing);
}

#[tokio::test]
async fn the_person_sees_it_and_may_end_it() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    world.advance(Duration::from_secs(1));
    let (eyes, session_id) = through(&world, &root, &ana).await;
    let sessions = own_sessions(&ana).await;
    let visit = sessions.iter().find(|session| session.impersonated).unwrap();
    assert_eq!((visit.session_id.as_str(), sessions.len()), (session_id.as_str(), 2));
    let told = told_of(&world, ana.account_id()).await;
    assert_eq!(told.last().unwrap(), &("impersonation_started".to_owned(), Some(REASON.to_owned())));

    ana.sessions().revoke_session(pb::RevokeSessionRequest { session_id }).await.unwrap();
    let refused = eyes.whoami().await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::SessionRevoked);
}

#[tokio::test]
async fn it_lasts_a_quarter_of_an_hour_and_takes_nobody_s_place() {
    let lives = [("sessions.access_token_life", "1h"), ("sessions.staff_idle_life", "1h")];
    let world = World::with(&[&lives[..], &[("sessions.max_sessions", "2")]].concat()).await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let begun = start(&root, ana.account_id()).await.unwrap();
    assert!(begun.access_token_lifetime.unwrap().seconds <= 900);
    let eyes = world.anonymous().with_access_token(&begun.access_token);
    world.advance(Duration::from_secs(1));
    assert_eq!(ana.on_another_device("Phone").await.ended_session_ids, Vec::<String>::new());
    world.advance(Duration::from_secs(1));
    let again = ana.on_another_device("Tablet").await;
    assert_eq!(again.ended_session_ids, [ana.session_id()]);
    eyes.whoami().await.unwrap();
    world.advance(Duration::from_mins(15));
    let refused = eyes.whoami().await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::AccessTokenExpired);
    assert_eq!(own_sessions(&again).await.len(), 2);
}

#[tokio::test]
async fn it_ends_by_signing_out_or_from_outside_by_whoever_began_it() {
    let world = World::start().await;
    let (root, eva, ana) = (world.admin("root").await, world.admin("eva").await, world.account("ana").await);
    let (eyes, _) = through(&world, &root, &ana).await;
    let reply = eyes.sessions().logout(pb::LogoutRequest::default()).await.unwrap().into_inner();
    assert_eq!(reply.ended_count, 1);
    let refused = eyes.whoami().await.unwrap_err();
    assert_eq!(fact(&refused, "cause").as_deref(), Some("impersonation_over"));
    ana.whoami().await.unwrap();

    let (eyes, session_id) = through(&world, &root, &ana).await;
    let foreign = stop(&eva, &session_id).await.unwrap_err();
    assert_reason(&foreign, Code::NotFound, ErrorReason::ResourceNotFound);
    assert_alike(&stop(&root, ana.session_id()).await.unwrap_err(), &foreign);
    assert_alike(&stop(&root, "ses_nonsense").await.unwrap_err(), &foreign);
    eyes.whoami().await.unwrap();
    for _ in 0..2 {
        stop(&root, &session_id).await.unwrap();
    }
    eyes.whoami().await.unwrap_err();
    let told = told_of(&world, ana.account_id()).await;
    assert_eq!(told.iter().filter(|(action, _)| action == "impersonation_ended").count(), 2);
}

#[tokio::test]
async fn nobody_looks_through_the_eyes_of_staff_or_of_who_is_shut_out() {
    let world = World::start().await;
    let (root, rui, ana) = (world.admin("root").await, world.reviewer("rui").await, world.account("ana").await);
    let own = start(&root, root.account_id()).await.unwrap_err();
    for refused in [start(&root, rui.account_id()).await.unwrap_err(), own] {
        assert_reason(&refused, Code::FailedPrecondition, ErrorReason::TargetIsStaff);
    }
    let request =
        pb::SuspendAccountRequest { account_id: ana.account_id().into(), reason: REASON.into(), ..Default::default() };
    root.admin().suspend_account(request).await.unwrap();
    let refused = start(&root, ana.account_id()).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::InvalidStateTransition);
    assert_eq!(fact(&refused, "from").as_deref(), Some("SUSPENDED"));
    for id in ["acc_01h455vb4pex5vsknk084sn02q", "ana"] {
        let absent = start(&root, id).await.unwrap_err();
        assert_reason(&absent, Code::NotFound, ErrorReason::ResourceNotFound);
    }
    let request = pb::StartImpersonationRequest { account_id: ana.account_id().into(), ..Default::default() };
    let refused = root.admin().start_impersonation(request).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::ReasonRequired);
}

#[tokio::test]
async fn it_ends_with_the_rights_it_hung_on() {
    let world = World::start().await;
    let (root, eva) = (world.admin("root").await, world.admin("eva").await);
    let (ana, ben) = (world.account("ana").await, world.account("ben").await);
    let set_roles = async |account: &Actor, roles: Vec<i32>| {
        let account_id = account.account_id().to_owned();
        let request = pb::SetRolesRequest { account_id, roles, reason: REASON.into(), ..Default::default() };
        root.admin().set_roles(request).await.unwrap();
    };
    // The person becomes a member of staff.
    let (eyes, _) = through(&world, &root, &ana).await;
    set_roles(&ana, vec![pb::Role::Reviewer.into()]).await;
    eyes.whoami().await.unwrap_err();
    // The member of staff is none any more.
    let (eyes, _) = through(&world, &eva, &ben).await;
    set_roles(&eva, Vec::new()).await;
    eyes.whoami().await.unwrap_err();
    // Or is shut out.
    set_roles(&eva, vec![pb::Role::Admin.into()]).await;
    let eva = world.login(&eva.email, PASSWORD).await.unwrap();
    let (eyes, _) = through(&world, &eva, &ben).await;
    let account_id = eva.account_id().to_owned();
    let request = pb::SuspendAccountRequest { account_id, reason: REASON.into(), ..Default::default() };
    root.admin().suspend_account(request).await.unwrap();
    eyes.whoami().await.unwrap_err();
    ben.whoami().await.unwrap();
}

#[tokio::test]
async fn a_repeat_gives_the_same_session() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let request = pb::StartImpersonationRequest {
        account_id: ana.account_id().into(),
        reason: REASON.into(),
        request_id: request_id(1),
    };
    let first = root.admin().start_impersonation(request.clone()).await.unwrap().into_inner();
    assert_eq!(root.admin().start_impersonation(request).await.unwrap().into_inner(), first);
    assert_eq!(own_sessions(&ana).await.len(), 2);
}

#[tokio::test]
async fn it_does_not_outlive_the_trust_in_whoever_began_it() {
    let world = World::start().await;
    let (root, eva, ana) = (world.admin("root").await, world.admin("eva").await, world.account("ana").await);
    let over = async |eyes: &Actor| {
        let refused = eyes.whoami().await.unwrap_err();
        assert_eq!(fact(&refused, "cause").as_deref(), Some("impersonation_over"));
    };
    // Signing out on one device says nothing of the other.
    let (eyes, _) = through(&world, &eva, &ana).await;
    let phone = eva.on_another_device("Phone").await;
    phone.sessions().logout(pb::LogoutRequest::default()).await.unwrap();
    eyes.whoami().await.unwrap();
    // Signing out everywhere else does, and is told to have ended what was one's own.
    let reply = eva.sessions().logout(pb::LogoutRequest { scope: pb::LogoutScope::Others.into() }).await.unwrap();
    assert_eq!(reply.into_inner().ended_count, 0);
    over(&eyes).await;

    let (eyes, _) = through(&world, &eva, &ana).await;
    let request = pb::ChangePasswordRequest {
        current_password: PASSWORD.into(),
        new_password: "eleven loud oceans rest".into(),
        ..Default::default()
    };
    eva.accounts().change_password(request).await.unwrap();
    over(&eyes).await;
    world.run_jobs().await;

    let (eyes, _) = through(&world, &eva, &ana).await;
    let account_id = eva.account_id().to_owned();
    let request = pb::RevokeAccountSessionsRequest { account_id, reason: REASON.into(), ..Default::default() };
    let reply = root.admin().revoke_account_sessions(request).await.unwrap().into_inner();
    assert_eq!(reply.ended_count, 1);
    over(&eyes).await;
    ana.whoami().await.unwrap();
}

#[tokio::test]
async fn the_network_and_the_program_of_staff_are_not_the_person_s_to_see() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let (eyes, session_id) = through(&world, &root, &ana).await;
    for sessions in [own_sessions(&ana).await, own_sessions(&eyes).await] {
        for session in sessions {
            assert_eq!(session.address_prefix.is_empty(), session.impersonated, "{session:?}");
            assert_eq!(session.user_agent.is_empty(), session.impersonated, "{session:?}");
        }
    }
    let request = pb::ListAccountSessionsRequest { account_id: ana.account_id().into(), ..Default::default() };
    let sessions = root.admin().list_account_sessions(request).await.unwrap().into_inner().sessions;
    let visit = sessions.iter().find(|session| session.session_id == session_id).unwrap();
    assert_eq!(visit.address_prefix, "127.0.0.1/32");
}

/// The office is taken away while the call waits behind whoever takes it.
#[tokio::test]
async fn an_office_that_is_gone_before_the_look_begins_opens_none() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let tx = world.app().db.begin_write().await.unwrap();
    let id = root.account_id().parse().unwrap();
    let taken = |_| backline::kernel::Roles::LISTENER;
    backline::accounts::set_roles(&tx, world.app(), id, taken).await.unwrap().unwrap();
    let before = world.app().db.statements();
    let call = {
        let (root, ana_id) = (root.clone(), ana.account_id().to_owned());
        tokio::spawn(async move { start(&root, &ana_id).await })
    };
    eventually(async || world.app().db.statements() > before).await;
    tx.commit().await.unwrap();
    let refused = call.await.unwrap().unwrap_err();
    assert_reason(&refused, Code::PermissionDenied, ErrorReason::PermissionMissing);
    assert_eq!(fact(&refused, "permission").as_deref(), Some("accounts.impersonate"));
    assert_eq!(own_sessions(&ana).await.len(), 1);
}
