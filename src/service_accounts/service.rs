//! The part of `AdminService` that is about tools and their keys.

use tonic::{Request, Response, Status};

use super::{Error, domain, wire};
use crate::{
    app::App,
    kernel::Principal,
    pb,
    rpc::{
        self, Rpc,
        fields::id_or,
        page::{self, Query},
    },
};

/// `CreateServiceAccount`.
///
/// # Errors
/// As its proto says.
pub async fn create(
    app: &App,
    request: Request<pb::CreateServiceAccountRequest>,
) -> Result<Response<pb::CreateServiceAccountResponse>, Status> {
    let caller = rpc::caller(&request)?;
    let message = request.get_ref();
    let new = wire::new_service_account(message)?;
    let once = app.repeats.of(Some(&caller), message, wire::made)?;
    let actor = Principal::Account(caller.account);
    once.run(&app.db, domain::create(app, actor, Some(&caller.facts), new, &once)).await
}

/// `ListServiceAccounts`.
///
/// # Errors
/// As its proto says.
pub async fn list(
    app: &App,
    request: Request<pb::ListServiceAccountsRequest>,
) -> Result<Response<pb::ListServiceAccountsResponse>, Status> {
    let caller = rpc::caller(&request)?;
    let message = request.get_ref();
    let query = Query { rpc: Rpc::AdminListServiceAccounts, caller: Some(caller.account), filter: "" };
    let page = app.pages.read(query, message.page_size, &message.page_token)?;
    let slice = domain::list(app, &page, page::before_id(&page)?).await?;
    Ok(Response::new(wire::listed(&slice.rows, app.pages.token(query, slice.next))))
}

/// `RotateApiKey`.
///
/// # Errors
/// As its proto says.
pub async fn rotate(
    app: &App,
    request: Request<pb::RotateApiKeyRequest>,
) -> Result<Response<pb::RotateApiKeyResponse>, Status> {
    let caller = rpc::caller(&request)?;
    let message = request.get_ref();
    let how = wire::rotation(message)?;
    let id = id_or(&message.api_key_id, || Error::NotFound)?;
    let once = app.repeats.of(Some(&caller), message, wire::rotated)?;
    once.run(&app.db, domain::rotate(app, &caller, id, how, &once)).await
}

/// `RevokeApiKey`.
///
/// # Errors
/// As its proto says.
pub async fn revoke(
    app: &App,
    request: Request<pb::RevokeApiKeyRequest>,
) -> Result<Response<pb::RevokeApiKeyResponse>, Status> {
    let caller = rpc::caller(&request)?;
    let message = request.get_ref();
    let reason = wire::reason(&message.reason)?;
    let id = id_or(&message.api_key_id, || Error::NotFound)?;
    let once = app.repeats.of(Some(&caller), message, wire::revoked)?;
    once.run(&app.db, domain::revoke(app, &caller, id, &reason, &once)).await
}
