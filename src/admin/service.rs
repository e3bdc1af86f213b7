//! The gRPC face of administration.

use tonic::{Request, Response, Status};

use super::{Error, care, domain, visits, wire};
use crate::{
    app::App,
    kernel::ids::{AccountId, SessionId},
    pb::{self, admin_service_server::AdminService},
    rpc::{
        self, Rpc,
        fields::id_or,
        page::{self, Query},
    },
    service_accounts, sessions,
};

#[derive(Clone, Debug)]
pub struct AdminRpc {
    app: App,
}

impl AdminRpc {
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

fn account_id(text: &str) -> Result<AccountId, Status> {
    id_or(text, || Error::NotFound)
}

fn session_id(text: &str) -> Result<SessionId, Status> {
    id_or(text, || Error::Session(sessions::Error::NotFound))
}

type Reply<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl AdminService for AdminRpc {
    async fn list_accounts(&self, request: Request<pb::ListAccountsRequest>) -> Reply<pb::ListAccountsResponse> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let wanted = wire::wanted(&message.filter)?;
        let query = Query { rpc: Rpc::AdminListAccounts, caller: Some(caller.account), filter: &message.filter };
        let page = self.app.pages.read(query, message.page_size, &message.page_token)?;
        let slice = domain::list(&self.app, &wanted, &page, page::before_id(&page)?).await?;
        Ok(Response::new(wire::listed(&slice.rows, self.app.pages.token(query, slice.next))))
    }

    async fn get_account_details(
        &self,
        request: Request<pb::GetAccountDetailsRequest>,
    ) -> Reply<pb::GetAccountDetailsResponse> {
        let id = account_id(&request.get_ref().account_id)?;
        Ok(Response::new(wire::details(&domain::details(&self.app, id).await?)))
    }

    async fn set_roles(&self, request: Request<pb::SetRolesRequest>) -> Reply<pb::SetRolesResponse> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let new = wire::new_roles(message)?;
        let id = account_id(&message.account_id)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::with_roles)?.about(id);
        once.run(&self.app.db, domain::set_roles(&self.app, &caller, id, new, &once)).await
    }

    async fn set_tier(&self, request: Request<pb::SetTierRequest>) -> Reply<pb::SetTierResponse> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let new = wire::new_tier(message)?;
        let id = account_id(&message.account_id)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::with_tier)?.about(id);
        once.run(&self.app.db, care::set_tier(&self.app, &caller, id, new, &once)).await
    }

    async fn suspend_account(&self, request: Request<pb::SuspendAccountRequest>) -> Reply<pb::SuspendAccountResponse> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let new = wire::suspension(message, self.app.clock.now())?;
        let id = account_id(&message.account_id)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::suspended)?.about(id);
        once.run(&self.app.db, care::suspend(&self.app, &caller, id, new, &once)).await
    }

    async fn reinstate_account(
        &self,
        request: Request<pb::ReinstateAccountRequest>,
    ) -> Reply<pb::ReinstateAccountResponse> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let reason = wire::reason(&message.reason)?;
        let id = account_id(&message.account_id)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::reinstated)?.about(id);
        once.run(&self.app.db, care::reinstate(&self.app, &caller, id, &reason, &once)).await
    }

    async fn unlock_account(&self, request: Request<pb::UnlockAccountRequest>) -> Reply<pb::UnlockAccountResponse> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let reason = wire::reason(&message.reason)?;
        let id = account_id(&message.account_id)?;
        let once = self.app.repeats.of(Some(&caller), message, |()| pb::UnlockAccountResponse {})?;
        once.run(&self.app.db, care::unlock(&self.app, &caller, id, &reason, &once)).await
    }

    async fn send_password_reset(
        &self,
        request: Request<pb::SendPasswordResetRequest>,
    ) -> Reply<pb::SendPasswordResetResponse> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let reason = wire::reason(&message.reason)?;
        let id = account_id(&message.account_id)?;
        let once = self.app.repeats.of(Some(&caller), message, |()| pb::SendPasswordResetResponse {})?;
        once.run(&self.app.db, care::send_password_reset(&self.app, &caller, id, &reason, &once)).await
    }

    async fn reset_factors(&self, request: Request<pb::ResetFactorsRequest>) -> Reply<pb::ResetFactorsResponse> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let reason = wire::reason(&message.reason)?;
        let id = account_id(&message.account_id)?;
        let once = self.app.repeats.of(Some(&caller), message, |removed: &u64| pb::ResetFactorsResponse {
            removed_count: i32::try_from(*removed).unwrap_or(i32::MAX),
        })?;
        once.run(&self.app.db, care::reset_factors(&self.app, &caller, id, &reason, &once)).await
    }

    async fn erase_account(&self, request: Request<pb::EraseAccountRequest>) -> Reply<pb::EraseAccountResponse> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let reason = wire::reason(&message.reason)?;
        let id = account_id(&message.account_id)?;
        let once = self.app.repeats.of(Some(&caller), message, |()| pb::EraseAccountResponse {})?;
        once.run(&self.app.db, care::erase(&self.app, &caller, id, &reason, &once)).await
    }

    async fn list_account_sessions(
        &self,
        request: Request<pb::ListAccountSessionsRequest>,
    ) -> Reply<pb::ListAccountSessionsResponse> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let id = account_id(&message.account_id)?;
        let query =
            Query { rpc: Rpc::AdminListAccountSessions, caller: Some(caller.account), filter: &message.account_id };
        let page = self.app.pages.read(query, message.page_size, &message.page_token)?;
        let slice = visits::list(&self.app, id, &page).await?;
        Ok(Response::new(wire::sessions(&slice.rows, self.app.pages.token(query, slice.next))))
    }

    async fn revoke_account_sessions(
        &self,
        request: Request<pb::RevokeAccountSessionsRequest>,
    ) -> Reply<pb::RevokeAccountSessionsResponse> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let reason = wire::reason(&message.reason)?;
        let id = account_id(&message.account_id)?;
        let which = Some(message.session_id.as_str()).filter(|text| !text.is_empty()).map(session_id).transpose()?;
        let once = self.app.repeats.of(Some(&caller), message, |ended| wire::ended(*ended))?;
        once.run(&self.app.db, visits::revoke(&self.app, &caller, id, which, &reason, &once)).await
    }

    async fn list_login_attempts(
        &self,
        request: Request<pb::ListLoginAttemptsRequest>,
    ) -> Reply<pb::ListLoginAttemptsResponse> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let wanted = wire::wanted_attempts(&message.filter)?;
        let query = Query { rpc: Rpc::AdminListLoginAttempts, caller: Some(caller.account), filter: &message.filter };
        let page = self.app.pages.read(query, message.page_size, &message.page_token)?;
        let slice = domain::list_attempts(&self.app, &wanted, &page, page::before_id(&page)?).await?;
        Ok(Response::new(wire::attempts(&slice.rows, self.app.pages.token(query, slice.next))))
    }

    async fn start_impersonation(
        &self,
        request: Request<pb::StartImpersonationRequest>,
    ) -> Reply<pb::StartImpersonationResponse> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let reason = wire::reason(&message.reason)?;
        let id = account_id(&message.account_id)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::impersonation)?.about(id);
        once.run(&self.app.db, visits::impersonate(&self.app, &caller, id, &reason, &once)).await
    }

    async fn stop_impersonation(
        &self,
        request: Request<pb::StopImpersonationRequest>,
    ) -> Reply<pb::StopImpersonationResponse> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let id = session_id(&message.session_id)?;
        let once = self.app.repeats.of(Some(&caller), message, |()| pb::StopImpersonationResponse {})?;
        once.run(&self.app.db, visits::leave(&self.app, &caller, id, &once)).await
    }

    async fn create_service_account(
        &self,
        request: Request<pb::CreateServiceAccountRequest>,
    ) -> Reply<pb::CreateServiceAccountResponse> {
        service_accounts::service::create(&self.app, request).await
    }

    async fn list_service_accounts(
        &self,
        request: Request<pb::ListServiceAccountsRequest>,
    ) -> Reply<pb::ListServiceAccountsResponse> {
        service_accounts::service::list(&self.app, request).await
    }

    async fn rotate_api_key(&self, request: Request<pb::RotateApiKeyRequest>) -> Reply<pb::RotateApiKeyResponse> {
        service_accounts::service::rotate(&self.app, request).await
    }

    async fn revoke_api_key(&self, request: Request<pb::RevokeApiKeyRequest>) -> Reply<pb::RevokeApiKeyResponse> {
        service_accounts::service::revoke(&self.app, request).await
    }
}
