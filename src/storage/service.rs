//! The gRPC face.

use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming};

use super::{domain, pump, wire};
use crate::{
    app::App,
    pb::{self, storage_service_server::StorageService},
    rpc::{self, access::Cost, auth::Standing, gate::Deadline},
};

/// Serves [`StorageService`].
#[derive(Clone)]
pub struct StorageRpc {
    app: App,
}

impl StorageRpc {
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

/// Until when the call may take; the gate has put it there.
fn deadline<T>(request: &Request<T>) -> Instant {
    let given = request.extensions().get::<Deadline>();
    given.map_or_else(|| Instant::now() + Cost::Transfer.time_limit(), |deadline| deadline.0)
}

#[tonic::async_trait]
impl StorageService for StorageRpc {
    async fn get_limits(&self, _: Request<pb::GetLimitsRequest>) -> Result<Response<pb::GetLimitsResponse>, Status> {
        let limits = wire::limits(&self.app.config.uploads, |purpose| domain::max_bytes(&self.app, purpose));
        Ok(Response::new(limits))
    }

    async fn create_upload(
        &self,
        request: Request<pb::CreateUploadRequest>,
    ) -> Result<Response<pb::CreateUploadResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let new = wire::new_upload(message)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::created)?;
        once.run(&self.app.db, domain::create(&self.app, &caller, new, &once)).await
    }

    async fn write_upload(
        &self,
        request: Request<Streaming<pb::WriteUploadRequest>>,
    ) -> Result<Response<pb::WriteUploadResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let deadline = deadline(&request);
        let told = pump::write(&self.app, &caller, request.into_inner(), deadline).await?;
        Ok(Response::new(pb::WriteUploadResponse { upload: Some(wire::upload(&told)) }))
    }

    async fn append_chunk(
        &self,
        request: Request<pb::AppendChunkRequest>,
    ) -> Result<Response<pb::AppendChunkResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let (how, chunk) = wire::append(request.into_inner())?;
        let told = domain::append(&self.app, &caller, how, chunk).await?;
        Ok(Response::new(pb::AppendChunkResponse { upload: Some(wire::upload(&told)) }))
    }

    async fn sign_upload_parts(
        &self,
        request: Request<pb::SignUploadPartsRequest>,
    ) -> Result<Response<pb::SignUploadPartsResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let (how, parts) = wire::parts_to_sign(request.get_ref())?;
        let signed = domain::sign_parts(&self.app, &caller, how, &parts).await?;
        Ok(Response::new(wire::signed_parts(&signed, self.app.clock.now())))
    }

    async fn commit_upload_parts(
        &self,
        request: Request<pb::CommitUploadPartsRequest>,
    ) -> Result<Response<pb::CommitUploadPartsResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let parts = wire::parts(&message.parts)?;
        let id = wire::upload_id(&message.upload_id)?;
        let told = domain::commit_parts(&self.app, &caller, id, message.writer_generation, &parts).await?;
        Ok(Response::new(pb::CommitUploadPartsResponse { upload: Some(wire::upload(&told)) }))
    }

    async fn get_upload(
        &self,
        request: Request<pb::GetUploadRequest>,
    ) -> Result<Response<pb::GetUploadResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let id = wire::upload_id(&request.get_ref().upload_id)?;
        let told = domain::find(&self.app, &caller, id).await?;
        Ok(Response::new(pb::GetUploadResponse { upload: Some(wire::upload(&told)) }))
    }

    async fn complete_upload(
        &self,
        request: Request<pb::CompleteUploadRequest>,
    ) -> Result<Response<pb::CompleteUploadResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let completion = wire::completion(message)?;
        let id = wire::upload_id(&message.upload_id)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::completed)?;
        once.run(&self.app.db, domain::complete(&self.app, &caller, id, completion, &once)).await?;
        // A repeat tells how the upload stands now, not how it stood at first.
        let told = domain::find(&self.app, &caller, id).await?;
        Ok(Response::new(wire::completed(&told)))
    }

    async fn cancel_upload(
        &self,
        request: Request<pb::CancelUploadRequest>,
    ) -> Result<Response<pb::CancelUploadResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let id = wire::upload_id(&message.upload_id)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::cancelled)?;
        once.run(&self.app.db, domain::cancel(&self.app, &caller, id, &once)).await
    }

    async fn create_download_url(
        &self,
        request: Request<pb::CreateDownloadUrlRequest>,
    ) -> Result<Response<pb::CreateDownloadUrlResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let id = wire::object_id(&request.get_ref().object_id)?;
        let signed = domain::sign_url(&self.app, &caller, id).await?;
        Ok(Response::new(wire::url(signed, self.app.clock.now())))
    }

    type ReadObjectStream = pump::Pieces;

    async fn read_object(
        &self,
        request: Request<pb::ReadObjectRequest>,
    ) -> Result<Response<Self::ReadObjectStream>, Status> {
        let standing = Standing::of(&request)?;
        let deadline = deadline(&request);
        let message = request.get_ref();
        let (offset, limit) = wire::part(message)?;
        let id = wire::object_id(&message.object_id)?;
        let reading = domain::read(&self.app, standing.caller(), id, offset, limit).await?;
        Ok(Response::new(pump::read(reading, standing, deadline)))
    }
}
