//! One running server of a world. Several may share its database and files.

use std::{net::SocketAddr, time::Duration};

use backline::{
    app::{self, App},
    config::Config,
    server::Server,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A server on ports of its own, in this process.
pub struct Instance {
    pub app: App,
    pub address: SocketAddr,
    pub admin_address: SocketAddr,
    drain: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Instance {
    /// Binds and serves. Calls made at once wait in the kernel until it accepts.
    pub async fn start(config: Config, world: app::World) -> Self {
        let app = App::open(config, world).await.unwrap();
        let server = Server::bind(app.clone()).await.unwrap();
        let (address, admin_address) = server.addresses().unwrap();
        let drain = CancellationToken::new();
        let running = tokio::spawn(server.run(drain.clone(), || Duration::ZERO));
        Self { app, address, admin_address, drain, running }
    }

    /// Asks the server to stop, and does not wait.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Stops in order, as SIGINT does, and waits until everything is let go.
    pub async fn stop(self) {
        self.drain();
        self.running.await.unwrap().unwrap();
    }
}
