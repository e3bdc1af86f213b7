//! Acts of staff that are sent again with the same request id: they happen once, and answer as at first.

use std::fmt::Debug;

use tonic::Response;

use crate::{harness::*, staff::told_of};

const REASON: &str = "Asked for by letter";

/// Sends a request three times, the last time with another payload.
async fn repeat<M: Clone, R: PartialEq + Debug>(
    name: &str,
    request: M,
    other: M,
    call: impl AsyncFn(M) -> Result<Response<R>, Status>,
    between: impl AsyncFnOnce(),
) {
    let first = call(request.clone()).await.unwrap_or_else(|refused| panic!("{name}: {refused:?}")).into_inner();
    between().await;
    assert_eq!(call(request).await.unwrap().into_inner(), first, "{name}");
    let refused = call(other).await.err().unwrap_or_else(|| panic!("{name} takes another payload"));
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::RequestIdReused);
}

macro_rules! repeated {
    ($root:expr, $method:ident, $request:ident { $($field:ident: $value:expr),* }, $other:ident: $changed:expr, $between:expr) => {{
        #[allow(clippy::needless_update, reason = "some requests have no further fields")]
        let request = pb::$request { $($field: $value,)* request_id: request_id(7), ..Default::default() };
        let other = pb::$request { $other: $changed, ..request.clone() };
        repeat(stringify!($method), request, other, async |message| $root.admin().$method(message).await, $between).await
    }};
}

#[tokio::test]
async fn a_repeated_act_of_staff_happens_once() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let account_id = || ana.account_id().to_owned();
    let (reason, another) = (|| REASON.to_owned(), || "Another".to_owned());
    let set_tier = async |tier: pb::AccountTier| {
        let request =
            pb::SetTierRequest { account_id: account_id(), tier: tier.into(), reason: another(), ..Default::default() };
        root.admin().set_tier(request).await.unwrap();
    };
    let premium = pb::AccountTier::Premium.into();
    repeated!(
        root,
        set_tier,
        SetTierRequest { account_id: account_id(), tier: premium, reason: reason() },
        reason: another(),
        async || set_tier(pb::AccountTier::Free).await
    );
    assert_eq!(ana.whoami().await.unwrap().tier(), pb::AccountTier::Free);

    repeated!(
        root,
        revoke_account_sessions,
        RevokeAccountSessionsRequest { account_id: account_id(), reason: reason() },
        reason: another(),
        async || drop(world.login(&ana.email, PASSWORD).await.unwrap())
    );
    let ana = world.login(&ana.email, PASSWORD).await.unwrap();
    let suspend = pb::SuspendAccountRequest { account_id: account_id(), reason: another(), ..Default::default() };
    let reinstated = pb::ReinstateAccountRequest { account_id: account_id(), reason: another(), ..Default::default() };
    repeated!(
        root,
        suspend_account,
        SuspendAccountRequest { account_id: account_id(), reason: reason() },
        reason: another(),
        async || drop(root.admin().reinstate_account(reinstated).await.unwrap())
    );
    ana.whoami().await.unwrap_err();
    world.login(&ana.email, PASSWORD).await.unwrap();
    repeated!(
        root,
        reinstate_account,
        ReinstateAccountRequest { account_id: account_id(), reason: reason() },
        reason: another(),
        async || drop(root.admin().suspend_account(suspend).await.unwrap())
    );
    world.login(&ana.email, PASSWORD).await.err().expect("the later suspension stands");
    let told = told_of(&world, ana.account_id()).await;
    let count = |action: &str| told.iter().filter(|(done, _)| done == action).count();
    assert_eq!((count("account_tier_changed"), count("authn_sessions_ended")), (2, 1));
    assert_eq!((count("authn_account_suspended"), count("account_reinstated")), (2, 1));
}

#[tokio::test]
async fn a_repeated_look_key_and_erasure_happen_once() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let (account_id, reason, another) = (|| ana.account_id().to_owned(), || REASON.to_owned(), || "Another".to_owned());
    let start = pb::StartImpersonationRequest { account_id: account_id(), reason: reason(), ..Default::default() };
    let begun = async || root.admin().start_impersonation(start.clone()).await.unwrap().into_inner().session.unwrap();
    let (one, two) = (begun().await.session_id, begun().await.session_id);
    repeated!(root, stop_impersonation, StopImpersonationRequest { session_id: one }, session_id: two, async || {});

    let scopes = || vec!["accounts.list".to_owned()];
    let nothing = async || {};
    repeated!(
        root,
        create_service_account,
        CreateServiceAccountRequest { display_name: "Report".into(), scopes: scopes(), reason: reason() },
        scopes: Vec::new(),
        nothing
    );
    let list = pb::ListServiceAccountsRequest::default();
    let listed = root.admin().list_service_accounts(list).await.unwrap().into_inner().service_accounts;
    assert_eq!(listed.len(), 1);
    let key = || listed[0].keys[0].api_key_id.clone();
    repeated!(root, rotate_api_key, RotateApiKeyRequest { api_key_id: key(), reason: reason() }, reason: another(), nothing);
    repeated!(root, revoke_api_key, RevokeApiKeyRequest { api_key_id: key(), reason: reason() }, reason: another(), nothing);
    repeated!(
        root,
        erase_account,
        EraseAccountRequest { account_id: account_id(), reason: reason() },
        reason: another(),
        async || assert!(world.run_jobs().await > 0)
    );
    world.run_jobs().await;
}
