//! The gRPC face of submissions.

use tonic::{Request, Response, Status};
use tracing::instrument;

use super::{
    domain, read,
    watch::{self, Watch},
    wire,
};
use crate::{
    app::App,
    pb::{self, submission_service_server::SubmissionService},
    rpc::{self, Rpc, auth::Standing, page::Query, watch::Until},
};

/// `backline.v1.SubmissionService`.
#[derive(Clone, Debug)]
pub struct SubmissionRpc {
    app: App,
}

impl SubmissionRpc {
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl SubmissionService for SubmissionRpc {
    type WatchSubmissionStream = Watch;

    #[instrument(name = "submissions.create", skip_all)]
    async fn create_submission(
        &self,
        request: Request<pb::CreateSubmissionRequest>,
    ) -> Result<Response<pb::CreateSubmissionResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let new = wire::new_submission(message)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::created)?;
        once.run(&self.app.db, domain::create(&self.app, &caller, new, &once)).await
    }

    #[instrument(name = "submissions.submit", skip_all)]
    async fn submit_submission(
        &self,
        request: Request<pb::SubmitSubmissionRequest>,
    ) -> Result<Response<pb::SubmitSubmissionResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let id = wire::submission_id(&message.submission_id)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::handed_in)?;
        once.run(&self.app.db, domain::submit(&self.app, &caller, id, &once)).await
    }

    #[instrument(name = "submissions.withdraw", skip_all)]
    async fn withdraw_submission(
        &self,
        request: Request<pb::WithdrawSubmissionRequest>,
    ) -> Result<Response<pb::WithdrawSubmissionResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let id = wire::submission_id(&message.submission_id)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::withdrawn)?;
        once.run(&self.app.db, domain::withdraw(&self.app, &caller, id, &once)).await
    }

    #[instrument(name = "submissions.get", skip_all)]
    async fn get_submission(
        &self,
        request: Request<pb::GetSubmissionRequest>,
    ) -> Result<Response<pb::GetSubmissionResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let id = wire::submission_id(&request.get_ref().submission_id)?;
        let seen = read::get(&self.app, &caller, id).await?;
        Ok(Response::new(pb::GetSubmissionResponse { submission: Some(wire::proto(&seen.submission)) }))
    }

    #[instrument(name = "submissions.list", skip_all)]
    async fn list_submissions(
        &self,
        request: Request<pb::ListSubmissionsRequest>,
    ) -> Result<Response<pb::ListSubmissionsResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let wanted = wire::wanted(message)?;
        let filter = format!("{wanted:?}");
        let query = Query { rpc: Rpc::SubmissionListSubmissions, caller: Some(caller.account), filter: &filter };
        let page = self.app.pages.read(query, message.page_size, &message.page_token)?;
        let slice = read::list(&self.app, &caller, wanted, &page).await?;
        Ok(Response::new(pb::ListSubmissionsResponse {
            submissions: slice.rows.iter().map(wire::proto).collect(),
            next_page_token: self.app.pages.token(query, slice.next),
        }))
    }

    #[instrument(name = "submissions.watch", skip_all)]
    async fn watch_submission(&self, request: Request<pb::WatchSubmissionRequest>) -> Result<Response<Watch>, Status> {
        let standing = Standing::of(&request)?;
        let message = request.get_ref();
        let id = wire::submission_id(&message.submission_id)?;
        let resume_after = wire::resume_after(message)?;
        let watch = watch::open(self.app.clone(), standing, id, resume_after, Until::of(&request)).await?;
        Ok(Response::new(watch))
    }
}
