//! The gRPC face of artists.

use tonic::{Request, Response, Status};

use super::{
    Error,
    domain::{self, Which},
    wire,
};
use crate::{
    app::App,
    pb::{self, artist_service_server::ArtistService},
    rpc::{
        self, Rpc,
        fields::id_or,
        page::{self, Query},
    },
};

#[derive(Clone, Debug)]
pub struct ArtistRpc {
    app: App,
}

impl ArtistRpc {
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl ArtistService for ArtistRpc {
    async fn get_artist(
        &self,
        request: Request<pb::GetArtistRequest>,
    ) -> Result<Response<pb::GetArtistResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let id = id_or(&request.get_ref().artist_id, || Error::NotFound)?;
        let artist = domain::read(&self.app, &caller, id).await?;
        Ok(Response::new(pb::GetArtistResponse { artist: Some(wire::proto(&artist)) }))
    }

    async fn list_artists(
        &self,
        request: Request<pb::ListArtistsRequest>,
    ) -> Result<Response<pb::ListArtistsResponse>, Status> {
        let caller = rpc::caller(&request)?;
        let message = request.get_ref();
        let (which, filter) = if message.mine { (Which::Of(caller.account), "mine") } else { (Which::Active, "") };
        let query = Query { rpc: Rpc::ArtistListArtists, caller: Some(caller.account), filter };
        let page = self.app.pages.read(query, message.page_size, &message.page_token)?;
        let slice = domain::list(&self.app, which, &page, page::before_id(&page)?).await?;
        Ok(Response::new(wire::listed(&slice.rows, self.app.pages.token(query, slice.next))))
    }
}
