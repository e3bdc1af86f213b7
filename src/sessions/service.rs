//! `SessionService`.

use tonic::{Request, Response, Status};

use super::{Error, end, flow, login, refresh, step_up, store, wire};
use crate::{
    app::App,
    pb::{self, session_service_server::SessionService},
    rpc::{
        self, Refusal, Rpc, fields,
        page::{self, Query, Slice},
    },
};

/// Serves sign-ins.
#[derive(Clone, Debug)]
pub struct SessionRpc {
    app: App,
}

impl SessionRpc {
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl SessionService for SessionRpc {
    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<Response<pb::LoginResponse>, Status> {
        let facts = rpc::facts(&request);
        let given = wire::credentials(request.get_ref())?;
        let step = login::login(&self.app, &facts, given).await?;
        Ok(Response::new(wire::login(step)))
    }

    async fn continue_login(
        &self,
        request: Request<pb::ContinueLoginRequest>,
    ) -> Result<Response<pb::ContinueLoginResponse>, Status> {
        let facts = rpc::facts(&request);
        let (flow, given) = wire::continued(request.get_ref())?;
        let begun = flow::go_on(&self.app, &facts, flow, &given).await?;
        Ok(Response::new(pb::ContinueLoginResponse { signed_in: Some(wire::signed_in(begun)) }))
    }

    async fn step_up(&self, request: Request<pb::StepUpRequest>) -> Result<Response<pb::StepUpResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let proof = wire::proof(request.get_ref())?;
        let outcome = step_up::step_up(&self.app, &caller, proof).await?;
        Ok(Response::new(wire::stepped_up(outcome)))
    }

    async fn refresh_session(
        &self,
        request: Request<pb::RefreshSessionRequest>,
    ) -> Result<Response<pb::RefreshSessionResponse>, Status> {
        let facts = rpc::facts(&request);
        let refreshed = refresh::refresh(&self.app, &facts, &request.get_ref().refresh_token).await?;
        Ok(Response::new(wire::refreshed(refreshed)))
    }

    async fn logout(&self, request: Request<pb::LogoutRequest>) -> Result<Response<pb::LogoutResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let scope = wire::scope(*request.get_ref())?;
        let ended = end::logout(&self.app, &caller, scope).await?;
        Ok(Response::new(pb::LogoutResponse { ended_count: i32::try_from(ended).unwrap_or(i32::MAX) }))
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let query = Query { rpc: Rpc::SessionListSessions, caller: Some(caller.account), filter: "" };
        let page = self.app.pages.read(query, message.page_size, &message.page_token)?;
        let (after, now) = (page::after_id(&page)?, self.app.clock.now());
        let rows = store::list_live(&self.app.db, caller.account, &page, after, now).await.map_err(Refusal::from)?;
        let slice = Slice::cut(rows, &page, |row| page::id_key(row.id));
        Ok(Response::new(pb::ListSessionsResponse {
            sessions: slice.rows.iter().map(|row| wire::session(row, caller.session)).collect(),
            next_page_token: self.app.pages.token(query, slice.next),
        }))
    }

    async fn revoke_session(
        &self,
        request: Request<pb::RevokeSessionRequest>,
    ) -> Result<Response<pb::RevokeSessionResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let id = fields::id_or(&request.get_ref().session_id, || Error::NotFound)?;
        end::revoke(&self.app, &caller, id).await?;
        Ok(Response::new(pb::RevokeSessionResponse {}))
    }
}
