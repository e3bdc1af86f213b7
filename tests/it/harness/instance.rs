//! One running server of a world. Several may share its database and files.

use std::{net::SocketAddr, time::Duration};

use backline::{
    app::{self, App},
    config::Config,
    server::Server,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::world::{World, load};

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

impl World {
    /// Another server on the same database with settings of its own, as far as it comes: why it does not start.
    pub async fn refusal_of_a_second(&self, settings: &[(&str, &str)]) -> String {
        let mut all = self.settings.clone();
        all.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let app = match App::open(load(&all), self.parts.clone()).await {
            Ok(app) => app,
            Err(error) => return format!("{error:#}"),
        };
        match Server::bind(app).await {
            Ok(_) => panic!("it starts"),
            Err(error) => format!("{error:#}"),
        }
    }
}
