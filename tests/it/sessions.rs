//! Signing in, access tokens, lists and limits of sessions, signing out.

use std::time::Duration;

use backline::entity::{account, login_attempt};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, sea_query::Expr};

use crate::harness::*;

const MINUTE: Duration = Duration::from_mins(1);

async fn logout(actor: &Actor, scope: pb::LogoutScope) -> i32 {
    let request = pb::LogoutRequest { scope: scope.into() };
    actor.sessions().logout(request).await.unwrap().into_inner().ended_count
}

async fn list(actor: &Actor, page_size: i32, page_token: &str) -> Result<pb::ListSessionsResponse, Status> {
    let request = pb::ListSessionsRequest { page_size, page_token: page_token.to_owned() };
    Ok(actor.sessions().list_sessions(request).await?.into_inner())
}

async fn revoke(actor: &Actor, session_id: &str) -> Result<(), Status> {
    let request = pb::RevokeSessionRequest { session_id: session_id.to_owned() };
    actor.sessions().revoke_session(request).await.map(drop)
}

#[track_caller]
fn assert_revoked(refused: &Status, cause: &str) {
    assert_reason(refused, Code::Unauthenticated, ErrorReason::SessionRevoked);
    assert_eq!(fact(refused, "cause").as_deref(), Some(cause));
}

#[tokio::test]
async fn refusals_to_sign_in_tell_nobody_why() {
    let world = World::start().await;
    world.account("ana").await;
    let waiting = world.register("bea").await;
    world.run_jobs().await;
    let anyone = world.anonymous();
    let attempt = async |email: &str| anyone.login(email, "not the password", "").await.unwrap_err();

    let (wrong, cost_wrong) = world.statements(async || attempt("ana@example.org").await).await;
    let (unknown, cost_unknown) = world.statements(async || attempt("nobody@example.org").await).await;
    let (unverified, cost_unverified) = world.statements(async || attempt(&waiting.email).await).await;
    assert_reason(&wrong, Code::Unauthenticated, ErrorReason::InvalidCredentials);
    assert_alike(&wrong, &unknown);
    assert_alike(&wrong, &unverified);
    assert_eq!([cost_unknown, cost_unverified], [cost_wrong, cost_wrong], "the same work");

    // Only who knows the password hears more.
    let refused = anyone.login(&waiting.email, PASSWORD, "").await.unwrap_err();
    assert_reason(&refused, Code::PermissionDenied, ErrorReason::AccountNotVerified);
}

#[tokio::test]
async fn a_suspended_account_is_named_only_to_who_knows_its_password() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let tx = world.app().db.begin_write().await.unwrap();
    let id: backline::kernel::ids::AccountId = ana.account_id().parse().unwrap();
    account::Entity::update_many()
        .col_expr(account::Column::Status, Expr::value("suspended"))
        .filter(account::Column::Id.eq(id))
        .exec(&tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let refused = world.login(&ana.email, PASSWORD).await.err().unwrap();
    assert_reason(&refused, Code::PermissionDenied, ErrorReason::AccountSuspended);
    let refused = world.login(&ana.email, "not the password").await.err().unwrap();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::InvalidCredentials);
    assert!(ana.refresh().await.is_err(), "the session does not go on");
}

#[tokio::test]
async fn every_attempt_leaves_a_row() {
    use login_attempt::Outcome::{Succeeded, UnknownAccount, WrongCredentials};

    let world = World::start().await;
    let ana = world.account("ana").await;
    let anyone = world.anonymous();
    for (email, password) in [("ana@example.org", "wrong"), ("nobody@example.org", "wrong")] {
        world.advance(MINUTE);
        anyone.login(email, password, "").await.unwrap_err();
    }
    let rows =
        login_attempt::Entity::find().order_by_asc(login_attempt::Column::Id).all(&world.db().await).await.unwrap();
    let outcomes: Vec<login_attempt::Outcome> = rows.iter().map(|row| row.result).collect();
    assert_eq!(outcomes, [Succeeded, WrongCredentials, UnknownAccount]);
    assert_eq!(rows[0].session_id.unwrap().to_string(), ana.session_id());
    assert_eq!(rows[0].identifier_mac, rows[1].identifier_mac);
    assert_eq!((rows[1].account_id, rows[2].account_id), (rows[0].account_id, None));
    assert!(rows.iter().all(|row| row.address == "127.0.0.1" && row.address_prefix == "127.0.0.1/32"));
}

#[tokio::test]
async fn a_malformed_sign_in_is_told_every_field() {
    let world = World::start().await;
    let anyone = world.anonymous();
    let refused = anyone.login("", "", "").await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["email", "password"]);
    let refused = anyone.login("ana@example.org", &"p".repeat(2000), &"d".repeat(101)).await.unwrap_err();
    assert_eq!(violations(&refused), ["device_name", "password"]);
    let refused = anyone.login("ana@example.org", "p", "two\nlines").await.unwrap_err();
    assert_eq!(violations(&refused), ["device_name"]);
}

#[tokio::test]
async fn an_access_token_works_for_a_quarter_of_an_hour_and_only_here() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let good = ana.access_token();

    let missing = world.anonymous().whoami().await.unwrap_err();
    assert_reason(&missing, Code::Unauthenticated, ErrorReason::AccessTokenMissing);

    let damaged = tampered(&good, good.len() / 2);
    for forged in [damaged.as_str(), "v4.local.AAAA", "nonsense", &ana.refresh_token()] {
        let refused = ana.with_access_token(forged).whoami().await.unwrap_err();
        assert_reason(&refused, Code::Unauthenticated, ErrorReason::AccessTokenInvalid);
    }

    // The same keys and data under another public address are another environment.
    let (elsewhere, channel) = world.second_server_with(&[("web.public_url", "http://staging.test")]).await;
    let foreign = ana.through(channel).on_another_device("Tablet").await.access_token();
    let refused = ana.with_access_token(&foreign).whoami().await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::AccessTokenInvalid);
    elsewhere.stop().await;

    world.advance(14 * MINUTE);
    ana.whoami().await.unwrap();
    world.advance(MINUTE);
    let expired = ana.whoami().await.unwrap_err();
    assert_reason(&expired, Code::Unauthenticated, ErrorReason::AccessTokenExpired);
    ana.refresh().await.unwrap();
    ana.whoami().await.unwrap();
}

#[tokio::test]
async fn signing_out_ends_this_session_the_others_or_all() {
    let world = World::start().await;
    let laptop = world.account("ana").await;
    let phone = laptop.on_another_device("Phone").await;
    let tablet = laptop.on_another_device("Tablet").await;
    let bea = world.account("bea").await;

    assert_eq!(logout(&laptop, pb::LogoutScope::Unspecified).await, 1);
    assert_revoked(&laptop.whoami().await.unwrap_err(), "logout");
    assert_revoked(&laptop.refresh().await.unwrap_err(), "logout");
    phone.whoami().await.unwrap();

    let tv = phone.on_another_device("TV").await;
    assert_eq!(logout(&phone, pb::LogoutScope::Others).await, 2);
    phone.whoami().await.unwrap();
    assert_revoked(&tablet.whoami().await.unwrap_err(), "logout");
    assert_revoked(&tv.whoami().await.unwrap_err(), "logout");

    assert_eq!(logout(&phone, pb::LogoutScope::Others).await, 0, "a repeat ends none");
    let laptop = phone.on_another_device("Laptop").await;
    assert_eq!(logout(&phone, pb::LogoutScope::All).await, 2);
    assert_revoked(&laptop.whoami().await.unwrap_err(), "logout");
    bea.whoami().await.unwrap();

    let refused = bea.sessions().logout(pb::LogoutRequest { scope: 99 }).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
}

#[tokio::test]
async fn one_s_own_sessions_can_be_ended_one_by_one() {
    let world = World::start().await;
    let laptop = world.account("ana").await;
    let phone = laptop.on_another_device("Phone").await;
    let bea = world.account("bea").await;

    revoke(&laptop, phone.session_id()).await.unwrap();
    assert_revoked(&phone.whoami().await.unwrap_err(), "revoked");
    revoke(&laptop, phone.session_id()).await.unwrap();

    // Foreign, absent and malformed ids: the same answer.
    let foreign = revoke(&laptop, bea.session_id()).await.unwrap_err();
    assert_reason(&foreign, Code::NotFound, ErrorReason::ResourceNotFound);
    for id in ["ses_01h455vb4pex5vsknk084sn02q", "ses_1", laptop.account_id(), "nonsense", ""] {
        assert_alike(&foreign, &revoke(&laptop, id).await.unwrap_err());
    }
    bea.whoami().await.unwrap();

    revoke(&laptop, laptop.session_id()).await.unwrap();
    assert_revoked(&laptop.whoami().await.unwrap_err(), "revoked");
}

#[tokio::test]
async fn sessions_are_listed_newest_first_page_by_page() {
    let world = World::start().await;
    let laptop = world.account("ana").await;
    let mut all = vec![laptop.clone()];
    for device in ["Phone", "Tablet", "TV"] {
        world.advance(MINUTE);
        all.push(laptop.on_another_device(device).await);
    }
    let bea = world.account("bea").await;

    let whole = list(&laptop, 0, "").await.unwrap();
    let ids: Vec<&str> = whole.sessions.iter().map(|session| session.session_id.as_str()).collect();
    let newest_first: Vec<&str> = all.iter().rev().map(Actor::session_id).collect();
    assert_eq!(ids, newest_first);
    assert_eq!(whole.next_page_token, "");
    let current: Vec<bool> = whole.sessions.iter().map(|session| session.current).collect();
    assert_eq!(current, [false, false, false, true]);

    let (mut token, mut seen) = (String::new(), Vec::new());
    loop {
        let page = list(&laptop, 3, &token).await.unwrap();
        seen.extend(page.sessions.into_iter().map(|session| session.session_id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, newest_first);

    let token = list(&laptop, 1, "").await.unwrap().next_page_token;
    for (who, token) in [(&bea, token.as_str()), (&laptop, &tampered(&token, 9)), (&laptop, "nonsense")] {
        let refused = list(who, 1, token).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::PageTokenInvalid);
    }
    let refused = list(&laptop, -1, "").await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["page_size"]);
}

#[tokio::test]
async fn the_least_recently_used_session_makes_room() {
    let world = World::with(&[("sessions.max_sessions", "3"), ("sessions.max_admin_sessions", "2")]).await;
    let laptop = world.account("ana").await;
    world.advance(MINUTE);
    let phone = laptop.on_another_device("Phone").await;
    world.advance(MINUTE);
    let tablet = laptop.on_another_device("Tablet").await;
    world.advance(MINUTE);
    laptop.refresh().await.unwrap();

    let tv = laptop.on_another_device("TV").await;
    assert_eq!(tv.ended_session_ids, [phone.session_id()]);
    assert_revoked(&phone.whoami().await.unwrap_err(), "evicted");
    for stays in [&laptop, &tablet, &tv] {
        stays.whoami().await.unwrap();
    }

    let root = world.admin("root").await;
    world.advance(MINUTE);
    root.on_another_device("Phone").await;
    world.advance(MINUTE);
    assert_eq!(root.on_another_device("Tablet").await.ended_session_ids, [root.session_id()]);
}

#[tokio::test]
async fn another_instance_feels_a_sign_out_within_two_seconds() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (second, channel) = world.second_server().await;
    let there = ana.through(channel);
    there.whoami().await.unwrap();

    assert_eq!(logout(&ana, pb::LogoutScope::This).await, 1);
    assert_revoked(&ana.whoami().await.unwrap_err(), "logout");
    eventually_within(Duration::from_secs(2), async || there.whoami().await.is_err()).await;
    assert_revoked(&there.whoami().await.unwrap_err(), "logout");
    second.stop().await;
}

#[tokio::test]
async fn new_roles_are_felt_by_tokens_that_are_out() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (second, channel) = world.second_server().await;
    let there = ana.through(channel);
    let denied = async |actor: &Actor| {
        let listed = actor.admin().list_accounts(pb::ListAccountsRequest::default()).await;
        listed.err().is_some_and(|refused| refused.code() == Code::PermissionDenied)
    };
    assert!(denied(&ana).await && denied(&there).await);
    world.give_role(ana.account_id(), backline::kernel::Role::Admin).await;
    assert!(!denied(&ana).await, "at once where it was done");
    eventually_within(Duration::from_secs(2), async || !denied(&there).await).await;
    second.stop().await;
}

#[tokio::test]
async fn a_restart_forgets_neither_sessions_nor_their_ends() {
    let mut world = World::start().await;
    let laptop = world.account("ana").await;
    let phone = laptop.on_another_device("Phone").await;
    let first = laptop.refresh_token();
    laptop.refresh().await.unwrap();
    logout(&phone, pb::LogoutScope::This).await;

    world.restart().await;
    assert_revoked(&phone.whoami().await.unwrap_err(), "logout");
    assert!(laptop.refresh_with(&first).await.unwrap().replayed, "the grace goes on");
    laptop.whoami().await.unwrap();
    laptop.refresh().await.unwrap();
    assert_eq!(list(&laptop, 0, "").await.unwrap().sessions.len(), 1);
}
