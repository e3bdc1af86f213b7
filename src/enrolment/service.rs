//! `FactorService`.

use tonic::{Request, Response, Status};

use super::{domain, passkey, totp, wire};
use crate::{
    app::App,
    entity::factor,
    factors,
    pb::{self, factor_service_server::FactorService},
    rpc::{self, Refusal, fields},
    sessions,
};

/// Serves one's own second factors.
#[derive(Clone, Debug)]
pub struct FactorRpc {
    app: App,
}

impl FactorRpc {
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl FactorService for FactorRpc {
    async fn list_factors(
        &self,
        request: Request<pb::ListFactorsRequest>,
    ) -> Result<Response<pb::ListFactorsResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let rows = factors::list_active(&self.app.db, caller.account).await.map_err(Refusal::from)?;
        let left = factors::count_codes_left(&self.app.db, caller.account).await.map_err(Refusal::from)?;
        let now = self.app.clock.now();
        Ok(Response::new(pb::ListFactorsResponse {
            factors: rows.iter().map(|row| wire::factor(row, Some(now))).collect(),
            recovery_codes_left: if rows.is_empty() { 0 } else { i32::try_from(left).unwrap_or(i32::MAX) },
        }))
    }

    async fn begin_totp_enrollment(
        &self,
        request: Request<pb::BeginTotpEnrollmentRequest>,
    ) -> Result<Response<pb::BeginTotpEnrollmentResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let name = wire::name(&message.name, "Authenticator app")?;
        let once = self.app.repeats.of(Some(&caller), message, wire::begun_totp)?;
        once.run(&self.app.db, totp::begin(&self.app, &caller, &name, &once)).await
    }

    async fn finish_totp_enrollment(
        &self,
        request: Request<pb::FinishTotpEnrollmentRequest>,
    ) -> Result<Response<pb::FinishTotpEnrollmentResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let (id, code) = wire::first_code(message)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::added_totp)?;
        once.run(&self.app.db, totp::finish(&self.app, &caller, id, &code, &once)).await
    }

    async fn begin_passkey_registration(
        &self,
        request: Request<pb::BeginPasskeyRegistrationRequest>,
    ) -> Result<Response<pb::BeginPasskeyRegistrationResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let name = wire::name(&message.name, "Passkey")?;
        let once = self.app.repeats.of(Some(&caller), message, wire::begun_passkey)?;
        once.run(&self.app.db, passkey::begin(&self.app, &caller, &name, &once)).await
    }

    async fn finish_passkey_registration(
        &self,
        request: Request<pb::FinishPasskeyRegistrationRequest>,
    ) -> Result<Response<pb::FinishPasskeyRegistrationResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let flow = wire::made(message)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::added_passkey)?;
        let credential = &message.passkey_credential;
        once.run(&self.app.db, passkey::finish(&self.app, &caller, flow, credential, &once)).await
    }

    async fn begin_passkey_login(
        &self,
        request: Request<pb::BeginPasskeyLoginRequest>,
    ) -> Result<Response<pb::BeginPasskeyLoginResponse>, Status> {
        let facts = rpc::facts(&request);
        let (opening, device_token) = wire::opening(request.get_ref())?;
        let required = sessions::begin_passkey(&self.app, &facts, opening, device_token).await?;
        Ok(Response::new(wire::begun_login(required)))
    }

    async fn update_factor(
        &self,
        request: Request<pb::UpdateFactorRequest>,
    ) -> Result<Response<pb::UpdateFactorResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let (id, name) = wire::renamed(message)?;
        let once = self.app.repeats.of(Some(&caller), message, |row: &factor::Model| pb::UpdateFactorResponse {
            factor: Some(wire::factor(row, None)),
        })?;
        once.run(&self.app.db, domain::rename(&self.app, &caller, id, &name, &once)).await
    }

    async fn delete_factor(
        &self,
        request: Request<pb::DeleteFactorRequest>,
    ) -> Result<Response<pb::DeleteFactorResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let id = fields::id_or(&message.factor_id, || factors::Error::NotFound)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::removed)?;
        once.run(&self.app.db, domain::remove(&self.app, &caller, id, &once)).await
    }

    async fn regenerate_recovery_codes(
        &self,
        request: Request<pb::RegenerateRecoveryCodesRequest>,
    ) -> Result<Response<pb::RegenerateRecoveryCodesResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let once = self.app.repeats.of(Some(&caller), message, wire::renewed)?;
        once.run(&self.app.db, domain::renew(&self.app, &caller, &once)).await
    }
}
