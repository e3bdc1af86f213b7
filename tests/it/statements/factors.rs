//! What second factors cost.

use std::time::Duration;

use super::Meter;
use crate::harness::*;

/// A person's factors, from the first to the last.
pub(super) async fn factors(meter: &mut Meter<'_>, world: &World, person: &Actor) {
    let anyone = world.anonymous();
    let request = pb::BeginTotpEnrollmentRequest::default();
    let reply = meter.of("FactorService/BeginTotpEnrollment", person.factors().begin_totp_enrollment(request)).await;
    let begun = reply.into_inner();
    let app = Authenticator::scan(&begun.otpauth_uri);
    let finish = pb::FinishTotpEnrollmentRequest {
        factor_id: begun.factor_id.clone(),
        code: app.code(world),
        ..Default::default()
    };
    let finished =
        meter.of("FactorService/FinishTotpEnrollment", person.factors().finish_totp_enrollment(finish)).await;
    person.keep_access_token(&finished.into_inner().change.unwrap().access_token);

    let request = pb::BeginPasskeyRegistrationRequest::default();
    let asked =
        meter.of("FactorService/BeginPasskeyRegistration", person.factors().begin_passkey_registration(request)).await;
    let (asked, mut device) = (asked.into_inner(), Device::new());
    let finish = pb::FinishPasskeyRegistrationRequest {
        flow_id: asked.flow_id,
        passkey_credential: device.make(&asked.passkey_options),
        ..Default::default()
    };
    let finish = async { person.factors().finish_passkey_registration(finish).await };
    let finished = meter.of("FactorService/FinishPasskeyRegistration", finish).await.into_inner();
    person.keep_access_token(&finished.change.unwrap().access_token);
    let list = pb::ListFactorsRequest {};
    meter.of("FactorService/ListFactors", person.factors().list_factors(list)).await;
    let rename = pb::UpdateFactorRequest {
        factor: Some(pb::Factor { name: "Laptop".into(), ..finished.factor.unwrap() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["name".into()] }),
        ..Default::default()
    };
    meter.of("FactorService/UpdateFactor", person.factors().update_factor(rename)).await;

    let request = pb::BeginPasskeyLoginRequest::default();
    meter.of("FactorService/BeginPasskeyLogin", anyone.factors().begin_passkey_login(request)).await;
    world.advance(Duration::from_mins(1));
    let flow = anyone.begin_login(&person.email).await.flow_id;
    let proof = pb::continue_login_request::Proof::TotpCode(app.code(world));
    meter.of("SessionService/ContinueLogin", anyone.continue_login(&flow, proof)).await;
    world.advance(Duration::from_mins(1));
    let options = person.ask_to_step_up().await.passkey_options;
    let proof = pb::step_up_request::Proof::PasskeyCredential(device.sign(&options));
    meter.of("SessionService/StepUp", person.step_up(Some(proof))).await;

    let renew = pb::RegenerateRecoveryCodesRequest::default();
    meter.of("FactorService/RegenerateRecoveryCodes", person.factors().regenerate_recovery_codes(renew)).await;
    let delete = pb::DeleteFactorRequest { factor_id: begun.factor_id, ..Default::default() };
    meter.of("FactorService/DeleteFactor", person.factors().delete_factor(delete)).await;
    world.run_jobs().await;
}
