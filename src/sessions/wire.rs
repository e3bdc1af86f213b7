//! Sessions on the wire.

use tonic::Status;

use super::{
    begin::{SignedIn, Tokens},
    device_store::SeenDevice,
    end::Scope,
    login::{Credentials, DeviceTokenText},
    refresh::Refreshed,
};
use crate::{
    accounts, challenges,
    entity::session::{self, Transport},
    kernel::{Password, Timestamp, ids::SessionId, text},
    pb,
    rpc::{Fields, convert},
};

const MAX_DEVICE_NAME: usize = 100;
/// Longer than any accepted password: typing errors are judged like wrong passwords, floods are not hashed.
const MAX_TYPED_PASSWORD: usize = 1024;
const MAX_DEVICE_TOKEN: usize = 256;

pub fn credentials(message: &pb::LoginRequest) -> Result<Credentials, Status> {
    let mut fields = Fields::default();
    let email = fields.read("email", message.email.parse());
    let device_name = fields.read("device_name", text::optional_line(&message.device_name, MAX_DEVICE_NAME));
    let solution = challenges::solution(&mut fields, message.challenge_solution.as_ref());
    fields.expect(message.device_token.len() <= MAX_DEVICE_TOKEN, "device_token", "is longer than any device token");
    fields.expect(!message.password.is_empty(), "password", "must not be empty");
    fields.expect(message.password.len() <= MAX_TYPED_PASSWORD, "password", "is longer than any password here");
    fields.finish(|| {
        Some(Credentials {
            email: email?,
            password: Password::new(&message.password),
            device_name: device_name?,
            remember_device: message.remember_device,
            transport: Transport::Bearer,
            solution,
            device_token: (!message.device_token.is_empty()).then(|| DeviceTokenText(message.device_token.clone())),
        })
    })
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

fn tokens(tokens: Tokens) -> pb::Tokens {
    pb::Tokens {
        access_token: tokens.access.token,
        access_token_lifetime: Some(convert::duration(tokens.access.lifetime)),
        refresh_token: tokens.refresh,
        refresh_token_lifetime: Some(convert::duration(tokens.refresh_lifetime)),
    }
}

/// A session as its owner sees it. `current` is the session of the call.
pub fn session(row: &session::Model, current: SessionId) -> pb::Session {
    pb::Session {
        session_id: row.id.to_string(),
        device_name: row.device_name.clone(),
        user_agent: row.user_agent.clone(),
        address_prefix: row.address_prefix.clone(),
        current: row.id == current,
        create_time: Some(convert::timestamp(row.created_at)),
        last_used_time: Some(convert::timestamp(row.last_used_at)),
        idle_expire_time: Some(convert::timestamp(row.idle_expires_at)),
        absolute_expire_time: Some(convert::timestamp(row.absolute_expires_at)),
        remember_device: row.remember_device,
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

pub fn signed_in(begun: SignedIn) -> pb::LoginResponse {
    let signed_in = pb::SignedIn {
        session: Some(session(&begun.session, begun.session.id)),
        account: Some(accounts::proto(&begun.account)),
        ended_session_ids: begun.ended.iter().map(ToString::to_string).collect(),
        server_time: Some(convert::timestamp(begun.at)),
        device_id: begun.session.device_id.map(|id| id.to_string()).unwrap_or_default(),
        device_token: begun.device_token.unwrap_or_default(),
        tokens: Some(tokens(begun.tokens)),
    };
    pb::LoginResponse { outcome: Some(pb::login_response::Outcome::SignedIn(signed_in)) }
}

pub fn refreshed(refreshed: Refreshed) -> pb::RefreshSessionResponse {
    pb::RefreshSessionResponse {
        tokens: Some(tokens(refreshed.tokens)),
        server_time: Some(convert::timestamp(refreshed.at)),
        session_id: refreshed.session.to_string(),
        replayed: refreshed.replayed,
    }
}
