//! The gRPC face of administration.

use tonic::{Request, Response, Status};

use super::{Error, domain, wire};
use crate::{
    app::App,
    pb::{self, admin_service_server::AdminService},
    rpc::{
        self, Rpc,
        fields::id_or,
        page::{self, Query},
    },
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

#[tonic::async_trait]
impl AdminService for AdminRpc {
    async fn list_accounts(
        &self,
        request: Request<pb::ListAccountsRequest>,
    ) -> Result<Response<pb::ListAccountsResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let wanted = wire::wanted(&message.filter)?;
        let query = Query { rpc: Rpc::AdminListAccounts, caller: Some(caller.account), filter: &message.filter };
        let page = self.app.pages.read(query, message.page_size, &message.page_token)?;
        let slice = domain::list(&self.app, &wanted, &page, page::before_id(&page)?).await?;
        Ok(Response::new(wire::listed(&slice.rows, self.app.pages.token(query, slice.next))))
    }

    async fn set_roles(&self, request: Request<pb::SetRolesRequest>) -> Result<Response<pb::SetRolesResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let new = wire::new_roles(message)?;
        let id = id_or(&message.account_id, || Error::NotFound)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::changed)?;
        once.run(&self.app.db, domain::set_roles(&self.app, &caller, id, new, &once)).await
    }
}
