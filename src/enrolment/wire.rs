//! Factors on the wire.

use tonic::Status;

use super::{
    domain::{Added, Renewed},
    passkey, totp,
};
use crate::{
    entity::factor::{self, Kind},
    factors,
    kernel::{
        Timestamp,
        ids::{FactorId, FlowId, Id},
        text,
    },
    pb,
    rpc::{Fields, Refusal, convert},
    sessions::{self, CarriedOn, DeviceTokenText, Opening, Required},
};

const MAX_NAME: usize = 60;
const MAX_DEVICE_NAME: usize = 100;
const MAX_CREDENTIAL_BYTES: usize = 65_536;

/// A factor as its owner sees it.
pub fn factor(row: &factor::Model, now: Option<Timestamp>) -> pb::Factor {
    pb::Factor {
        factor_id: row.id.to_string(),
        kind: match row.kind {
            Kind::Passkey => pb::FactorKind::Passkey,
            Kind::Totp => pb::FactorKind::Totp,
        }
        .into(),
        name: row.name.clone(),
        create_time: Some(convert::timestamp(row.created_at)),
        last_used_time: row.last_used_at.map(convert::timestamp),
        off: factors::is_off(row),
        locked_until_time: row.locked_until.filter(|until| now.is_some_and(|now| *until > now)).map(convert::timestamp),
    }
}

fn change(carried: &CarriedOn) -> pb::FactorChange {
    pb::FactorChange {
        access_token: carried.access.token.clone(),
        access_token_lifetime: Some(convert::duration(carried.access.lifetime)),
        ended_count: i32::try_from(carried.ended).unwrap_or(i32::MAX),
    }
}

/// A name as typed, or what such a factor is called if it has none.
pub fn name(text: &str, kind: &'static str) -> Result<String, Status> {
    let mut fields = Fields::default();
    let name = fields.read("name", text::optional_line(text, MAX_NAME));
    fields.finish(|| name).map(|name| if name.is_empty() { kind.to_owned() } else { name })
}

pub fn begun_totp(begun: &totp::Begun) -> pb::BeginTotpEnrollmentResponse {
    pb::BeginTotpEnrollmentResponse {
        factor_id: begun.factor.to_string(),
        otpauth_uri: begun.uri.clone(),
        secret: begun.secret.clone(),
        lifetime: Some(convert::duration(begun.lifetime)),
    }
}

/// The app that waits, and its first code without what people type between digits.
pub fn first_code(message: &pb::FinishTotpEnrollmentRequest) -> Result<(FactorId, String), Status> {
    let code: String = message.code.chars().filter(|c| !c.is_whitespace()).collect();
    let mut fields = Fields::default();
    let well_formed = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
    fields.expect(!message.factor_id.is_empty(), "factor_id", "must not be empty");
    fields.expect(well_formed, "code", "must be 6 digits");
    fields.finish(|| Some(()))?;
    let id = FactorId::parse(&message.factor_id).map_err(|_| factors::Error::NotFound)?;
    Ok((id, code))
}

pub fn added_totp(added: &Added) -> pb::FinishTotpEnrollmentResponse {
    pb::FinishTotpEnrollmentResponse {
        factor: Some(factor(&added.factor, None)),
        recovery_codes: added.codes.clone(),
        change: Some(change(&added.carried)),
    }
}

pub fn begun_passkey(begun: &passkey::Begun) -> pb::BeginPasskeyRegistrationResponse {
    pb::BeginPasskeyRegistrationResponse {
        flow_id: begun.flow.to_string(),
        passkey_options: begun.options.clone(),
        lifetime: Some(convert::duration(begun.lifetime)),
    }
}

/// The flow that a registration finishes. What is no flow at all is answered like one that is over.
pub fn made(message: &pb::FinishPasskeyRegistrationRequest) -> Result<FlowId, Status> {
    let json = &message.passkey_credential;
    let mut fields = Fields::default();
    fields.expect(!message.flow_id.is_empty(), "flow_id", "must not be empty");
    fields.expect(
        !json.is_empty() && json.len() <= MAX_CREDENTIAL_BYTES,
        "passkey_credential",
        "must be the JSON of a public-key credential, at most 65536 bytes",
    );
    fields.finish(|| Some(()))?;
    FlowId::parse(&message.flow_id).map_err(|_| factors::Error::FlowOver.into())
}

pub fn added_passkey(added: &Added) -> pb::FinishPasskeyRegistrationResponse {
    pb::FinishPasskeyRegistrationResponse {
        factor: Some(factor(&added.factor, None)),
        recovery_codes: added.codes.clone(),
        change: Some(change(&added.carried)),
    }
}

/// What a session by a passkey is to be like, and what says that the device is known.
pub fn opening(message: &pb::BeginPasskeyLoginRequest) -> Result<(Opening, Option<DeviceTokenText>), Status> {
    let mut fields = Fields::default();
    let device_name = fields.read("device_name", text::optional_line(&message.device_name, MAX_DEVICE_NAME));
    let transport = fields.read("session_transport", sessions::transport(message.session_transport));
    let device_token = sessions::device_token(&mut fields, &message.device_token);
    fields.finish(|| {
        let opening = Opening {
            device_name: device_name?,
            remember_device: message.remember_device,
            transport: transport?,
            proven: None,
            rehashed: None,
            device: None,
            is_news: None,
        };
        Some((opening, device_token))
    })
}

pub fn begun_login(required: Required) -> pb::BeginPasskeyLoginResponse {
    pb::BeginPasskeyLoginResponse {
        flow_id: required.flow.to_string(),
        passkey_options: required.passkey_options,
        lifetime: Some(convert::duration(required.lifetime)),
    }
}

/// Which factor gets which name.
pub fn renamed(message: &pb::UpdateFactorRequest) -> Result<(FactorId, String), Status> {
    let factor = message.factor.clone().unwrap_or_default();
    let paths = message.update_mask.as_ref().map(|mask| mask.paths.as_slice()).unwrap_or_default();
    if paths.is_empty() {
        return Err(Refusal::UpdateMaskInvalid("name at least one field".into()).into());
    }
    if let Some(other) = paths.iter().find(|path| *path != "name") {
        return Err(Refusal::UpdateMaskInvalid(format!("{other} cannot be changed; fields are: name")).into());
    }
    let mut fields = Fields::default();
    let name = fields.read("factor.name", text::line(&factor.name, MAX_NAME));
    let name = fields.finish(|| name)?;
    let id = FactorId::parse(&factor.factor_id).map_err(|_| factors::Error::NotFound)?;
    Ok((id, name))
}

pub fn removed(carried: &CarriedOn) -> pb::DeleteFactorResponse {
    pb::DeleteFactorResponse { change: Some(change(carried)) }
}

pub fn renewed(renewed: &Renewed) -> pb::RegenerateRecoveryCodesResponse {
    pb::RegenerateRecoveryCodesResponse {
        recovery_codes: renewed.codes.clone(),
        change: Some(change(&renewed.carried)),
    }
}
