//! The gRPC face of review.

use tonic::{Request, Response, Status};
use tracing::instrument;

use super::{domain, publish, queue, wire};
use crate::{
    app::App,
    pb::{self, review_service_server::ReviewService},
    rpc::{self, Rpc, page::Query},
    submissions::submission_id,
};

/// `backline.v1.ReviewService`.
#[derive(Clone, Debug)]
pub struct ReviewRpc {
    app: App,
}

impl ReviewRpc {
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl ReviewService for ReviewRpc {
    #[instrument(name = "review.list_queue", skip_all)]
    async fn list_queue(
        &self,
        request: Request<pb::ListQueueRequest>,
    ) -> Result<Response<pb::ListQueueResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let query = Query { rpc: Rpc::ReviewListQueue, caller: Some(caller.account), filter: "" };
        let page = self.app.pages.read(query, message.page_size, &message.page_token)?;
        let slice = queue::list(&self.app, &page).await?;
        Ok(Response::new(wire::queue(&slice.rows, self.app.pages.token(query, slice.next))))
    }

    #[instrument(name = "review.start", skip_all)]
    async fn start_review(
        &self,
        request: Request<pb::StartReviewRequest>,
    ) -> Result<Response<pb::StartReviewResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let id = submission_id(&message.submission_id)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::started)?;
        once.run(&self.app.db, domain::start(&self.app, &caller, id, &once)).await
    }

    #[instrument(name = "review.approve", skip_all)]
    async fn approve_submission(
        &self,
        request: Request<pb::ApproveSubmissionRequest>,
    ) -> Result<Response<pb::ApproveSubmissionResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let approval = wire::approval(message)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::approved)?;
        once.run(&self.app.db, domain::approve(&self.app, &caller, approval, &once)).await
    }

    #[instrument(name = "review.reject", skip_all)]
    async fn reject_submission(
        &self,
        request: Request<pb::RejectSubmissionRequest>,
    ) -> Result<Response<pb::RejectSubmissionResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let rejection = wire::rejection(message)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::rejected)?;
        once.run(&self.app.db, domain::reject(&self.app, &caller, rejection, &once)).await
    }

    #[instrument(name = "review.publish", skip_all)]
    async fn publish_submission(
        &self,
        request: Request<pb::PublishSubmissionRequest>,
    ) -> Result<Response<pb::PublishSubmissionResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let id = submission_id(&message.submission_id)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::published)?;
        once.run(&self.app.db, publish::publish(&self.app, &caller, id, &once)).await
    }
}
