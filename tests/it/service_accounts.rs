//! Internal tools and the keys they call with.

use std::time::Duration;

use crate::{
    harness::{
        program::{backline, stderr, stdout},
        recording::Recording,
        rows, *,
    },
    staff::told_of,
};

const REASON: &str = "For the nightly report";

#[expect(clippy::unnecessary_wraps, reason = "as the message wants it")]
fn days(days: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds: days * 86_400, nanos: 0 })
}

fn report(scopes: &[&str]) -> pb::CreateServiceAccountRequest {
    pb::CreateServiceAccountRequest {
        display_name: "Nightly report".into(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        reason: REASON.into(),
        ..Default::default()
    }
}

/// A tool, its first key's id and text.
async fn made(root: &Actor, request: pb::CreateServiceAccountRequest) -> (pb::ServiceAccount, String, String) {
    let reply = root.admin().create_service_account(request).await.unwrap().into_inner();
    let account = reply.service_account.unwrap();
    let key = account.keys[0].api_key_id.clone();
    (account, key, reply.api_key)
}

async fn rotate(
    root: &Actor,
    key: &str,
    overlap: Option<prost_types::Duration>,
) -> Result<pb::RotateApiKeyResponse, Status> {
    let request =
        pb::RotateApiKeyRequest { api_key_id: key.into(), overlap, reason: REASON.into(), ..Default::default() };
    Ok(root.admin().rotate_api_key(request).await?.into_inner())
}

async fn revoke(root: &Actor, key: &str) -> Result<pb::ApiKey, Status> {
    let request = pb::RevokeApiKeyRequest { api_key_id: key.into(), reason: REASON.into(), ..Default::default() };
    Ok(root.admin().revoke_api_key(request).await?.into_inner().key.unwrap())
}

async fn tools(root: &Actor) -> Vec<pb::ServiceAccount> {
    let request = pb::ListServiceAccountsRequest::default();
    root.admin().list_service_accounts(request).await.unwrap().into_inner().service_accounts
}

async fn lists(tool: &Actor) -> Result<(), Status> {
    tool.admin().list_accounts(pb::ListAccountsRequest::default()).await.map(drop)
}

#[track_caller]
fn assert_ended(refused: &Status, cause: &str) {
    assert_reason(refused, Code::Unauthenticated, ErrorReason::ApiKeyEnded);
    assert_eq!(fact(refused, "cause").as_deref(), Some(cause));
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_no_more() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let (account, _, text) = made(&root, report(&["accounts.list"])).await;
    let tool = world.anonymous().with_access_token(&text);
    lists(&tool).await.unwrap();
    let own = tool.whoami().await.unwrap();
    assert_eq!((own.account_id.clone(), own.kind()), (account.account_id.clone(), pb::AccountKind::Service));
    assert_eq!(own.roles, [pb::Role::Listener as i32]);

    let missing = |refused: Status, permission: &str| {
        assert_reason(&refused, Code::PermissionDenied, ErrorReason::PermissionMissing);
        assert_eq!(fact(&refused, "permission").as_deref(), Some(permission));
    };
    let request = pb::SetTierRequest { account_id: ana.account_id().into(), ..Default::default() };
    missing(tool.admin().set_tier(request).await.unwrap_err(), "accounts.manage");
    let queue = pb::ListApplicationsRequest::default();
    missing(tool.applications().list_applications(queue).await.unwrap_err(), "applications.review");
    let request = pb::CreateApplicationRequest { stage_name: "Robots".into(), ..Default::default() };
    missing(tool.applications().create_application(request).await.unwrap_err(), "person");
}

#[tokio::test]
async fn a_key_that_only_reads_changes_nothing_and_none_passes_for_a_fresh_check() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let tier = pb::SetTierRequest {
        account_id: ana.account_id().into(),
        tier: pb::AccountTier::Premium.into(),
        reason: REASON.into(),
        ..Default::default()
    };
    let (_, _, text) =
        made(&root, pb::CreateServiceAccountRequest { read_only: true, ..report(&["accounts.manage"]) }).await;
    let reader = world.anonymous().with_access_token(&text);
    let refused = reader.admin().set_tier(tier.clone()).await.unwrap_err();
    assert_reason(&refused, Code::PermissionDenied, ErrorReason::PermissionMissing);
    assert_eq!(fact(&refused, "permission").as_deref(), Some("write"));

    let (account, _, text) = made(&root, report(&["accounts.manage"])).await;
    let writer = world.anonymous().with_access_token(&text);
    writer.admin().set_tier(tier).await.unwrap();
    let rows = crate::audit::trail(&world.db().await).await;
    let row = rows.iter().find(|row| row.action == "account_tier_changed").unwrap();
    assert_eq!(row.actor_id.unwrap().to_string(), account.account_id);
    let request =
        pb::SuspendAccountRequest { account_id: ana.account_id().into(), reason: REASON.into(), ..Default::default() };
    let refused = writer.admin().suspend_account(request).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::StepUpRequired);
    assert_eq!(fact(&refused, "methods").as_deref(), Some(""));
}

#[tokio::test]
async fn a_key_with_one_other_letter_is_refused_without_the_database() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let (_, _, text) = made(&root, report(&["accounts.list"])).await;
    let (outcome, cost) = world
        .statements(async || {
            for at in 0..text.len() {
                // In the alphabet of each part, so that nothing but the check is wrong.
                let other = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
                let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
                let refused = lists(&world.anonymous().with_access_token(&changed)).await.unwrap_err();
                assert_reason(&refused, Code::Unauthenticated, ErrorReason::AccessTokenInvalid);
            }
            for text in ["blk_", "blk_x_y_z", &text[..text.len() - 1], &format!("{text}0"), &text.to_uppercase()] {
                let refused = lists(&world.anonymous().with_access_token(text)).await.unwrap_err();
                assert_reason(&refused, Code::Unauthenticated, ErrorReason::AccessTokenInvalid);
            }
        })
        .await;
    assert_eq!((outcome, cost), ((), 0));
    lists(&world.anonymous().with_access_token(&text)).await.unwrap();
}

#[tokio::test]
async fn a_key_ends_when_its_time_is_over() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let (_, key, text) =
        made(&root, pb::CreateServiceAccountRequest { key_lifetime: days(30), ..report(&["accounts.list"]) }).await;
    let tool = world.anonymous().with_access_token(&text);
    world.advance(Duration::from_hours(30 * 24) - Duration::from_secs(1));
    lists(&tool).await.unwrap();
    world.advance(Duration::from_secs(1));
    assert_ended(&lists(&tool).await.unwrap_err(), "expired");
    // An expired key can still be replaced; its row goes 90 days later.
    let root = world.login(&root.email, PASSWORD).await.unwrap();
    let rotated = rotate(&root, &key, days(1)).await.unwrap();
    lists(&world.anonymous().with_access_token(&rotated.api_key)).await.unwrap();
    assert_ended(&lists(&tool).await.unwrap_err(), "expired");
    world.advance(Duration::from_hours(90 * 24));
    world.run_jobs().await;
    world.advance(Duration::from_hours(1));
    world.run_jobs().await;
    let root = world.login(&root.email, PASSWORD).await.unwrap();
    assert_eq!(tools(&root).await[0].keys.len(), 1);
}

#[tokio::test]
async fn a_revoked_key_and_a_suspended_tool_are_refused_everywhere_within_two_seconds() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let (second, channel) = world.second_server().await;
    let (_, key, text) = made(&root, report(&["accounts.list"])).await;
    let tool = world.anonymous().with_access_token(&text);
    let elsewhere = tool.through(channel);
    for place in [&tool, &elsewhere] {
        lists(place).await.unwrap();
    }
    for _ in 0..2 {
        assert!(revoke(&root, &key).await.unwrap().revoke_time.is_some());
    }
    for place in [&tool, &elsewhere] {
        eventually_within(Duration::from_secs(2), async || lists(place).await.is_err()).await;
        assert_ended(&lists(place).await.unwrap_err(), "revoked");
    }
    let refused = rotate(&root, &key, None).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::InvalidStateTransition);

    let (account, _, text) = made(&root, report(&["accounts.list"])).await;
    let elsewhere = elsewhere.with_access_token(&text);
    lists(&elsewhere).await.unwrap();
    let request =
        pb::SuspendAccountRequest { account_id: account.account_id, reason: REASON.into(), ..Default::default() };
    root.admin().suspend_account(request).await.unwrap();
    eventually_within(Duration::from_secs(2), async || lists(&elsewhere).await.is_err()).await;
    assert_ended(&lists(&elsewhere).await.unwrap_err(), "suspended");
    second.stop().await;
}

#[tokio::test]
async fn a_replaced_key_lives_on_for_the_overlap() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let (_, key, text) = made(&root, report(&["accounts.list"])).await;
    let overlap = Some(prost_types::Duration { seconds: 600, nanos: 0 });
    let rotated = rotate(&root, &key, overlap).await.unwrap();
    let (new, replaced) = (rotated.key.unwrap(), rotated.replaced.unwrap());
    assert_eq!((new.scopes.as_slice(), new.read_only), (["accounts.list".to_owned()].as_slice(), false));
    assert!(replaced.replace_time.is_some() && new.api_key_id != key && rotated.api_key != text);
    let (old, new) =
        (world.anonymous().with_access_token(&text), world.anonymous().with_access_token(&rotated.api_key));
    world.advance(Duration::from_secs(599));
    lists(&old).await.unwrap();
    lists(&new).await.unwrap();
    let refused = rotate(&root, &key, overlap).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::InvalidStateTransition);
    world.advance(Duration::from_secs(1));
    // What was read of a key is believed for a second.
    eventually_within(Duration::from_secs(2), async || lists(&old).await.is_err()).await;
    assert_ended(&lists(&old).await.unwrap_err(), "expired");
    lists(&new).await.unwrap();
}

#[tokio::test]
async fn a_thousand_calls_cost_a_few_look_ups_and_one_note_of_use() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let (_, _, text) = made(&root, report(&[])).await;
    let tool = world.anonymous().with_access_token(&text);
    let begun = std::time::Instant::now();
    let info = async || tool.server().get_server_info(pb::GetServerInfoRequest {}).await.unwrap();
    let ((), cost) = world
        .statements(async || {
            for _ in 0..1000 {
                info().await;
            }
        })
        .await;
    // A look-up each second, and the note.
    assert!(cost <= 3 + begun.elapsed().as_secs(), "{cost} statements");
    let key = tools(&root).await[0].keys[0].clone();
    assert_eq!(key.last_use_time.unwrap().seconds, world.now().micros() / 1_000_000);
    assert_eq!(key.last_use_address_prefix, "127.0.0.1/32");
    world.advance(Duration::from_mins(1));
    info().await;
    let key = tools(&root).await[0].keys[0].clone();
    assert_eq!(key.last_use_time.unwrap().seconds, world.now().micros() / 1_000_000);
}

#[tokio::test]
async fn the_key_is_shown_once_and_kept_nowhere() {
    let world = World::start().await;
    let log = Recording::default();
    let listening = log.listen();
    let root = world.admin("root").await;
    let (account, key, text) = made(&root, report(&["accounts.list"])).await;
    lists(&world.anonymous().with_access_token(&text)).await.unwrap();
    world.advance(Duration::from_secs(1));
    let rotated = rotate(&root, &key, None).await.unwrap();
    world.advance(Duration::from_secs(1));
    revoke(&root, &key).await.unwrap();
    drop(listening);
    let secret = text.split('_').nth(2).unwrap();
    let lines = log.lines().join("\n") + &format!("{:?}", rows::all(&world.db().await).await);
    for shown in [secret, rotated.api_key.split('_').nth(2).unwrap()] {
        assert_eq!(shown.len(), 64);
        for written in [shown.to_owned(), hex::encode(shown)] {
            assert!(!lines.to_lowercase().contains(&written), "a key is written somewhere");
        }
    }
    let told = told_of(&world, &account.account_id).await;
    let told: Vec<&str> = told.iter().map(|(action, _)| action.as_str()).collect();
    assert_eq!(told, ["service_account_created", "api_key_rotated", "api_key_revoked"]);
}

#[tokio::test]
async fn a_tool_never_signs_in_and_is_no_person() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let (account, ..) = made(&root, report(&[])).await;
    let id = account.account_id;
    let all = |filter: &str| pb::ListAccountsRequest { filter: filter.into(), ..Default::default() };
    let found = root.admin().list_accounts(all("kind = SERVICE")).await.unwrap().into_inner().accounts;
    assert_eq!(found.iter().map(|account| account.account_id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    let people = root.admin().list_accounts(all("")).await.unwrap().into_inner().accounts;
    assert!(people.iter().all(|account| account.account_id != id));
    let refused = world.login(&found[0].email, PASSWORD).await.err().unwrap();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::InvalidCredentials);

    let reason = || REASON.to_owned();
    let roles = vec![pb::Role::Admin.into()];
    let request = pb::SetRolesRequest { account_id: id.clone(), roles, reason: reason(), ..Default::default() };
    let one = root.admin().set_roles(request).await.unwrap_err();
    let tier = pb::AccountTier::Premium.into();
    let request = pb::SetTierRequest { account_id: id.clone(), tier, reason: reason(), ..Default::default() };
    let two = root.admin().set_tier(request).await.unwrap_err();
    let request = pb::StartImpersonationRequest { account_id: id, reason: reason(), ..Default::default() };
    let three = root.admin().start_impersonation(request).await.unwrap_err();
    for refused in [one, two, three] {
        assert_reason(&refused, Code::FailedPrecondition, ErrorReason::TargetIsService);
    }
}

#[tokio::test]
async fn malformed_requests_are_refused_whole_and_absent_keys_are_absent() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let request = pb::CreateServiceAccountRequest {
        display_name: " ".into(),
        scopes: vec!["accounts.list".into(), "accounts.erase".into(), "everything".into()],
        key_lifetime: days(366),
        request_id: String::new(),
        ..Default::default()
    };
    let refused = root.admin().create_service_account(request).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["display_name", "scopes[1]", "scopes[2]", "key_lifetime", "reason"]);
    let request = pb::CreateServiceAccountRequest { reason: String::new(), ..report(&[]) };
    let refused = root.admin().create_service_account(request).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::ReasonRequired);

    let (_, key, _) = made(&root, report(&[])).await;
    assert_eq!(violations(&rotate(&root, &key, days(2)).await.unwrap_err()), ["overlap"]);
    let absent = rotate(&root, "key_01h455vb4pex5vsknk084sn02q", None).await.unwrap_err();
    assert_reason(&absent, Code::NotFound, ErrorReason::ResourceNotFound);
    for id in ["key_01h455vb4pex5vsknk084sn02q", "key", "", &key.replace("key_", "acc_")] {
        assert_alike(&rotate(&root, id, None).await.unwrap_err(), &absent);
        assert_alike(&revoke(&root, id).await.unwrap_err(), &absent);
    }
    let request = pb::RevokeApiKeyRequest { api_key_id: key, ..Default::default() };
    let refused = root.admin().revoke_api_key(request).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::ReasonRequired);
}

#[tokio::test]
async fn a_repeat_shows_the_same_key_and_makes_no_other() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let request = pb::CreateServiceAccountRequest { request_id: request_id(1), ..report(&["audit.read"]) };
    let first = root.admin().create_service_account(request.clone()).await.unwrap().into_inner();
    assert_eq!(root.admin().create_service_account(request).await.unwrap().into_inner(), first);
    let tools = tools(&root).await;
    assert_eq!((tools.len(), tools[0].keys.len()), (1, 1));
    let request = pb::RotateApiKeyRequest {
        api_key_id: tools[0].keys[0].api_key_id.clone(),
        reason: REASON.into(),
        request_id: request_id(2),
        ..Default::default()
    };
    let first = root.admin().rotate_api_key(request.clone()).await.unwrap().into_inner();
    assert_eq!(root.admin().rotate_api_key(request).await.unwrap().into_inner(), first);
}

#[tokio::test]
async fn the_command_line_makes_a_tool_and_prints_its_key_alone() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let url = format!("database.url={}", world.database.url());
    let on_this = |arguments: &[&str]| {
        let all: Vec<&str> =
            ["admin", "create-service-account", "--set", &url].iter().chain(arguments).copied().collect();
        backline(world.folder.path(), &all).output().unwrap()
    };
    let output = on_this(&["--name", "Backup", "--scope", "accounts.list", "--read-only", "--days", "7"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    lists(&world.anonymous().with_access_token(text.trim_end())).await.unwrap();
    let tool = &tools(&root).await[0];
    assert_eq!((tool.display_name.as_str(), tool.keys[0].read_only), ("Backup", true));
    assert!(!stderr(&output).contains("blk_") && stderr(&output).contains(&tool.account_id));
    for wrong in
        [&["--name", " "][..], &["--name", "X", "--scope", "accounts.erase"], &["--name", "X", "--days", "366"]]
    {
        assert!(!on_this(wrong).status.success());
    }
}
