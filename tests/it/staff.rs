//! One way through everything that staff can do to accounts, for the trail and for the table of costs.

use backline::entity::audit_event::Model;

use crate::{audit::Walk, harness::*, statements::Meter};

macro_rules! calls {
    ($method:ident) => {
        async |actor: &Actor, message| actor.admin().$method(message).await
    };
}

const REASON: &str = "Asked for by letter";

/// Every act of staff, by `root` on `ana`, who stays a reviewer.
pub async fn walk(walk: &mut Walk<'_>, root: &Actor, ana: &Actor) {
    let id = ana.account_id().to_owned();
    let request = pb::SetTierRequest {
        account_id: id.clone(),
        tier: pb::AccountTier::Premium.into(),
        reason: REASON.into(),
        ..Default::default()
    };
    walk.act(root, request, calls!(set_tier)).await;
    let request =
        pb::RevokeAccountSessionsRequest { account_id: id.clone(), reason: REASON.into(), ..Default::default() };
    walk.act(root, request, calls!(revoke_account_sessions)).await;
    let request = pb::UnlockAccountRequest { account_id: id.clone(), reason: REASON.into(), ..Default::default() };
    walk.act(root, request, calls!(unlock_account)).await;
    let request = pb::SendPasswordResetRequest { account_id: id.clone(), reason: REASON.into(), ..Default::default() };
    walk.act(root, request, calls!(send_password_reset)).await;
    walk.world.run_jobs().await;
    let request = pb::StartImpersonationRequest { account_id: id.clone(), reason: REASON.into(), ..Default::default() };
    let begun = walk.act(root, request, calls!(start_impersonation)).await;
    let session_id = begun.session.unwrap().session_id;
    let request = pb::StopImpersonationRequest { session_id, ..Default::default() };
    walk.act(root, request, calls!(stop_impersonation)).await;
    let request = pb::SuspendAccountRequest { account_id: id.clone(), reason: REASON.into(), ..Default::default() };
    walk.act(root, request, calls!(suspend_account)).await;
    let request = pb::ReinstateAccountRequest { account_id: id.clone(), reason: REASON.into(), ..Default::default() };
    walk.act(root, request, calls!(reinstate_account)).await;
    let request = pb::SetRolesRequest {
        account_id: id,
        roles: vec![pb::Role::Reviewer.into()],
        reason: "Joins the jury".into(),
        ..Default::default()
    };
    walk.act(root, request, calls!(set_roles)).await;
    walk_last_resorts(walk, root).await;
    walk_tools(walk, root).await;
}

/// On a person of their own, of whom nothing is left.
async fn walk_last_resorts(walk: &mut Walk<'_>, root: &Actor) {
    let lee = walk.world.account("lee").await;
    lee.add_app(walk.world).await;
    let account_id = lee.account_id().to_owned();
    let request =
        pb::ResetFactorsRequest { account_id: account_id.clone(), reason: REASON.into(), ..Default::default() };
    walk.act(root, request, calls!(reset_factors)).await;
    let request = pb::EraseAccountRequest { account_id, reason: REASON.into(), ..Default::default() };
    walk.act(root, request, calls!(erase_account)).await;
    walk.world.run_jobs().await;
}

async fn walk_tools(walk: &mut Walk<'_>, root: &Actor) {
    let request = pb::CreateServiceAccountRequest {
        display_name: "Nightly report".into(),
        scopes: vec!["accounts.list".into()],
        reason: REASON.into(),
        ..Default::default()
    };
    let made = walk.act(root, request, calls!(create_service_account)).await;
    let api_key_id = made.service_account.unwrap().keys[0].api_key_id.clone();
    let request =
        pb::RotateApiKeyRequest { api_key_id: api_key_id.clone(), reason: REASON.into(), ..Default::default() };
    walk.act(root, request, calls!(rotate_api_key)).await;
    let request = pb::RevokeApiKeyRequest { api_key_id, reason: REASON.into(), ..Default::default() };
    walk.act(root, request, calls!(revoke_api_key)).await;
}

/// What each act and each list of staff costs, done by `sam` to `person`.
pub async fn costs(meter: &mut Meter<'_>, sam: &Actor, person: &Actor) {
    let account_id = person.account_id().to_owned();
    let reason = || REASON.to_owned();
    macro_rules! of {
        ($name:literal, $method:ident, $request:ident { $($field:ident: $value:expr),* }) => {{
            #[allow(clippy::needless_update, reason = "some requests have no further fields")]
            let request = pb::$request { $($field: $value,)* ..Default::default() };
            meter.of(concat!("AdminService/", $name), sam.admin().$method(request)).await.into_inner()
        }};
    }
    of!("GetAccountDetails", get_account_details, GetAccountDetailsRequest { account_id: account_id.clone() });
    of!("ListAccountSessions", list_account_sessions, ListAccountSessionsRequest { account_id: account_id.clone() });
    of!("ListLoginAttempts", list_login_attempts, ListLoginAttemptsRequest {});
    let tier = pb::AccountTier::Premium.into();
    of!("SetTier", set_tier, SetTierRequest { account_id: account_id.clone(), tier: tier, reason: reason() });
    of!("UnlockAccount", unlock_account, UnlockAccountRequest { account_id: account_id.clone(), reason: reason() });
    of!(
        "SendPasswordReset",
        send_password_reset,
        SendPasswordResetRequest { account_id: account_id.clone(), reason: reason() }
    );
    let begun = of!(
        "StartImpersonation",
        start_impersonation,
        StartImpersonationRequest { account_id: account_id.clone(), reason: reason() }
    );
    let session_id = begun.session.unwrap().session_id;
    of!("StopImpersonation", stop_impersonation, StopImpersonationRequest { session_id: session_id });
    of!(
        "RevokeAccountSessions",
        revoke_account_sessions,
        RevokeAccountSessionsRequest { account_id: account_id.clone(), reason: reason() }
    );
    of!("SuspendAccount", suspend_account, SuspendAccountRequest { account_id: account_id.clone(), reason: reason() });
    of!("ReinstateAccount", reinstate_account, ReinstateAccountRequest { account_id: account_id, reason: reason() });
    let lee = meter.world.account(&format!("lee{}", meter.world.letters_to(&person.email).len())).await;
    lee.add_app(meter.world).await;
    let account_id = lee.account_id().to_owned();
    of!("ResetFactors", reset_factors, ResetFactorsRequest { account_id: account_id.clone(), reason: reason() });
    of!("EraseAccount", erase_account, EraseAccountRequest { account_id: account_id, reason: reason() });
    meter.world.run_jobs().await;
    let made = of!(
        "CreateServiceAccount",
        create_service_account,
        CreateServiceAccountRequest { display_name: "Nightly report".to_owned(), reason: reason() }
    );
    let api_key_id = made.service_account.unwrap().keys[0].api_key_id.clone();
    of!("ListServiceAccounts", list_service_accounts, ListServiceAccountsRequest {});
    of!("RotateApiKey", rotate_api_key, RotateApiKeyRequest { api_key_id: api_key_id.clone(), reason: reason() });
    of!("RevokeApiKey", revoke_api_key, RevokeApiKeyRequest { api_key_id: api_key_id, reason: reason() });
}

/// The rows of the trail that are about this account, oldest first, with the reason given.
pub async fn told_of(world: &World, account_id: &str) -> Vec<(String, Option<String>)> {
    let id: backline::kernel::ids::AccountId = account_id.parse().unwrap();
    let rows: Vec<Model> = crate::audit::trail(&world.db().await).await;
    let about: Vec<Model> = rows.into_iter().filter(|row| row.subject_id == Some(id.into())).collect();
    let told = backline::audit::details(&world.db().await, world.app(), &about).await.unwrap();
    about.into_iter().zip(told).map(|(row, told)| (row.action, told.reason)).collect()
}
