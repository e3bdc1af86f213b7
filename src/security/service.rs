//! `AccountService`.

use std::time::Duration;

use tonic::{Request, Response, Status};

use crate::{
    accounts::{self, registration, wire},
    app::App,
    entity::account,
    kernel::ids::{Id, RegistrationId},
    pb::{self, account_service_server::AccountService},
    privacy,
    rpc::{self, Refusal, convert},
};

/// Serves one's own account.
#[derive(Clone, Debug)]
pub struct AccountRpc {
    app: App,
}

impl AccountRpc {
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl AccountService for AccountRpc {
    async fn register(&self, request: Request<pb::RegisterRequest>) -> Result<Response<pb::RegisterResponse>, Status> {
        let facts = rpc::facts(&request);
        let message = request.get_ref();
        let new = wire::new_account(message)?;
        let once = self.app.repeats.of(None, message, |id: &RegistrationId| pb::RegisterResponse {
            registration_id: id.to_string(),
            resend_after: Some(convert::duration(registration::RESEND_AFTER)),
        })?;
        once.run(&self.app.db, registration::register(&self.app, &facts, new, &once)).await
    }

    async fn verify_email(
        &self,
        request: Request<pb::VerifyEmailRequest>,
    ) -> Result<Response<pb::VerifyEmailResponse>, Status> {
        let facts = rpc::facts(&request);
        let message = request.get_ref();
        let proof = wire::proof(message)?;
        let once = self.app.repeats.of(None, message, |account: &account::Model| pb::VerifyEmailResponse {
            account: Some(wire::proto(account)),
        })?;
        once.run(&self.app.db, registration::verify(&self.app, &facts, proof, &once)).await
    }

    async fn resend_verification(
        &self,
        request: Request<pb::ResendVerificationRequest>,
    ) -> Result<Response<pb::ResendVerificationResponse>, Status> {
        let facts = rpc::facts(&request);
        let message = request.get_ref();
        // What is no id at all is answered like an id that nobody has.
        let id = RegistrationId::parse(&message.registration_id).ok();
        let once = self.app.repeats.of(None, message, |wait: &Duration| pb::ResendVerificationResponse {
            resend_after: Some(convert::duration(*wait)),
        })?;
        once.run(&self.app.db, registration::resend(&self.app, &facts, id, &once)).await
    }

    async fn get_account(
        &self,
        request: Request<pb::GetAccountRequest>,
    ) -> Result<Response<pb::GetAccountResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let account = accounts::find(&self.app.db, caller.account).await.map_err(Refusal::from)?;
        let account = account.ok_or(Refusal::SessionRevoked { cause: "account_deleted" })?;
        Ok(Response::new(pb::GetAccountResponse { account: Some(wire::proto(&account)) }))
    }

    async fn update_account(
        &self,
        request: Request<pb::UpdateAccountRequest>,
    ) -> Result<Response<pb::UpdateAccountResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let (profile, seen) = wire::profile(message)?;
        let once = self.app.repeats.of(Some(&caller), message, |account: &account::Model| {
            pb::UpdateAccountResponse { account: Some(wire::proto(account)) }
        })?;
        once.run(&self.app.db, accounts::update_profile(&self.app, &caller, &profile, seen, &once)).await
    }

    async fn start_data_export(
        &self,
        request: Request<pb::StartDataExportRequest>,
    ) -> Result<Response<pb::StartDataExportResponse>, Status> {
        privacy::service::start_data_export(&self.app, request).await
    }

    async fn get_data_export(
        &self,
        request: Request<pb::GetDataExportRequest>,
    ) -> Result<Response<pb::GetDataExportResponse>, Status> {
        privacy::service::get_data_export(&self.app, request).await
    }

    type DownloadDataExportStream = privacy::service::Pieces;

    async fn download_data_export(
        &self,
        request: Request<pb::DownloadDataExportRequest>,
    ) -> Result<Response<Self::DownloadDataExportStream>, Status> {
        privacy::service::download_data_export(&self.app, request).await
    }

    async fn delete_account(
        &self,
        request: Request<pb::DeleteAccountRequest>,
    ) -> Result<Response<pb::DeleteAccountResponse>, Status> {
        privacy::service::delete_account(&self.app, request).await
    }

    async fn cancel_deletion(
        &self,
        request: Request<pb::CancelDeletionRequest>,
    ) -> Result<Response<pb::CancelDeletionResponse>, Status> {
        privacy::service::cancel_deletion(&self.app, request).await
    }
}
