//! Sessions on the wire.

use std::time::Duration;

use tonic::Status;

use super::{
    Error,
    begin::{SignedIn, Tokens},
    device_store::SeenDevice,
    end::Scope,
    flow::{Required, Step},
    login::{Credentials, DeviceTokenText},
    own::Renamed,
    refresh::Refreshed,
    step_up::{Proof, SteppedUp},
};
use crate::{
    accounts, challenges,
    entity::session::{self, Transport},
    factors::{
        self, Given,
        wire::{passkey, recovery_code, totp},
    },
    kernel::{
        Password, Timestamp,
        ids::{FlowId, Id, SessionId},
        text,
    },
    pb,
    rpc::{Fields, Refusal, convert},
};

const MAX_DEVICE_NAME: usize = 100;
/// Longer than any accepted password: typing errors are judged like wrong passwords, floods are not hashed.
const MAX_TYPED_PASSWORD: usize = 1024;
const MAX_DEVICE_TOKEN: usize = 256;

pub fn credentials(message: &pb::LoginRequest) -> Result<Credentials, Status> {
    let mut fields = Fields::default();
    let email = fields.read("email", message.email.parse());
    let device_name = fields.read("device_name", text::optional_line(&message.device_name, MAX_DEVICE_NAME));
    let transport = fields.read("session_transport", transport(message.session_transport));
    let solution = challenges::solution(&mut fields, message.challenge_solution.as_ref());
    let device_token = device_token(&mut fields, &message.device_token);
    typed_password(&mut fields, &message.password);
    fields.finish(|| {
        Some(Credentials {
            email: email?,
            password: Password::new(&message.password),
            device_name: device_name?,
            remember_device: message.remember_device,
            transport: transport?,
            solution,
            device_token,
        })
    })
}

/// What says that the device is known, if anything does.
pub fn device_token(fields: &mut Fields, text: &str) -> Option<DeviceTokenText> {
    fields.expect(text.len() <= MAX_DEVICE_TOKEN, "device_token", "is longer than any device token");
    (!text.is_empty()).then(|| DeviceTokenText(text.to_owned()))
}

/// How the refresh token is to travel.
pub fn transport(number: i32) -> Result<Transport, &'static str> {
    match pb::SessionTransport::try_from(number) {
        Ok(pb::SessionTransport::Unspecified | pb::SessionTransport::Bearer) => Ok(Transport::Bearer),
        Ok(pb::SessionTransport::Cookie) => Ok(Transport::Cookie),
        Err(_) => Err("must be BEARER or COOKIE"),
    }
}

pub fn scope(message: pb::LogoutRequest) -> Result<Scope, Status> {
    let mut fields = Fields::default();
    let scope = match pb::LogoutScope::try_from(message.scope) {
        Ok(pb::LogoutScope::Unspecified | pb::LogoutScope::This) => Some(Scope::This),
        Ok(pb::LogoutScope::Others) => Some(Scope::Others),
        Ok(pb::LogoutScope::All) => Some(Scope::All),
        Err(_) => {
            fields.refuse("scope", "must be THIS, OTHERS or ALL");
            None
        }
    };
    fields.finish(|| scope)
}

/// Which session, and its new name. `current` is the session of the call.
pub fn rename(message: &pb::UpdateSessionRequest, current: SessionId) -> Result<(SessionId, String), Status> {
    let paths = message.update_mask.as_ref().map(|mask| mask.paths.as_slice()).unwrap_or_default();
    if paths.is_empty() || paths.iter().any(|path| path != "device_name") {
        return Err(Refusal::UpdateMaskInvalid("device_name alone can be changed, and must be named".into()).into());
    }
    let session = message.session.clone().unwrap_or_default();
    let mut fields = Fields::default();
    let name = fields.read("session.device_name", text::optional_line(&session.device_name, MAX_DEVICE_NAME));
    let name = fields.finish(|| name)?;
    Ok((session_or(&session.session_id, current)?, name))
}

/// An id that may be left out for the session of the call. What is no id is answered like one of nobody.
pub fn session_or(id: &str, current: SessionId) -> Result<SessionId, Error> {
    if id.is_empty() { Ok(current) } else { SessionId::parse(id).map_err(|_| Error::NotFound) }
}

pub fn resume_after(message: pb::WatchSessionRequest) -> Result<i64, Status> {
    let mut fields = Fields::default();
    fields.expect(message.resume_after_sequence >= 0, "resume_after_sequence", "must not be negative");
    fields.finish(|| Some(message.resume_after_sequence))
}

/// What travels in a cookie does not stand in the message as well.
fn tokens(tokens: &Tokens, transport: Transport) -> pb::Tokens {
    let mut tokens = both_tokens(tokens);
    if transport == Transport::Cookie {
        tokens.refresh_token.clear();
    }
    tokens
}

fn both_tokens(tokens: &Tokens) -> pb::Tokens {
    pb::Tokens {
        access_token: tokens.access.token.clone(),
        access_token_lifetime: Some(convert::duration(tokens.access.lifetime)),
        refresh_token: tokens.refresh.clone(),
        refresh_token_lifetime: Some(convert::duration(tokens.refresh_lifetime)),
    }
}

/// A session as staff see it: never the one of the call.
pub fn of_another(row: &session::Model) -> pb::Session {
    pb::Session {
        current: false,
        user_agent: row.user_agent.clone(),
        address_prefix: row.address_prefix.clone(),
        ..session(row, row.id)
    }
}

/// A session as its owner sees it. `current` is the session of the call.
pub fn session(row: &session::Model, current: SessionId) -> pb::Session {
    // The network and the program of staff who look on are not the owner's to see.
    let of_owner = |text: &str| if row.impersonator_id.is_none() { text.to_owned() } else { String::new() };
    pb::Session {
        session_id: row.id.to_string(),
        device_name: row.device_name.clone(),
        user_agent: of_owner(&row.user_agent),
        address_prefix: of_owner(&row.address_prefix),
        current: row.id == current,
        create_time: Some(convert::timestamp(row.created_at)),
        last_used_time: Some(convert::timestamp(row.last_used_at)),
        idle_expire_time: Some(convert::timestamp(row.idle_expires_at)),
        absolute_expire_time: Some(convert::timestamp(row.absolute_expires_at)),
        remember_device: row.remember_device,
        impersonated: row.impersonator_id.is_some(),
        transport: match row.transport {
            Transport::Bearer => pb::SessionTransport::Bearer,
            Transport::Cookie => pb::SessionTransport::Cookie,
        }
        .into(),
        second_factor_time: row.second_factor_at.map(convert::timestamp),
        authenticate_time: Some(convert::timestamp(row.authenticated_at)),
        device_id: row.device_id.map(|id| id.to_string()).unwrap_or_default(),
    }
}

/// A known device as its owner sees it.
pub fn device(seen: &SeenDevice, now: Timestamp) -> pb::Device {
    let row = &seen.device;
    pb::Device {
        device_id: row.id.to_string(),
        name: row.name.clone(),
        user_agent: row.user_agent.clone(),
        create_time: Some(convert::timestamp(row.created_at)),
        last_used_time: Some(convert::timestamp(row.last_used_at)),
        expire_time: Some(convert::timestamp(row.expires_at)),
        trusted_until_time: row.trusted_until.filter(|until| now < *until).map(convert::timestamp),
        current: seen.current,
    }
}

pub fn renamed(renamed: &Renamed) -> pb::UpdateSessionResponse {
    pb::UpdateSessionResponse { session: Some(session(&renamed.session, renamed.current)) }
}

pub fn logged_out(ended: &[SessionId]) -> pb::LogoutResponse {
    pb::LogoutResponse { ended_count: i32::try_from(ended.len()).unwrap_or(i32::MAX) }
}

/// What a login has come to.
pub fn login(step: &Step) -> pb::LoginResponse {
    use pb::login_response::Outcome;
    let outcome = match step {
        Step::Done(begun) => Outcome::SignedIn(signed_in(begun)),
        Step::FactorRequired(required) => Outcome::FactorRequired(factor_required(required)),
    };
    pb::LoginResponse { outcome: Some(outcome) }
}

/// A finished sign-in as it is kept for repeats: with its refresh token, whichever way that travels.
pub fn kept(begun: &SignedIn) -> pb::ContinueLoginResponse {
    let tokens = Some(both_tokens(&begun.tokens));
    pb::ContinueLoginResponse { signed_in: Some(pb::SignedIn { tokens, ..signed_in(begun) }) }
}

/// Takes the refresh token out of a kept reply if it is to travel in a cookie; returns it with its life.
pub fn take_for_cookie(reply: &mut pb::ContinueLoginResponse) -> Option<(String, Duration)> {
    let signed_in = reply.signed_in.as_mut()?;
    let transport = signed_in.session.as_ref()?.transport();
    let tokens = signed_in.tokens.as_mut().filter(|_| transport == pb::SessionTransport::Cookie)?;
    let life = Duration::try_from(tokens.refresh_token_lifetime?).ok()?;
    Some((std::mem::take(&mut tokens.refresh_token), life))
}

fn signed_in(begun: &SignedIn) -> pb::SignedIn {
    pb::SignedIn {
        second_factor_missing: begun.account.roles.is_staff() && begun.account.factor_kinds.is_empty(),
        session: Some(session(&begun.session, begun.session.id)),
        account: Some(accounts::proto(&begun.account)),
        ended_session_ids: begun.ended.iter().map(ToString::to_string).collect(),
        server_time: Some(convert::timestamp(begun.at)),
        device_id: begun.session.device_id.map(|id| id.to_string()).unwrap_or_default(),
        device_token: begun.device_token.clone().unwrap_or_default(),
        tokens: Some(tokens(&begun.tokens, begun.session.transport)),
    }
}

fn factor_required(required: &Required) -> pb::FactorRequired {
    pb::FactorRequired {
        flow_id: required.flow.to_string(),
        methods: required.methods.iter().map(|method| (*method).to_owned()).collect(),
        lifetime: Some(convert::duration(required.lifetime)),
        passkey_options: required.passkey_options.clone(),
    }
}

pub fn stepped_up(outcome: &SteppedUp) -> pb::StepUpResponse {
    use pb::step_up_response::Outcome;
    let outcome = match outcome {
        SteppedUp::Done { access, at } => Outcome::SteppedUp(pb::SteppedUp {
            access_token: access.token.clone(),
            access_token_lifetime: Some(convert::duration(access.lifetime)),
            server_time: Some(convert::timestamp(*at)),
        }),
        SteppedUp::Wanted(required) => Outcome::FactorRequired(factor_required(required)),
    };
    pb::StepUpResponse { outcome: Some(outcome) }
}

/// The flow that a sign-in goes on with, and what was given. What is no flow at all is answered like one that is over.
pub fn continued(message: &pb::ContinueLoginRequest) -> Result<(FlowId, Given), Status> {
    use pb::continue_login_request::Proof;
    let mut fields = Fields::default();
    fields.expect(!message.flow_id.is_empty(), "flow_id", "must not be empty");
    let given = match &message.proof {
        Some(Proof::TotpCode(code)) => totp(&mut fields, code),
        Some(Proof::RecoveryCode(code)) => recovery_code(&mut fields, code),
        Some(Proof::PasskeyCredential(json)) => passkey(&mut fields, json),
        None => {
            fields.refuse("proof", "give one of totp_code, recovery_code, passkey_credential");
            None
        }
    };
    let given = fields.finish(|| given)?;
    let flow = FlowId::parse(&message.flow_id).map_err(|_| Error::from(factors::Error::FlowOver))?;
    Ok((flow, given))
}

/// What was given to step up, if anything was.
pub fn proof(message: &pb::StepUpRequest) -> Result<Option<Proof>, Status> {
    use pb::step_up_request::Proof as Sent;
    let mut fields = Fields::default();
    let proof = match &message.proof {
        None => return Ok(None),
        Some(Sent::Password(password)) => {
            typed_password(&mut fields, password);
            Some(Proof::Password(Password::new(password)))
        }
        Some(Sent::TotpCode(code)) => totp(&mut fields, code).map(Proof::Factor),
        Some(Sent::RecoveryCode(code)) => recovery_code(&mut fields, code).map(Proof::Factor),
        Some(Sent::PasskeyCredential(json)) => passkey(&mut fields, json).map(Proof::Factor),
    };
    fields.finish(|| proof).map(Some)
}

fn typed_password(fields: &mut Fields, password: &str) {
    fields.expect(!password.is_empty(), "password", "must not be empty");
    fields.expect(password.len() <= MAX_TYPED_PASSWORD, "password", "is longer than any password here");
}

pub fn refreshed(refreshed: &Refreshed) -> pb::RefreshSessionResponse {
    pb::RefreshSessionResponse {
        tokens: Some(tokens(&refreshed.tokens, refreshed.transport)),
        server_time: Some(convert::timestamp(refreshed.at)),
        session_id: refreshed.session.to_string(),
        replayed: refreshed.replayed,
    }
}
