//! The admin port behind client certificates: a listener whose connections have shaken hands.
//!
//! Handshakes run beside each other, each bounded in time and all in number, so that a silent peer holds nobody up.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_rustls::server::TlsStream;
use tracing::warn;

use super::tls::Tls;

/// Handshakes at once: whoever watches is few.
const AT_ONCE: usize = 64;
/// After running out of descriptors.
const PAUSE_WHEN_FULL: Duration = Duration::from_millis(100);

type Shaken = (TlsStream<TcpStream>, SocketAddr);

/// Hands out connections of clients with a certificate.
pub struct TlsListener {
    ready: mpsc::Receiver<Shaken>,
    address: SocketAddr,
    /// Ends with the listener.
    _accepting: JoinSet<()>,
}

impl TlsListener {
    /// # Errors
    /// Never in practice: the port is bound.
    pub fn new(listener: TcpListener, tls: Tls, patience: Duration) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (shaken, ready) = mpsc::channel(AT_ONCE);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, tls, patience, shaken));
        Ok(Self { ready, address, _accepting: accepting })
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Shaken {
        match self.ready.recv().await {
            Some(shaken) => shaken,
            // The loop below ends only with this listener.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn accept(listener: TcpListener, tls: Tls, patience: Duration, shaken: mpsc::Sender<Shaken>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut handshakes = JoinSet::new();
    loop {
        while handshakes.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "no connection to the admin port can be accepted for now");
                tokio::time::sleep(PAUSE_WHEN_FULL).await;
                continue;
            }
        };
        let Some(acceptor) = tls.admin_acceptor() else { continue };
        let shaken = shaken.clone();
        handshakes.spawn(async move {
            let _place = place;
            match tokio::time::timeout(patience, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => drop(shaken.send((stream, peer)).await),
                _ => metrics::counter!("backline_tls_handshakes_failed_total", "port" => "admin").increment(1),
            }
        });
    }
}
