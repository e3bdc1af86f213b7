//! Tools and keys on the wire.

use tonic::Status;

use super::{
    DEFAULT_LIFE, LIFE, MAX_NAME, OVERLAP,
    domain::{Made, NewServiceAccount, Rotated, Rotation},
};
use crate::{
    accounts,
    entity::{account, api_key},
    kernel::{Scopes, text},
    pb,
    rpc::{Fields, convert},
};

fn key(key: &api_key::Model) -> pb::ApiKey {
    pb::ApiKey {
        api_key_id: key.id.to_string(),
        scopes: key.scopes.iter().map(|scope| scope.name().to_owned()).collect(),
        read_only: key.read_only,
        create_time: Some(convert::timestamp(key.created_at)),
        expire_time: Some(convert::timestamp(key.expires_at)),
        revoke_time: key.revoked_at.map(convert::timestamp),
        replace_time: key.replaced_at.map(convert::timestamp),
        last_use_time: key.last_used_at.map(convert::timestamp),
        last_use_address_prefix: key.last_used_prefix.clone().unwrap_or_default(),
    }
}

fn service_account(account: &account::Model, keys: &[api_key::Model]) -> pb::ServiceAccount {
    pb::ServiceAccount {
        account_id: account.id.to_string(),
        display_name: account.display_name.clone(),
        status: accounts::proto(account).status,
        create_time: Some(convert::timestamp(account.created_at)),
        keys: keys.iter().map(key).collect(),
    }
}

pub fn made(made: &Made) -> pb::CreateServiceAccountResponse {
    pb::CreateServiceAccountResponse {
        service_account: Some(service_account(&made.account, std::slice::from_ref(&made.key))),
        api_key: made.text.expose().to_owned(),
    }
}

pub fn listed(
    rows: &[(account::Model, Vec<api_key::Model>)],
    next_page_token: String,
) -> pb::ListServiceAccountsResponse {
    let service_accounts = rows.iter().map(|(account, keys)| service_account(account, keys)).collect();
    pb::ListServiceAccountsResponse { service_accounts, next_page_token }
}

pub fn rotated(rotated: &Rotated) -> pb::RotateApiKeyResponse {
    pb::RotateApiKeyResponse {
        key: Some(key(&rotated.key)),
        api_key: rotated.text.expose().to_owned(),
        replaced: Some(key(&rotated.replaced)),
    }
}

pub fn revoked(row: &api_key::Model) -> pb::RevokeApiKeyResponse {
    pb::RevokeApiKeyResponse { key: Some(key(row)) }
}

pub fn new_service_account(message: &pb::CreateServiceAccountRequest) -> Result<NewServiceAccount, Status> {
    let mut fields = Fields::default();
    let display_name = fields.read("display_name", text::line(&message.display_name, MAX_NAME));
    let mut scopes = Scopes::NONE;
    for (place, name) in message.scopes.iter().enumerate() {
        if let Some(scope) = fields.read(&format!("scopes[{place}]"), Scopes::permission(name)) {
            scopes = scopes.with(scope);
        }
    }
    let key_lifetime = fields.span("key_lifetime", message.key_lifetime.as_ref(), LIFE, DEFAULT_LIFE);
    let reason = fields.reason(&message.reason);
    fields.finish(|| {
        Some(NewServiceAccount {
            display_name: display_name?,
            scopes,
            read_only: message.read_only,
            key_lifetime: key_lifetime?,
            reason: reason?,
        })
    })
}

pub fn rotation(message: &pb::RotateApiKeyRequest) -> Result<Rotation, Status> {
    let mut fields = Fields::default();
    let overlap = fields.span("overlap", message.overlap.as_ref(), OVERLAP, *OVERLAP.start());
    let key_lifetime = fields.span("key_lifetime", message.key_lifetime.as_ref(), LIFE, DEFAULT_LIFE);
    let reason = fields.reason(&message.reason);
    fields.finish(|| Some(Rotation { overlap: overlap?, key_lifetime: key_lifetime?, reason: reason? }))
}

pub fn reason(text: &str) -> Result<String, Status> {
    let mut fields = Fields::default();
    let reason = fields.reason(text);
    fields.finish(|| reason)
}
