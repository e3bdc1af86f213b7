//! `ServerService`: what a client may want to know before anything else.

use tonic::{Request, Response, Status};

use crate::{
    app::App,
    pb::{self, server_service_server::ServerService},
    rpc::convert,
};

/// Serves what is true of the server.
#[derive(Clone, Debug)]
pub struct ServerRpc {
    app: App,
}

impl ServerRpc {
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl ServerService for ServerRpc {
    async fn get_server_info(
        &self,
        _: Request<pb::GetServerInfoRequest>,
    ) -> Result<Response<pb::GetServerInfoResponse>, Status> {
        let mut features = vec!["grpc-web".to_owned()];
        if self.app.config.server.reflection {
            features.push("reflection".to_owned());
        }
        Ok(Response::new(pb::GetServerInfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            server_time: Some(convert::timestamp(self.app.clock.now())),
            oldest_client_version: "0.1.0".to_owned(),
            features,
            api_package: "backline.v1".to_owned(),
        }))
    }
}
