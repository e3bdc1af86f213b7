//! The gRPC face of applications.

use tonic::{Request, Response, Status};

use super::{Error, domain, wire};
use crate::{
    app::App,
    pb::{self, application_service_server::ApplicationService},
    rpc::{
        self, Rpc,
        fields::id_or,
        page::{self, Query},
    },
};

#[derive(Clone, Debug)]
pub struct ApplicationRpc {
    app: App,
}

impl ApplicationRpc {
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl ApplicationService for ApplicationRpc {
    async fn create_application(
        &self,
        request: Request<pb::CreateApplicationRequest>,
    ) -> Result<Response<pb::CreateApplicationResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let new = wire::new_application(message)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::created)?;
        once.run(&self.app.db, domain::create(&self.app, &caller, new, &once)).await
    }

    async fn submit_application(
        &self,
        request: Request<pb::SubmitApplicationRequest>,
    ) -> Result<Response<pb::SubmitApplicationResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let id = id_or(&message.application_id, || Error::NotFound)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::submitted)?;
        once.run(&self.app.db, domain::submit(&self.app, &caller, id, &once)).await
    }

    async fn get_my_application(
        &self,
        request: Request<pb::GetMyApplicationRequest>,
    ) -> Result<Response<pb::GetMyApplicationResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let application = domain::mine(&self.app, &caller).await?;
        Ok(Response::new(pb::GetMyApplicationResponse { application: Some(wire::proto(&application)) }))
    }

    async fn list_applications(
        &self,
        request: Request<pb::ListApplicationsRequest>,
    ) -> Result<Response<pb::ListApplicationsResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let state = wire::state_filter(&message.filter)?;
        let query =
            Query { rpc: Rpc::ApplicationListApplications, caller: Some(caller.account), filter: &message.filter };
        let page = self.app.pages.read(query, message.page_size, &message.page_token)?;
        let slice = domain::list(&self.app, state, &page, page::before_id(&page)?).await?;
        Ok(Response::new(wire::listed(&slice.rows, self.app.pages.token(query, slice.next))))
    }

    async fn approve_application(
        &self,
        request: Request<pb::ApproveApplicationRequest>,
    ) -> Result<Response<pb::ApproveApplicationResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let note = wire::note(message)?;
        let id = id_or(&message.application_id, || Error::NotFound)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::approved)?;
        once.run(&self.app.db, domain::approve(&self.app, &caller, id, note, &once)).await
    }

    async fn reject_application(
        &self,
        request: Request<pb::RejectApplicationRequest>,
    ) -> Result<Response<pb::RejectApplicationResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let why = wire::refusal(message)?;
        let id = id_or(&message.application_id, || Error::NotFound)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::rejected)?;
        once.run(&self.app.db, domain::reject(&self.app, &caller, id, why, &once)).await
    }
}
