//! The gRPC face of search.

use tonic::{Request, Response, Status};

use super::{domain, wire};
use crate::{
    app::App,
    pb::{self, search_service_server::SearchService},
    rpc::{self, Rpc, page::Query},
};

#[derive(Clone, Debug)]
pub struct SearchRpc {
    app: App,
}

impl SearchRpc {
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl SearchService for SearchRpc {
    async fn search(&self, request: Request<pb::SearchRequest>) -> Result<Response<pb::SearchResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let (asked, kinds) = wire::asked(message)?;
        let filter = wire::filter(message, &kinds);
        let query = Query { rpc: Rpc::SearchSearch, caller: Some(caller.account), filter: &filter };
        let page = self.app.pages.read(query, message.page_size, &message.page_token)?;
        let slice = domain::search(&self.app, &asked, &kinds, &page).await?;
        Ok(Response::new(wire::response(&slice.rows, self.app.pages.token(query, slice.next))))
    }
}
