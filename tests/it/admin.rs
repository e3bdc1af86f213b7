//! The care of accounts.

use backline::{
    entity::audit_event,
    kernel::{Role, ids::AccountId},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::harness::*;

async fn set_roles(actor: &Actor, account_id: &str, roles: &[pb::Role], reason: &str) -> Result<pb::Account, Status> {
    let request = pb::SetRolesRequest {
        account_id: account_id.into(),
        roles: roles.iter().map(|role| *role as i32).collect(),
        reason: reason.into(),
        request_id: String::new(),
    };
    Ok(actor.admin().set_roles(request).await?.into_inner().account.unwrap())
}

async fn listed(actor: &Actor, filter: &str) -> Result<Vec<String>, Status> {
    let (mut walked, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListAccountsRequest { page_size: 2, page_token, filter: filter.into() };
        let reply = actor.admin().list_accounts(request).await?.into_inner();
        walked.extend(reply.accounts.into_iter().map(|account| account.email));
        page_token = reply.next_page_token;
        if page_token.is_empty() {
            return Ok(walked);
        }
    }
}

#[tokio::test]
async fn whoever_gains_an_office_signs_in_anew_and_whoever_loses_it_feels_it_at_once() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let refused = ana.applications().list_applications(pb::ListApplicationsRequest::default()).await.unwrap_err();
    assert_reason(&refused, Code::PermissionDenied, ErrorReason::PermissionMissing);

    let account = set_roles(&root, &ana.account.account_id, &[pb::Role::Reviewer], "Joins the jury").await.unwrap();
    assert_eq!(account.roles, [pb::Role::Listener as i32, pb::Role::Reviewer as i32]);
    let refused = ana.whoami().await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::SessionRevoked);
    assert_eq!(fact(&refused, "cause").as_deref(), Some("ended_by_staff"));
    ana.refresh().await.unwrap_err();
    let ana = world.login(&ana.email, PASSWORD).await.unwrap();
    ana.applications().list_applications(pb::ListApplicationsRequest::default()).await.unwrap();
    let hours = ana.session.absolute_expire_time.unwrap().seconds - ana.session.create_time.unwrap().seconds;
    assert_eq!(hours, 12 * 3600);

    set_roles(&root, &ana.account.account_id, &[], "Leaves the jury").await.unwrap();
    let refused = ana.applications().list_applications(pb::ListApplicationsRequest::default()).await.unwrap_err();
    assert_reason(&refused, Code::PermissionDenied, ErrorReason::PermissionMissing);
}

#[tokio::test]
async fn a_change_of_roles_leaves_one_audit_row_with_its_reason() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    for _ in 0..2 {
        set_roles(&root, &ana.account.account_id, &[pb::Role::Reviewer], "Joins the jury").await.unwrap();
    }
    let id: AccountId = ana.account.account_id.parse().unwrap();
    let rows = audit_event::Entity::find()
        .filter(audit_event::Column::Action.eq("authz_change"))
        .filter(audit_event::Column::SubjectId.eq(uuid::Uuid::from(id)))
        .order_by_asc(audit_event::Column::Id)
        .all(world.app().db.for_migrations())
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].reason, None, "what people type is sealed");
    let told = backline::audit::details(&world.app().db, world.app(), &rows).await.unwrap();
    assert_eq!(told[0].reason.as_deref(), Some("Joins the jury"));
    assert_eq!(rows[0].actor_id.unwrap().to_string(), root.account.account_id);
    let facts: serde_json::Value = serde_json::from_str(&rows[0].facts).unwrap();
    assert_eq!(facts, serde_json::json!({ "from": "listener", "to": "listener,reviewer" }));
}

#[tokio::test]
async fn the_role_of_artist_is_neither_given_nor_taken() {
    let world = World::start().await;
    let (root, ana, eva) = (world.admin("root").await, world.account("ana").await, world.account("eva").await);
    let account = set_roles(&root, &ana.account.account_id, &[pb::Role::Artist], "A friend").await.unwrap();
    assert_eq!(account.roles, [pb::Role::Listener as i32]);
    world.give_role(&eva.account.account_id, Role::Artist).await;
    let account = set_roles(&root, &eva.account.account_id, &[pb::Role::Reviewer], "Joins the jury").await.unwrap();
    assert_eq!(account.roles, [1, 2, 3]);
}

#[tokio::test]
async fn the_last_administrator_stays_one() {
    let world = World::start().await;
    let (root, eva) = (world.admin("root").await, world.admin("eva").await);
    // Each dismisses the other at the same moment.
    let (one, two) = tokio::join!(
        set_roles(&root, &eva.account.account_id, &[], "Leaves"),
        set_roles(&eva, &root.account.account_id, &[], "Leaves"),
    );
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    let (stays, refused) = if one.is_ok() { (&root, two) } else { (&eva, one) };
    // The slower one is refused by the guard, or has no right any more.
    let refused = refused.unwrap_err();
    assert!(matches!(refused.code(), Code::FailedPrecondition | Code::PermissionDenied), "{refused:?}");
    assert_eq!(listed(stays, "role = ADMIN").await.unwrap(), [stays.email.as_str()]);
    let refused = set_roles(stays, &stays.account.account_id, &[pb::Role::Reviewer], "Retires").await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::LastAdmin);
}

#[tokio::test]
async fn accounts_are_found_by_status_role_and_address() {
    let world = World::start().await;
    let root = world.admin("root").await;
    for name in ["ana", "eva"] {
        world.advance(std::time::Duration::from_secs(1));
        world.account(name).await;
    }
    world.advance(std::time::Duration::from_secs(1));
    world.reviewer("rui").await;
    let all = ["rui@example.org", "eva@example.org", "ana@example.org", "root@example.org"];
    assert_eq!(listed(&root, "").await.unwrap(), all);
    assert_eq!(listed(&root, "status = ACTIVE AND role = LISTENER").await.unwrap(), all);
    assert_eq!(listed(&root, "role = REVIEWER").await.unwrap(), ["rui@example.org"]);
    assert_eq!(listed(&root, "role = ARTIST").await.unwrap(), Vec::<String>::new());
    assert_eq!(listed(&root, "email = \"Eva@Example.org\"").await.unwrap(), ["eva@example.org"]);
    assert_eq!(listed(&root, "status = SUSPENDED").await.unwrap(), Vec::<String>::new());
    for filter in ["role = KING", "email = \"nobody\"", "status = ACTIVE OR role = ADMIN", "name = ana"] {
        let refused = listed(&root, filter).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FilterInvalid);
    }
}

#[tokio::test]
async fn only_administrators_may_and_only_with_a_reason() {
    let world = World::start().await;
    let (root, ana, rui) = (world.admin("root").await, world.account("ana").await, world.reviewer("rui").await);
    let id = ana.account.account_id.as_str();
    for actor in [&ana, &rui] {
        let refused = set_roles(actor, id, &[pb::Role::Admin], "I want to").await.unwrap_err();
        assert_reason(&refused, Code::PermissionDenied, ErrorReason::PermissionMissing);
        assert_reason(&listed(actor, "").await.unwrap_err(), Code::PermissionDenied, ErrorReason::PermissionMissing);
    }
    let refused = set_roles(&world.anonymous(), id, &[], "I want to").await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::AccessTokenMissing);

    let refused = set_roles(&root, id, &[pb::Role::Reviewer], " ").await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::ReasonRequired);
    let refused = set_roles(&root, id, &[pb::Role::Unspecified], &"r".repeat(501)).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["roles[0]", "reason"]);
    let absent = set_roles(&root, "acc_01h455vb4pex5vsknk084sn02q", &[], "Nobody").await.unwrap_err();
    assert_reason(&absent, Code::NotFound, ErrorReason::ResourceNotFound);
    let of_another_kind = id.replace("acc_", "art_");
    for id in ["ana", "", "acc_", "acc_01h455vb4pex5vsknk084sn02Q", "acc_\u{0}", &of_another_kind] {
        assert_alike(&set_roles(&root, id, &[], "Nobody").await.unwrap_err(), &absent);
    }
    let request = pb::SetRolesRequest {
        account_id: id.into(),
        reason: "Joins the jury".into(),
        request_id: "once".into(),
        ..Default::default()
    };
    let refused = root.admin().set_roles(request).await.unwrap_err();
    assert_eq!(violations(&refused), ["request_id"]);
}

#[tokio::test]
async fn malformed_filters_are_refused_by_every_list_of_staff() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let long = format!("role = {}", "A".repeat(500));
    let filters = [
        "=",
        "role",
        "= ADMIN",
        "role =",
        "role = \"\"",
        "role = \"ADMIN",
        "role = admin",
        "role = UNSPECIFIED",
        "role = ADMIN AND",
        "role = ADMIN AND role = ARTIST",
        "role = ADMIN OR status = ACTIVE",
        "role != ADMIN",
        "role = \u{0}",
        "roles = ADMIN' OR '1'='1",
        "email = \"\u{0}@example.org\"",
        "state = DRAFT",
        "state = APPROVED AND state = REJECTED",
        "password_hash = x",
        &long,
    ];
    for filter in filters {
        let refused = listed(&root, filter).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FilterInvalid);
        let request = pb::ListApplicationsRequest { filter: filter.into(), ..Default::default() };
        let refused = root.applications().list_applications(request).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FilterInvalid);
    }
}

#[tokio::test]
async fn new_roles_are_felt_through_every_server_within_two_seconds() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let (second, channel) = world.second_server().await;
    let elsewhere = ana.through(channel.clone());
    elsewhere.whoami().await.unwrap();
    set_roles(&root, ana.account_id(), &[pb::Role::Reviewer], "Joins the jury").await.unwrap();
    eventually_within(std::time::Duration::from_secs(2), async || elsewhere.whoami().await.is_err()).await;
    let elsewhere = world.login(&ana.email, PASSWORD).await.unwrap().through(channel);
    let may = async || elsewhere.applications().list_applications(pb::ListApplicationsRequest::default()).await.is_ok();
    assert!(may().await);
    set_roles(&root, ana.account_id(), &[], "Leaves the jury").await.unwrap();
    eventually_within(std::time::Duration::from_secs(2), async || !may().await).await;
    second.stop().await;
}

#[tokio::test]
async fn a_repeat_with_the_same_request_id_gives_the_first_reply() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let request = pb::SetRolesRequest {
        account_id: ana.account.account_id.clone(),
        roles: vec![pb::Role::Reviewer.into()],
        reason: "Joins the jury".into(),
        request_id: request_id(1),
    };
    let first = root.admin().set_roles(request.clone()).await.unwrap().into_inner();
    set_roles(&root, &ana.account.account_id, &[], "Leaves the jury").await.unwrap();
    assert_eq!(root.admin().set_roles(request.clone()).await.unwrap().into_inner(), first);
    let other = pb::SetRolesRequest { reason: "Another".into(), ..request };
    let refused = root.admin().set_roles(other).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::RequestIdReused);
}

#[tokio::test]
async fn nothing_is_given_to_an_account_that_is_deleted() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    ana.accounts().delete_account(pb::DeleteAccountRequest::default()).await.unwrap();
    world.run_jobs().await;
    let (account_id, reason) = (ana.account_id().to_owned(), "A mistake".to_owned());
    let refused = |refused: Status, attempted: &str| {
        assert_reason(&refused, Code::FailedPrecondition, ErrorReason::InvalidStateTransition);
        assert_eq!(fact(&refused, "attempted").as_deref(), Some(attempted));
    };
    for roles in [&[pb::Role::Admin][..], &[]] {
        refused(set_roles(&root, &account_id, roles, &reason).await.unwrap_err(), "SetRoles");
    }
    for tier in [pb::AccountTier::Premium, pb::AccountTier::Free] {
        let request = pb::SetTierRequest {
            account_id: account_id.clone(),
            tier: tier.into(),
            reason: reason.clone(),
            ..Default::default()
        };
        refused(root.admin().set_tier(request).await.unwrap_err(), "SetTier");
    }
    let request = pb::UnlockAccountRequest { account_id, reason, ..Default::default() };
    refused(root.admin().unlock_account(request).await.unwrap_err(), "UnlockAccount");
}

#[tokio::test]
async fn resets_and_erasures_want_a_reason_and_a_person_who_is_there() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let request = pb::CreateServiceAccountRequest {
        display_name: "Nightly report".into(),
        reason: "For the report".into(),
        ..Default::default()
    };
    let tool = root.admin().create_service_account(request).await.unwrap().into_inner().service_account.unwrap();
    let ask = async |account_id: &str, reason: &str| {
        let (account_id, reason) = (account_id.to_owned(), reason.to_owned());
        let reset =
            pb::ResetFactorsRequest { account_id: account_id.clone(), reason: reason.clone(), ..Default::default() };
        let erase = pb::EraseAccountRequest { account_id, reason, ..Default::default() };
        let reset = root.admin().reset_factors(reset).await.map(drop).unwrap_err();
        [reset, root.admin().erase_account(erase).await.map(drop).unwrap_err()]
    };
    for (id, reason, code, expected) in [
        (ana.account_id(), " ", Code::InvalidArgument, ErrorReason::ReasonRequired),
        (&absent("acc"), "Lost it", Code::NotFound, ErrorReason::ResourceNotFound),
        ("ana", "Lost it", Code::NotFound, ErrorReason::ResourceNotFound),
        (&tool.account_id, "Lost it", Code::FailedPrecondition, ErrorReason::TargetIsService),
    ] {
        for refused in ask(id, reason).await {
            assert_reason(&refused, code, expected);
        }
    }
    ana.whoami().await.unwrap();
}

#[tokio::test]
async fn a_person_s_sessions_are_listed_page_by_page() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let mut expected = vec![ana.session_id().to_owned()];
    for device in ["Phone", "Tablet"] {
        world.advance(std::time::Duration::from_secs(1));
        expected.insert(0, ana.on_another_device(device).await.session_id().to_owned());
    }
    let page = async |account_id: &str, page_size: i32, page_token: &str| {
        let request = pb::ListAccountSessionsRequest {
            account_id: account_id.to_owned(),
            page_size,
            page_token: page_token.to_owned(),
        };
        Ok::<_, Status>(root.admin().list_account_sessions(request).await?.into_inner())
    };
    let first = page(ana.account_id(), 2, "").await.unwrap();
    let second = page(ana.account_id(), 2, &first.next_page_token).await.unwrap();
    assert_eq!((second.sessions.len(), second.next_page_token.as_str()), (1, ""));
    let walked = first.sessions.into_iter().chain(second.sessions).map(|session| session.session_id);
    assert_eq!(walked.collect::<Vec<_>>(), expected);

    let refused = page(root.account_id(), 2, &first.next_page_token).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::PageTokenInvalid);
    assert_eq!(violations(&page(ana.account_id(), -1, "").await.unwrap_err()), ["page_size"]);
    let refused = page(&absent("acc"), 2, "").await.unwrap_err();
    assert_reason(&refused, Code::NotFound, ErrorReason::ResourceNotFound);
}
