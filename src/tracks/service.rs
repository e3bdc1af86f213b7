//! The gRPC face of tracks.

use tonic::{Request, Response, Status};
use tracing::instrument;

use super::{domain, wire};
use crate::{
    app::App,
    pb::{self, track_service_server::TrackService},
    rpc::{self, Rpc, page::Query},
};

/// `backline.v1.TrackService`.
#[derive(Clone, Debug)]
pub struct TrackRpc {
    app: App,
}

impl TrackRpc {
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl TrackService for TrackRpc {
    #[instrument(name = "tracks.create", skip_all)]
    async fn create_track(
        &self,
        request: Request<pb::CreateTrackRequest>,
    ) -> Result<Response<pb::CreateTrackResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let new = wire::new_track(message)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::created)?;
        once.run(&self.app.db, domain::create(&self.app, &caller, new, &once)).await
    }

    #[instrument(name = "tracks.get", skip_all)]
    async fn get_track(&self, request: Request<pb::GetTrackRequest>) -> Result<Response<pb::GetTrackResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let id = wire::track_id(&request.get_ref().track_id)?;
        let track = domain::get(&self.app, &caller, id).await?;
        Ok(Response::new(pb::GetTrackResponse { track: Some(wire::proto(&track)) }))
    }

    #[instrument(name = "tracks.list", skip_all)]
    async fn list_tracks(
        &self,
        request: Request<pb::ListTracksRequest>,
    ) -> Result<Response<pb::ListTracksResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let artist = wire::artist_id(&message.artist_id)?;
        let query = Query { rpc: Rpc::TrackListTracks, caller: Some(caller.account), filter: &message.artist_id };
        let page = self.app.pages.read(query, message.page_size, &message.page_token)?;
        let slice = domain::list(&self.app, &caller, artist, &page).await?;
        Ok(Response::new(pb::ListTracksResponse {
            tracks: slice.rows.iter().map(wire::proto).collect(),
            next_page_token: self.app.pages.token(query, slice.next),
        }))
    }

    #[instrument(name = "tracks.update", skip_all)]
    async fn update_track(
        &self,
        request: Request<pb::UpdateTrackRequest>,
    ) -> Result<Response<pb::UpdateTrackResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let changes = wire::changes(message)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::updated)?;
        once.run(&self.app.db, domain::update(&self.app, &caller, changes, &once)).await
    }

    #[instrument(name = "tracks.delete", skip_all)]
    async fn delete_track(
        &self,
        request: Request<pb::DeleteTrackRequest>,
    ) -> Result<Response<pb::DeleteTrackResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let id = wire::track_id(&message.track_id)?;
        let once = self.app.repeats.of(Some(&caller), message, wire::deleted)?;
        once.run(&self.app.db, domain::delete(&self.app, &caller, id, &once)).await
    }
}
