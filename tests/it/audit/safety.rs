//! The trail of people, and of what guards their accounts.

use std::time::Duration;

use super::Walk;
use crate::harness::*;

/// People and their accounts.
pub async fn walk_identity(walk: &mut Walk<'_>) {
    let world = walk.world;
    let nobody = world.anonymous();
    let request = pb::RegisterRequest {
        email: "ana@example.org".into(),
        password: PASSWORD.into(),
        display_name: "Ana".into(),
        ..Default::default()
    };
    let registration_id = walk.act(&nobody, request, calls!(accounts.register)).await.registration_id;
    world.run_jobs().await;
    world.advance(Duration::from_mins(1));
    let request = pb::ResendVerificationRequest { registration_id, ..Default::default() };
    walk.act(&nobody, request, calls!(accounts.resend_verification)).await;
    let token = world.newest_letter_to("ana@example.org").await.token().to_owned();
    let request = pb::VerifyEmailRequest { token, ..Default::default() };
    walk.act(&nobody, request, calls!(accounts.verify_email)).await;
    let request = pb::LoginRequest { email: "ana@example.org".into(), password: PASSWORD.into(), ..Default::default() };
    walk.act(&nobody, request, calls!(sessions.login)).await;

    let ana = world.login("ana@example.org", PASSWORD).await.unwrap();
    let request = pb::UpdateAccountRequest {
        account: Some(pb::Account { display_name: "Ana Sol".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
        ..Default::default()
    };
    walk.act(&ana, request, calls!(accounts.update_account)).await;
    let phone = ana.on_another_device("Phone").await;
    let request = pb::UpdateSessionRequest {
        session: Some(pb::Session { device_name: "Red phone".into(), ..phone.session.clone() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["device_name".into()] }),
        ..Default::default()
    };
    walk.act(&ana, request, calls!(sessions.update_session)).await;
    let request = pb::RevokeSessionRequest { session_id: phone.session_id().into() };
    walk.act(&ana, request, calls!(sessions.revoke_session)).await;
    ana.remember("ana@example.org").await;
    let devices = ana.sessions().list_devices(pb::ListDevicesRequest::default()).await.unwrap().into_inner().devices;
    let request = pb::ForgetDeviceRequest { device_id: devices[0].device_id.clone(), ..Default::default() };
    walk.act(&ana, request, calls!(sessions.forget_device)).await;
    let request = pb::RefreshSessionRequest { refresh_token: ana.refresh_token() };
    let refreshed = walk.done(&nobody, request, calls!(sessions.refresh_session)).await;
    ana.keep(refreshed.tokens.unwrap());
    ana.whoami().await.unwrap();
    walk.act(&ana, pb::LogoutRequest::default(), calls!(sessions.logout)).await;
}

/// What guards an account.
pub async fn walk_safety(walk: &mut Walk<'_>) {
    let (world, nobody) = (walk.world, walk.world.anonymous());
    let ines = world.account("ines").await;
    let request = pb::StartEmailChangeRequest { new_email: "ines.new@example.org".into(), ..Default::default() };
    walk.act(&ines, request, calls!(accounts.start_email_change)).await;
    let token = world.newest_letter_to("ines@example.org").await.token().to_owned();
    let request = pb::ConfirmEmailChangeRequest { token, ..Default::default() };
    walk.act(&ines, request, calls!(accounts.confirm_email_change)).await;
    let request = pb::ChangePasswordRequest {
        current_password: PASSWORD.into(),
        new_password: "nine slow clouds above the harbour".into(),
        ..Default::default()
    };
    walk.act(&ines, request, calls!(accounts.change_password)).await;
    let token = world.newest_letter_to("ines@example.org").await.token().to_owned();
    let request = pb::UndoSecurityChangeRequest { token, ..Default::default() };
    walk.act(&nobody, request, calls!(accounts.undo_security_change)).await;
    world.run_jobs().await;
    world.advance(Duration::from_mins(1));
    let request = pb::StartPasswordResetRequest { email: ines.email.clone(), ..Default::default() };
    walk.act(&nobody, request, calls!(accounts.start_password_reset)).await;
    let token = world.newest_letter_to("ines@example.org").await.token().to_owned();
    let new_password = PASSWORD.into();
    let request = pb::CompletePasswordResetRequest { token, new_password, ..Default::default() };
    walk.act(&nobody, request, calls!(accounts.complete_password_reset)).await;
    world.run_jobs().await;
}
