//! What staff do to accounts: finding, looking, tier, suspension, sessions.

use std::time::Duration;

use sea_orm::ConnectionTrait;

use crate::{
    harness::{
        guests::{WRONG, address, caller_from, right_words, signed_in, words},
        stages::crowd,
        *,
    },
    staff::told_of,
};

const REASON: &str = "Asked for by letter";
const ABSENT: &str = "acc_01h455vb4pex5vsknk084sn02q";

async fn suspend(actor: &Actor, account_id: &str, until: Option<i64>) -> Result<pb::SuspendAccountResponse, Status> {
    let request = pb::SuspendAccountRequest {
        account_id: account_id.into(),
        reason: REASON.into(),
        until_time: until.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 }),
        ..Default::default()
    };
    Ok(actor.admin().suspend_account(request).await?.into_inner())
}

async fn reinstate(actor: &Actor, account_id: &str) -> Result<pb::Account, Status> {
    let request =
        pb::ReinstateAccountRequest { account_id: account_id.into(), reason: REASON.into(), ..Default::default() };
    Ok(actor.admin().reinstate_account(request).await?.into_inner().account.unwrap())
}

async fn set_tier(actor: &Actor, account_id: &str, tier: pb::AccountTier) -> Result<pb::Account, Status> {
    let request = pb::SetTierRequest {
        account_id: account_id.into(),
        tier: tier.into(),
        reason: REASON.into(),
        ..Default::default()
    };
    Ok(actor.admin().set_tier(request).await?.into_inner().account.unwrap())
}

async fn revoke(actor: &Actor, account_id: &str, session_id: &str) -> Result<i32, Status> {
    let request = pb::RevokeAccountSessionsRequest {
        account_id: account_id.into(),
        session_id: session_id.into(),
        reason: REASON.into(),
        ..Default::default()
    };
    Ok(actor.admin().revoke_account_sessions(request).await?.into_inner().ended_count)
}

async fn listed(actor: &Actor, filter: &str) -> Result<Vec<String>, Status> {
    let request = pb::ListAccountsRequest { filter: filter.into(), ..Default::default() };
    let reply = actor.admin().list_accounts(request).await?.into_inner();
    Ok(reply.accounts.into_iter().map(|account| account.email).collect())
}

async fn details(actor: &Actor, account_id: &str) -> Result<pb::AccountDetails, Status> {
    let request = pb::GetAccountDetailsRequest { account_id: account_id.into() };
    Ok(actor.admin().get_account_details(request).await?.into_inner().details.unwrap())
}

async fn attempts(actor: &Actor, filter: &str) -> Result<Vec<pb::LoginAttempt>, Status> {
    let (mut walked, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListLoginAttemptsRequest { page_size: 2, page_token, filter: filter.into() };
        let reply = actor.admin().list_login_attempts(request).await?.into_inner();
        walked.extend(reply.attempts);
        page_token = reply.next_page_token;
        if page_token.is_empty() {
            return Ok(walked);
        }
    }
}

fn seconds_of(world: &World) -> i64 {
    world.now().micros() / 1_000_000
}

fn rfc3339(seconds: i64) -> String {
    prost_types::Timestamp { seconds, nanos: 0 }.to_string()
}

#[tokio::test]
async fn a_suspended_account_is_out_at_once_on_every_server() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let (second, channel) = world.second_server().await;
    let elsewhere = ana.through(channel);
    elsewhere.whoami().await.unwrap();

    let reply = suspend(&root, ana.account_id(), None).await.unwrap();
    assert_eq!((reply.account.unwrap().status(), reply.ended_session_count), (pb::AccountStatus::Suspended, 1));
    let refused = ana.whoami().await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::SessionRevoked);
    assert_eq!(fact(&refused, "cause").as_deref(), Some("suspended"));
    eventually_within(Duration::from_secs(2), async || elsewhere.whoami().await.is_err()).await;
    let refused = world.login(&ana.email, PASSWORD).await.err().unwrap();
    assert_reason(&refused, Code::PermissionDenied, ErrorReason::AccountSuspended);
    ana.refresh().await.unwrap_err();

    assert_eq!(suspend(&root, ana.account_id(), None).await.unwrap().ended_session_count, 0);
    world.advance(Duration::from_secs(1));
    assert_eq!(reinstate(&root, ana.account_id()).await.unwrap().status(), pb::AccountStatus::Active);
    assert_eq!(reinstate(&root, ana.account_id()).await.unwrap().status(), pb::AccountStatus::Active);
    world.login(&ana.email, PASSWORD).await.unwrap();
    assert!(ana.whoami().await.is_err(), "its sessions stay ended");
    let told = told_of(&world, ana.account_id()).await;
    let told: Vec<_> = told.iter().filter(|(_, reason)| reason.as_deref() == Some(REASON)).collect();
    assert_eq!(
        told.iter().map(|(action, _)| action.as_str()).collect::<Vec<_>>(),
        ["authn_account_suspended", "account_reinstated"]
    );
    second.stop().await;
}

#[tokio::test]
async fn a_suspension_ends_by_itself_whether_or_not_it_was_cleared_away() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let until = seconds_of(&world) + 3600;
    suspend(&root, ana.account_id(), Some(until)).await.unwrap();
    let seen = details(&root, ana.account_id()).await.unwrap();
    assert_eq!(seen.suspend_until_time.unwrap().seconds, until);
    world.login(&ana.email, PASSWORD).await.err().unwrap();

    world.advance(Duration::from_hours(1));
    world.login(&ana.email, PASSWORD).await.unwrap();
    world.run_jobs().await;
    world.advance(Duration::from_mins(5));
    world.run_jobs().await;
    let root = world.login(&root.email, PASSWORD).await.unwrap();
    assert_eq!(listed(&root, "status = SUSPENDED").await.unwrap(), Vec::<String>::new());
    let told = told_of(&world, ana.account_id()).await;
    assert_eq!(told.last().unwrap(), &("account_reinstated".to_owned(), Some("its time is over".to_owned())));
}

#[tokio::test]
async fn suspensions_of_a_crowd_end_all_the_same() {
    let world = World::start().await;
    let root = world.admin("root").await;
    crowd(&world, 0..450).await;
    let suspended = format!(
        "UPDATE account SET status = 'suspended', suspended_until = {} WHERE email LIKE 'crowd%'",
        world.now().micros()
    );
    world.db().await.execute_unprepared(&suspended).await.unwrap();
    world.run_jobs().await;
    world.advance(Duration::from_mins(5));
    world.run_jobs().await;
    assert_eq!(listed(&root, "status = SUSPENDED").await.unwrap(), Vec::<String>::new());
    let trail = crate::audit::trail(&world.db().await).await;
    assert_eq!(trail.iter().filter(|row| row.action == "account_reinstated").count(), 450);
}

#[tokio::test]
async fn nobody_suspends_themselves_and_one_administrator_stays() {
    let world = World::start().await;
    let (root, eva) = (world.admin("root").await, world.admin("eva").await);
    let refused = suspend(&root, root.account_id(), None).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::TargetIsSelf);

    let (one, two) = tokio::join!(suspend(&root, eva.account_id(), None), suspend(&eva, root.account_id(), None));
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    let (stays, refused) = if one.is_ok() { (&root, two) } else { (&eva, one) };
    // The slower one is refused by the guard, or has no session any more.
    let refused = refused.unwrap_err();
    assert!(matches!(refused.code(), Code::FailedPrecondition | Code::Unauthenticated), "{refused:?}");
    assert_eq!(listed(stays, "role = ADMIN AND status = ACTIVE").await.unwrap(), [stays.email.as_str()]);
}

#[tokio::test]
async fn a_new_tier_counts_at_once() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    for _ in 0..2 {
        let account = set_tier(&root, ana.account_id(), pb::AccountTier::Premium).await.unwrap();
        assert_eq!(account.tier(), pb::AccountTier::Premium);
    }
    assert_eq!(ana.whoami().await.unwrap().tier(), pb::AccountTier::Premium);
    let told = told_of(&world, ana.account_id()).await;
    assert_eq!(told.iter().filter(|(action, _)| action == "account_tier_changed").count(), 1);
    assert_eq!(listed(&root, "tier = PREMIUM").await.unwrap(), [ana.email.as_str()]);
    assert_eq!(listed(&root, "tier = FREE").await.unwrap(), [root.email.as_str()]);
}

#[tokio::test]
async fn accounts_are_found_by_age_and_last_sign_of_life() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let begun = seconds_of(&world);
    for name in ["ana", "eva"] {
        world.advance(Duration::from_mins(1));
        world.account(name).await;
    }
    let at = |minutes: i64| rfc3339(begun + 60 * minutes);
    let of = async |filter: String| listed(&root, &filter).await.unwrap();
    assert_eq!(of(format!("create_time >= \"{}\"", at(1))).await, ["eva@example.org", "ana@example.org"]);
    assert_eq!(of(format!("create_time >= \"{}\" AND create_time < \"{}\"", at(1), at(2))).await, ["ana@example.org"]);
    assert_eq!(of(format!("last_seen_time < \"{}\"", at(1))).await, ["root@example.org"]);
    assert_eq!(of(format!("last_seen_time >= \"{}\" AND role = LISTENER", at(2))).await, ["eva@example.org"]);
    assert_eq!(of("kind = SERVICE".to_owned()).await, Vec::<String>::new());
    assert_eq!(of("kind = PERSON AND status = ACTIVE".to_owned()).await.len(), 3);
    for filter in ["create_time = \"2026-03-01T00:00:00Z\"", "create_time < soon", "tier = GOLD", "kind < PERSON"] {
        let refused = listed(&root, filter).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FilterInvalid);
    }
}

#[tokio::test]
async fn details_say_what_staff_must_know() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    ana.on_another_device("Phone").await;
    world.login(&ana.email, "a wrong password").await.err().unwrap();
    let seen = details(&root, ana.account_id()).await.unwrap();
    assert_eq!(seen.account.unwrap().email, ana.email);
    assert_eq!((seen.live_session_count, seen.failed_login_count), (2, 1));
    assert_eq!((seen.artist_count, seen.application_count, seen.factor_kinds.len()), (0, 0, 0));
    assert_eq!(seen.last_login_time.unwrap().seconds, seconds_of(&world));
    assert!(seen.suspend_until_time.is_none() && seen.delete_time.is_none() && seen.purge_time.is_none());
    assert!(seen.login_locked_until_time.is_none() && seen.password_off_time.is_none());
    assert_eq!(seen.remembered_device_count, 0);
    caller_from(&world, address(0)).remember(&ana.email).await;
    assert_eq!(details(&root, ana.account_id()).await.unwrap().remembered_device_count, 1);
    world.run_jobs().await;
    assert_reason(&details(&root, ABSENT).await.unwrap_err(), Code::NotFound, ErrorReason::ResourceNotFound);
}

#[tokio::test]
async fn staff_end_the_lock_that_wrong_passwords_made() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    world.advance(Duration::from_secs(1));
    let stranger = world.anonymous();
    for _ in 0..5 {
        stranger.login_solving(words(&ana.email, WRONG)).await.unwrap_err();
    }
    let refused = stranger.login_solving(right_words(&ana.email)).await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::InvalidCredentials);
    world.run_jobs().await;
    let locked_until =
        async || details(&root, ana.account_id()).await.unwrap().login_locked_until_time.map(|time| time.seconds);
    assert_eq!(locked_until().await, Some(seconds_of(&world) + 15 * 60));
    let ask = async |account_id: &str, reason: &str| {
        let request = pb::UnlockAccountRequest {
            account_id: account_id.into(),
            reason: reason.into(),
            request_id: request_id(1),
        };
        root.admin().unlock_account(request).await
    };
    assert_reason(&ask(ABSENT, REASON).await.unwrap_err(), Code::NotFound, ErrorReason::ResourceNotFound);
    let refused = ask(ana.account_id(), "").await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::ReasonRequired);
    world.advance(Duration::from_secs(1));
    for _ in 0..2 {
        ask(ana.account_id(), REASON).await.unwrap();
    }
    assert_eq!(locked_until().await, None);
    signed_in(stranger.login_solving(right_words(&ana.email)).await);
    let told = told_of(&world, ana.account_id()).await;
    assert_eq!(told.iter().filter(|(action, _)| action == "authn_account_unlocked").count(), 1);
}

#[tokio::test]
async fn staff_send_a_letter_and_never_set_a_password() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let request = pb::SendPasswordResetRequest {
        account_id: ana.account_id().into(),
        reason: REASON.into(),
        request_id: request_id(1),
    };
    let before = world.letters_to(&ana.email).len();
    for _ in 0..2 {
        root.admin().send_password_reset(request.clone()).await.unwrap();
        world.run_jobs().await;
    }
    let letters = world.letters_to(&ana.email);
    assert_eq!(letters.len(), before + 1);
    world.login(&ana.email, PASSWORD).await.unwrap();
    let token = letters.last().unwrap().token().to_owned();
    let new = "nine patient lanterns glow";
    let request = pb::CompletePasswordResetRequest { token, new_password: new.into(), ..Default::default() };
    world.anonymous().accounts().complete_password_reset(request).await.unwrap();
    world.login(&ana.email, new).await.unwrap();
    world.run_jobs().await;
    let request =
        pb::SendPasswordResetRequest { account_id: ABSENT.into(), reason: REASON.into(), ..Default::default() };
    let absent = root.admin().send_password_reset(request).await.unwrap_err();
    assert_reason(&absent, Code::NotFound, ErrorReason::ResourceNotFound);
    let request = pb::SendPasswordResetRequest { account_id: ana.account_id().into(), ..Default::default() };
    let refused = root.admin().send_password_reset(request).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::ReasonRequired);
}

#[tokio::test]
async fn staff_see_and_end_a_persons_sessions() {
    let world = World::start().await;
    let (root, ana, eva) = (world.admin("root").await, world.account("ana").await, world.account("eva").await);
    let phone = ana.on_another_device("Phone").await;
    let request = pb::ListAccountSessionsRequest { account_id: ana.account_id().into(), ..Default::default() };
    let sessions = root.admin().list_account_sessions(request).await.unwrap().into_inner().sessions;
    assert_eq!(sessions.len(), 2);
    assert!(sessions.iter().all(|session| !session.current && !session.impersonated));

    let foreign = revoke(&root, ana.account_id(), eva.session_id()).await.unwrap_err();
    assert_reason(&foreign, Code::NotFound, ErrorReason::ResourceNotFound);
    assert_alike(&revoke(&root, ana.account_id(), "ses_nonsense").await.unwrap_err(), &foreign);
    assert_eq!(revoke(&root, ana.account_id(), phone.session_id()).await.unwrap(), 1);
    assert_eq!(revoke(&root, ana.account_id(), phone.session_id()).await.unwrap(), 0);
    let refused = phone.whoami().await.unwrap_err();
    assert_eq!(fact(&refused, "cause").as_deref(), Some("ended_by_staff"));
    ana.whoami().await.unwrap();
    assert_eq!(revoke(&root, ana.account_id(), "").await.unwrap(), 1);
    ana.whoami().await.unwrap_err();
    eva.whoami().await.unwrap();
    world.login(&ana.email, PASSWORD).await.unwrap();
    let absent = revoke(&root, ABSENT, "").await.unwrap_err();
    assert_reason(&absent, Code::NotFound, ErrorReason::ResourceNotFound);
}

#[tokio::test]
async fn tries_to_sign_in_are_found_by_whose_whence_and_how_they_ended() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    world.advance(Duration::from_mins(1));
    let begun = rfc3339(seconds_of(&world));
    world.login(&ana.email, "a wrong password").await.err().unwrap();
    world.advance(Duration::from_secs(1));
    world.login("nobody@example.org", PASSWORD).await.err().unwrap();
    let outcomes = |found: Vec<pb::LoginAttempt>| found.into_iter().map(|it| it.outcome).collect::<Vec<_>>();
    let all = attempts(&root, "").await.unwrap();
    assert_eq!(outcomes(all.clone())[..2], ["UNKNOWN_ACCOUNT", "WRONG_CREDENTIALS"]);
    assert_eq!((all[0].account_id.as_str(), all[1].account_id.as_str()), ("", ana.account_id()));
    let of_ana = attempts(&root, &format!("account_id = {}", ana.account_id())).await.unwrap();
    assert_eq!(outcomes(of_ana), ["WRONG_CREDENTIALS", "SUCCEEDED"]);
    assert_eq!(attempts(&root, "address_prefix = \"127.0.0.1/32\"").await.unwrap().len(), all.len());
    assert_eq!(attempts(&root, "address_prefix = \"192.0.2.7/32\"").await.unwrap(), []);
    assert_eq!(attempts(&root, "outcome = WRONG_CREDENTIALS").await.unwrap().len(), 1);
    assert_eq!(attempts(&root, &format!("create_time >= \"{begun}\"")).await.unwrap().len(), 2);
    assert_eq!(attempts(&root, &format!("create_time < \"{begun}\"")).await.unwrap().len(), all.len() - 2);
    for filter in ["account_id = ana", "outcome = FINE", "address_prefix = \"home sweet\"", "email = \"a@b.org\""] {
        let refused = attempts(&root, filter).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FilterInvalid);
    }
}

#[tokio::test]
async fn acts_of_staff_want_a_reason_and_sound_fields() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let id = ana.account_id().to_owned();
    let no_reason = |refused: Status| assert_reason(&refused, Code::InvalidArgument, ErrorReason::ReasonRequired);
    let request = pb::SuspendAccountRequest { account_id: id.clone(), reason: " ".into(), ..Default::default() };
    no_reason(root.admin().suspend_account(request).await.unwrap_err());
    let request = pb::ReinstateAccountRequest { account_id: id.clone(), ..Default::default() };
    no_reason(root.admin().reinstate_account(request).await.unwrap_err());
    let request = pb::RevokeAccountSessionsRequest { account_id: id.clone(), ..Default::default() };
    no_reason(root.admin().revoke_account_sessions(request).await.unwrap_err());
    let request = pb::SetTierRequest { account_id: id.clone(), tier: 9, ..Default::default() };
    assert_eq!(violations(&root.admin().set_tier(request).await.unwrap_err()), ["tier", "reason"]);
    let refused = suspend(&root, &id, Some(seconds_of(&world))).await.unwrap_err();
    assert_eq!(violations(&refused), ["until_time"]);
    for id in [ABSENT, "ana", ""] {
        let absent = suspend(&root, id, None).await.unwrap_err();
        assert_reason(&absent, Code::NotFound, ErrorReason::ResourceNotFound);
        assert_alike(&reinstate(&root, id).await.unwrap_err(), &absent);
        assert_alike(&set_tier(&root, id, pb::AccountTier::Free).await.unwrap_err(), &absent);
        assert_alike(&details(&root, id).await.unwrap_err(), &absent);
        assert_alike(&revoke(&root, id, "").await.unwrap_err(), &absent);
    }
    ana.whoami().await.unwrap();
}

#[tokio::test]
async fn a_stale_sign_in_suspends_nobody() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    world.advance(Duration::from_mins(10));
    let refused = suspend(&root, ana.account_id(), None).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::StepUpRequired);
    set_tier(&root, ana.account_id(), pb::AccountTier::Premium).await.unwrap();
}
