//! Every method with every kind of caller, and the answer that the access table says.
//!
//! The message cannot be decoded, so whoever may call hears just that, and nothing is done; whoever may not is refused
//! before anybody looks at it. What a method adds by itself (whose things it is about) is not the table's, nor here.

use std::time::Duration;

use backline::{
    kernel::{Permission, Role, Roles, Scopes},
    rpc::{
        Rpc,
        access::{self, Who},
        list,
    },
};

use crate::harness::{protos::requests, raw::frame, *};

/// Who calls.
#[derive(Clone, Copy, Debug)]
enum As {
    Nobody,
    /// Signed in with these roles.
    Person(Roles),
    /// A member of staff who looks through a listener's eyes.
    Visitor,
    Key {
        scopes: Scopes,
        read_only: bool,
    },
    /// With the key of a tool that is suspended.
    Suspended,
    /// An administrator who must have a second factor, and has none.
    WithoutFactor,
}

/// What is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// The call may begin.
    Admitted,
    Missing,
    Forbidden,
    ReadsOnly,
    Stale,
    Ended,
}

/// What the table says, worked out without the gate.
fn expected(rpc: Rpc, who: As, fresh: bool) -> Heard {
    let access = access::of(rpc);
    let reads = list::READS.contains(&rpc);
    let allowed = |permission: Permission| match who {
        As::Nobody | As::Suspended | As::WithoutFactor => false,
        As::Person(roles) => roles.allow(permission),
        As::Visitor => Roles::LISTENER.allow(permission),
        As::Key { scopes, .. } => scopes.allow(permission),
    };
    let never_fresh = matches!(who, As::Visitor | As::Key { .. });
    match (access.who, who) {
        (Who::Anyone, _) => Heard::Admitted,
        (_, As::Nobody) => Heard::Missing,
        (_, As::Suspended) => Heard::Ended,
        (Who::With(_), As::WithoutFactor) => Heard::Stale,
        (Who::With(permission), _) if !allowed(permission) => Heard::Forbidden,
        (Who::With(_), As::Key { read_only: true, .. }) if !reads => Heard::Forbidden,
        (Who::SignedIn, As::Key { .. }) if !reads => Heard::Forbidden,
        (_, As::Visitor) if !reads && rpc != Rpc::SessionLogout => Heard::ReadsOnly,
        _ if access.fresh && (never_fresh || !fresh) => Heard::Stale,
        _ => Heard::Admitted,
    }
}

fn heard(refused: &Status) -> Heard {
    let reason = details(refused).error_info().map(|info| info.reason.clone()).unwrap_or_default();
    match reason.as_str() {
        "MESSAGE_MALFORMED" => Heard::Admitted,
        "ACCESS_TOKEN_MISSING" => Heard::Missing,
        "PERMISSION_MISSING" => Heard::Forbidden,
        "IMPERSONATION_READS_ONLY" => Heard::ReadsOnly,
        "STEP_UP_REQUIRED" => Heard::Stale,
        "API_KEY_ENDED" => Heard::Ended,
        other => panic!("nobody expects {other}: {refused:?}"),
    }
}

/// Everybody there is, each with a token.
async fn everybody(world: &World) -> Vec<(As, String)> {
    let listener = world.account("ana").await;
    let artist = world.account("eva").await;
    world.give_role(artist.account_id(), Role::Artist).await;
    let artist = world.login(&artist.email, PASSWORD).await.unwrap();
    let (reviewer, admin) = (world.reviewer("rui").await, world.admin("root").await);
    let request = pb::StartImpersonationRequest {
        account_id: listener.account_id().into(),
        reason: "They see no tracks".into(),
        ..Default::default()
    };
    let visit = admin.admin().start_impersonation(request).await.unwrap().into_inner();
    let mut all = vec![(As::Nobody, String::new()), (As::Visitor, visit.access_token)];
    let role = |role: Role| Roles::LISTENER.with(role);
    for (roles, actor) in [
        (Roles::LISTENER, &listener),
        (role(Role::Artist), &artist),
        (role(Role::Reviewer), &reviewer),
        (role(Role::Admin), &admin),
    ] {
        all.push((As::Person(roles), actor.access_token()));
    }
    for (scopes, who) in [
        (Scopes::NONE, As::Key { scopes: Scopes::NONE, read_only: false }),
        (Scopes::KEYS, As::Key { scopes: Scopes::KEYS, read_only: false }),
        (Scopes::KEYS, As::Key { scopes: Scopes::KEYS, read_only: true }),
        (Scopes::KEYS, As::Suspended),
    ] {
        let request = pb::CreateServiceAccountRequest {
            display_name: "Tool".into(),
            scopes: scopes.iter().map(|scope| scope.name().to_owned()).collect(),
            read_only: matches!(who, As::Key { read_only: true, .. }),
            reason: "For the matrix".into(),
            ..Default::default()
        };
        let made = admin.admin().create_service_account(request).await.unwrap().into_inner();
        if matches!(who, As::Suspended) {
            let account_id = made.service_account.unwrap().account_id;
            let reason = "For the matrix".to_owned();
            let request = pb::SuspendAccountRequest { account_id, reason, ..Default::default() };
            admin.admin().suspend_account(request).await.unwrap();
        }
        all.push((who, made.api_key));
    }
    all
}

/// What is heard instead of what the table says, if it is something else.
async fn judge(world: &World, path: &str, rpc: Rpc, (who, token): &(As, String), fresh: bool) -> Option<String> {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let headers = if token.is_empty() { &[][..] } else { &headers[..] };
    // A field of ten bytes of which there are none.
    let answer = world.grpc(path, headers, frame(&[0x0a, 10])).await.grpc();
    let (heard, expected) = (heard(&answer), expected(rpc, *who, fresh));
    (heard != expected).then(|| format!("{path} as {who:?}, fresh: {fresh}: {heard:?} instead of {expected:?}"))
}

#[tokio::test]
async fn every_method_answers_every_caller_as_the_access_table_says() {
    let world = World::start().await;
    let everybody = everybody(&world).await;
    let (mut wrong, mut judged) = (Vec::new(), 0);
    for fresh in [true, false] {
        if !fresh {
            world.advance(Duration::from_mins(11));
        }
        for (path, rpc, _) in requests() {
            for who in &everybody {
                wrong.extend(judge(&world, path, rpc, who, fresh).await);
                judged += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(judged, 2 * everybody.len() * list::ALL.len());
}

#[tokio::test]
async fn staff_who_must_have_a_factor_hold_no_office_in_any_method() {
    let world = World::with(&[("passkeys.staff_must_have_factor", "true")]).await;
    let root = (As::WithoutFactor, world.admin("root").await.access_token());
    let mut wrong = Vec::new();
    for (path, rpc, _) in requests() {
        wrong.extend(judge(&world, path, rpc, &root, true).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_matrix_has_every_answer_in_it() {
    let callers =
        [As::Nobody, As::Person(Roles::LISTENER), As::Visitor, As::Key { scopes: Scopes::KEYS, read_only: true }];
    let all: Vec<Heard> = list::ALL
        .iter()
        .flat_map(|(_, rpc)| callers.map(|who| expected(*rpc, who, true)))
        .chain([expected(Rpc::AdminSetRoles, As::Person(Roles::LISTENER.with(Role::Admin)), false)])
        .collect();
    for heard in [Heard::Admitted, Heard::Missing, Heard::Forbidden, Heard::ReadsOnly, Heard::Stale] {
        assert!(all.contains(&heard), "{heard:?} is never expected");
    }
}
