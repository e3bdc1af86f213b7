//! `AccountService`.

use std::time::Duration;

use tonic::{Request, Response, Status};

use super::{
    email::{self, Progress},
    events, opening, password, reset, undo, wire,
};
use crate::{
    accounts::{self, proof::RESEND_AFTER, registration, wire as account},
    app::App,
    challenges::{self, Level, Solution},
    entity::account::Model,
    kernel::ids::{EmailChangeId, Id, RegistrationId, ResetId},
    pb::{self, account_service_server::AccountService},
    privacy,
    rpc::{
        self, Refusal, Rpc, convert, limit,
        page::{self, Query, Slice},
    },
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

    /// Wants a solved challenge, if there were many such calls. Within the act, so that a repeat needs no other.
    async fn challenge<E>(&self, wanted: bool, solution: Option<&Solution>) -> Result<(), Refused<E>> {
        if !wanted {
            return Ok(());
        }
        challenges::require(&self.app, solution, Level::default()).await.map_err(Refused::Challenge)
    }
}

/// Why an act was refused that may want a challenge. It becomes a status, and a line in the log, only when there is no
/// first reply to give instead.
enum Refused<E> {
    Challenge(challenges::Error),
    Act(E),
}

impl<E: Into<Status>> From<Refused<E>> for Status {
    fn from(refused: Refused<E>) -> Self {
        match refused {
            Refused::Challenge(error) => error.into(),
            Refused::Act(error) => error.into(),
        }
    }
}

#[tonic::async_trait]
impl AccountService for AccountRpc {
    async fn register(&self, request: Request<pb::RegisterRequest>) -> Result<Response<pb::RegisterResponse>, Status> {
        let facts = rpc::facts(&request);
        let message = request.get_ref();
        let new = account::new_account(message)?;
        let wanted = limit::wants_challenge(&request);
        let once = self.app.repeats.of(None, message, |id: &RegistrationId| pb::RegisterResponse {
            registration_id: id.to_string(),
            resend_after: Some(convert::duration(RESEND_AFTER)),
        })?;
        let register = async {
            self.challenge(wanted, new.solution.as_ref()).await?;
            registration::register(&self.app, &facts, new, &once).await.map_err(Refused::Act)
        };
        once.run(&self.app.db, register).await
    }

    async fn verify_email(
        &self,
        request: Request<pb::VerifyEmailRequest>,
    ) -> Result<Response<pb::VerifyEmailResponse>, Status> {
        let facts = rpc::facts(&request);
        let message = request.get_ref();
        let (shown, password) = account::verification(message)?;
        let once = self
            .app
            .repeats
            .of(None, message, |account: &Model| pb::VerifyEmailResponse { account: Some(account::proto(account)) })?;
        once.run(&self.app.db, opening::verify(&self.app, &facts, shown, password.as_ref(), &once)).await
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
        Ok(Response::new(pb::GetAccountResponse { account: Some(account::proto(&account)) }))
    }

    async fn update_account(
        &self,
        request: Request<pb::UpdateAccountRequest>,
    ) -> Result<Response<pb::UpdateAccountResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let (profile, seen) = account::profile(message)?;
        let once = self.app.repeats.of(Some(&caller), message, |account: &Model| pb::UpdateAccountResponse {
            account: Some(account::proto(account)),
        })?;
        once.run(&self.app.db, accounts::update_profile(&self.app, &caller, &profile, seen, &once)).await
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> Result<Response<pb::ChangePasswordResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let given = wire::passwords(message)?;
        let once = self
            .app
            .repeats
            .of(Some(&caller), message, |ended: &usize| pb::ChangePasswordResponse { ended_count: count(*ended) })?;
        once.run(&self.app.db, password::change(&self.app, &caller, given, &once)).await
    }

    async fn start_password_reset(
        &self,
        request: Request<pb::StartPasswordResetRequest>,
    ) -> Result<Response<pb::StartPasswordResetResponse>, Status> {
        let facts = rpc::facts(&request);
        let message = request.get_ref();
        let (email, solution) = wire::forgotten(message)?;
        let wanted = limit::wants_challenge(&request);
        let once = self.app.repeats.of(None, message, |id: &ResetId| pb::StartPasswordResetResponse {
            reset_id: id.to_string(),
            resend_after: Some(convert::duration(RESEND_AFTER)),
        })?;
        let start = async {
            self.challenge(wanted, solution.as_ref()).await?;
            reset::start(&self.app, &facts, email, &once).await.map_err(Refused::Act)
        };
        once.run(&self.app.db, start).await
    }

    async fn complete_password_reset(
        &self,
        request: Request<pb::CompletePasswordResetRequest>,
    ) -> Result<Response<pb::CompletePasswordResetResponse>, Status> {
        let facts = rpc::facts(&request);
        let message = request.get_ref();
        let asked = wire::reset(message)?;
        let once = self
            .app
            .repeats
            .of(None, message, |ended: &usize| pb::CompletePasswordResetResponse { ended_count: count(*ended) })?;
        once.run(&self.app.db, reset::complete(&self.app, &facts, asked, &once)).await
    }

    async fn start_email_change(
        &self,
        request: Request<pb::StartEmailChangeRequest>,
    ) -> Result<Response<pb::StartEmailChangeResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let new_email = wire::address("new_email", &message.new_email)?;
        let once = self.app.repeats.of(Some(&caller), message, |id: &EmailChangeId| pb::StartEmailChangeResponse {
            change_id: id.to_string(),
        })?;
        once.run(&self.app.db, email::start(&self.app, &caller, new_email, &once)).await
    }

    async fn confirm_email_change(
        &self,
        request: Request<pb::ConfirmEmailChangeRequest>,
    ) -> Result<Response<pb::ConfirmEmailChangeResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let shown = wire::confirmation(message)?;
        let once = self.app.repeats.of(Some(&caller), message, |progress: &Progress| {
            pb::ConfirmEmailChangeResponse { state: wire::progress(*progress).into() }
        })?;
        let confirm = email::confirm(&self.app, &caller.facts, Some(caller.account), shown, &once);
        once.run(&self.app.db, confirm).await
    }

    async fn undo_security_change(
        &self,
        request: Request<pb::UndoSecurityChangeRequest>,
    ) -> Result<Response<pb::UndoSecurityChangeResponse>, Status> {
        let facts = rpc::facts(&request);
        let message = request.get_ref();
        let token = wire::undo_token(message)?;
        let once = self.app.repeats.of(None, message, wire::undone)?;
        once.run(&self.app.db, undo::undo(&self.app, &facts, token, &once)).await
    }

    async fn get_password_policy(
        &self,
        _: Request<pb::GetPasswordPolicyRequest>,
    ) -> Result<Response<pb::GetPasswordPolicyResponse>, Status> {
        Ok(Response::new(pb::GetPasswordPolicyResponse { policy: Some(wire::policy()) }))
    }

    async fn list_security_events(
        &self,
        request: Request<pb::ListSecurityEventsRequest>,
    ) -> Result<Response<pb::ListSecurityEventsResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let query = Query { rpc: Rpc::AccountListSecurityEvents, caller: Some(caller.account), filter: "" };
        let page = self.app.pages.read(query, message.page_size, &message.page_token)?;
        let before = page::before_id(&page)?;
        let rows = events::list(&self.app, caller.account, before, page.size + 1).await.map_err(Refusal::from)?;
        let slice = Slice::cut(rows, &page, |seen| page::id_key(seen.row.id));
        Ok(Response::new(pb::ListSecurityEventsResponse {
            security_events: slice.rows.iter().map(|seen| wire::event(seen, caller.account)).collect(),
            next_page_token: self.app.pages.token(query, slice.next),
        }))
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

fn count(ended: usize) -> i32 {
    i32::try_from(ended).unwrap_or(i32::MAX)
}
