//! The trail of second factors.

use std::time::Duration;

use super::Walk;
use crate::harness::*;

/// Second factors, from the first to the last.
pub(super) async fn walk_factors(walk: &mut Walk<'_>) {
    let world = walk.world;
    let (eva, nobody) = (world.account("eva").await, world.anonymous());
    let begun = walk.act(&eva, pb::BeginTotpEnrollmentRequest::default(), calls!(factors.begin_totp_enrollment)).await;
    let app = Authenticator::scan(&begun.otpauth_uri);
    let request = pb::FinishTotpEnrollmentRequest {
        factor_id: begun.factor_id.clone(),
        code: app.code(world),
        ..Default::default()
    };
    let finished = walk.done(&eva, request, calls!(factors.finish_totp_enrollment)).await;
    eva.keep_access_token(&finished.change.unwrap().access_token);

    let request = pb::BeginPasskeyRegistrationRequest::default();
    let begun_passkey = walk.act(&eva, request, calls!(factors.begin_passkey_registration)).await;
    let mut device = Device::new();
    let request = pb::FinishPasskeyRegistrationRequest {
        flow_id: begun_passkey.flow_id,
        passkey_credential: device.make(&begun_passkey.passkey_options),
        ..Default::default()
    };
    let finished = walk.done(&eva, request, calls!(factors.finish_passkey_registration)).await;
    eva.keep_access_token(&finished.change.unwrap().access_token);
    let request = pb::UpdateFactorRequest {
        factor: Some(pb::Factor { name: "Laptop".into(), ..finished.factor.unwrap() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["name".into()] }),
        ..Default::default()
    };
    walk.act(&eva, request, calls!(factors.update_factor)).await;

    let begun_login =
        walk.done(&nobody, pb::BeginPasskeyLoginRequest::default(), calls!(factors.begin_passkey_login)).await;
    let proof = pb::continue_login_request::Proof::PasskeyCredential(device.sign(&begun_login.passkey_options));
    let request = pb::ContinueLoginRequest { flow_id: begun_login.flow_id, proof: Some(proof), ..Default::default() };
    walk.done(&nobody, request, calls!(sessions.continue_login)).await;
    world.advance(Duration::from_mins(1));
    let options = eva.ask_to_step_up().await.passkey_options;
    let proof = pb::step_up_request::Proof::PasskeyCredential(device.sign(&options));
    let request = pb::StepUpRequest { proof: Some(proof), ..Default::default() };
    walk.done(&eva, request, calls!(sessions.step_up)).await;

    walk.act(&eva, pb::RegenerateRecoveryCodesRequest::default(), calls!(factors.regenerate_recovery_codes)).await;
    let request = pb::DeleteFactorRequest { factor_id: begun.factor_id, ..Default::default() };
    walk.act(&eva, request, calls!(factors.delete_factor)).await;
    world.run_jobs().await;
}
