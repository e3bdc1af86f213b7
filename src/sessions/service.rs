//! `SessionService`.

use tonic::{Request, Response, Status};

use super::{
    Error, cookie, device_store, devices, end,
    flow::{self, Step},
    login, own, refresh,
    refresh_token::RefreshToken,
    step_up, store,
    watch::{self, Watch},
    wire,
};
use crate::{
    app::App,
    challenges::{self, Level},
    entity::session::Transport,
    pb::{self, session_service_server::SessionService},
    rpc::{
        self, Refusal, Rpc, fields,
        page::{self, Query, Slice},
        watch::Until,
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
    type WatchSessionStream = Watch;

    async fn login(&self, request: Request<pb::LoginRequest>) -> Result<Response<pb::LoginResponse>, Status> {
        let facts = rpc::facts(&request);
        let given = wire::credentials(request.get_ref())?;
        let step = login::login(&self.app, &facts, given).await?;
        match &step {
            Step::FactorRequired(_) => Ok(Response::new(wire::login(&step))),
            Step::Done(begun) => {
                Ok(cookie::give(Response::new(wire::login(&step)), begun.session.transport, &begun.tokens))
            }
        }
    }

    async fn continue_login(
        &self,
        request: Request<pb::ContinueLoginRequest>,
    ) -> Result<Response<pb::ContinueLoginResponse>, Status> {
        let facts = rpc::facts(&request);
        let message = request.get_ref();
        let (flow, given) = wire::continued(message)?;
        let once = self.app.repeats.of(None, message, wire::kept)?;
        let going_on = Box::pin(flow::go_on(&self.app, &facts, flow, &given, &once));
        let mut reply = once.run(&self.app.db, going_on).await?;
        Ok(match wire::take_for_cookie(reply.get_mut()) {
            Some((token, life)) => cookie::set(reply, &token, life),
            None => reply,
        })
    }

    async fn step_up(&self, request: Request<pb::StepUpRequest>) -> Result<Response<pb::StepUpResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let proof = wire::proof(message)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::stepped_up)?;
        once.run(&self.app.db, step_up::step_up(&self.app, &caller, proof, &once)).await
    }

    async fn refresh_session(
        &self,
        request: Request<pb::RefreshSessionRequest>,
    ) -> Result<Response<pb::RefreshSessionResponse>, Status> {
        let facts = rpc::facts(&request);
        let in_message = request.get_ref().refresh_token.as_str();
        let refreshed = if in_message.is_empty() {
            let in_cookie = cookie::read(request.metadata())?.ok_or(Error::RefreshInvalid)?;
            refresh::refresh(&self.app, &facts, &in_cookie, Transport::Cookie).await?
        } else {
            refresh::refresh(&self.app, &facts, in_message, Transport::Bearer).await?
        };
        Ok(cookie::give(Response::new(wire::refreshed(&refreshed)), refreshed.transport, &refreshed.tokens))
    }

    async fn logout(&self, request: Request<pb::LogoutRequest>) -> Result<Response<pb::LogoutResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let scope = wire::scope(*request.get_ref())?;
        let in_cookie = cookie::read(request.metadata())?;
        let ended = end::logout(&self.app, &caller, scope).await?;
        let reply = Response::new(wire::logged_out(&ended));
        let over = in_cookie.and_then(|token| RefreshToken::parse(&self.app, &token)).map(|token| token.session);
        Ok(if over.is_some_and(|id| ended.contains(&id)) { cookie::take_away(reply) } else { reply })
    }

    async fn get_session(
        &self,
        request: Request<pb::GetSessionRequest>,
    ) -> Result<Response<pb::GetSessionResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let id = wire::session_or(&request.get_ref().session_id, caller.session)?;
        let session = own::get(&self.app, &caller, id).await?;
        Ok(Response::new(pb::GetSessionResponse { session: Some(wire::session(&session, caller.session)) }))
    }

    async fn update_session(
        &self,
        request: Request<pb::UpdateSessionRequest>,
    ) -> Result<Response<pb::UpdateSessionResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let (id, name) = wire::rename(message, caller.session)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::renamed)?;
        let renamed = own::rename(&self.app, &caller, id, &name, &once);
        once.run(&self.app.db, renamed).await
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

    async fn watch_session(&self, request: Request<pb::WatchSessionRequest>) -> Result<Response<Watch>, Status> {
        let caller = rpc::caller(&request)?;
        let resume_after = wire::resume_after(*request.get_ref())?;
        let watch = watch::open(self.app.clone(), caller, resume_after, Until::of(&request)).await?;
        Ok(Response::new(watch))
    }

    async fn list_devices(
        &self,
        request: Request<pb::ListDevicesRequest>,
    ) -> Result<Response<pb::ListDevicesResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let query = Query { rpc: Rpc::SessionListDevices, caller: Some(caller.account), filter: "" };
        let page = self.app.pages.read(query, message.page_size, &message.page_token)?;
        let (after, now) = (page::after_id(&page)?, self.app.clock.now());
        let who = (caller.account, caller.session);
        let rows = device_store::list_known(&self.app.db, who, &page, after, now).await.map_err(Refusal::from)?;
        let slice = Slice::cut(rows, &page, |seen| page::id_key(seen.device.id));
        Ok(Response::new(pb::ListDevicesResponse {
            devices: slice.rows.iter().map(|seen| wire::device(seen, now)).collect(),
            next_page_token: self.app.pages.token(query, slice.next),
        }))
    }

    async fn forget_device(
        &self,
        request: Request<pb::ForgetDeviceRequest>,
    ) -> Result<Response<pb::ForgetDeviceResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let id = fields::id_or(&message.device_id, || Error::NoDevice)?;
        let once = self.app.repeats.of(Some(&caller), message, |(): &()| pb::ForgetDeviceResponse {})?;
        once.run(&self.app.db, devices::forget(&self.app, &caller, id, &once)).await
    }

    async fn get_challenge(
        &self,
        _: Request<pb::GetChallengeRequest>,
    ) -> Result<Response<pb::GetChallengeResponse>, Status> {
        let challenge = challenges::offer(&self.app, Level::default())?;
        Ok(Response::new(pb::GetChallengeResponse { challenge: Some(challenges::proto(&challenge)) }))
    }
}
