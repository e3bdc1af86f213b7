//! The accept loop and each connection's life.
//!
//! tonic's own server removes hyper's guards, times no silent peer out, and spins when descriptors run out; its connection
//! age never sends GOAWAY. So this loop is ours, over hyper: it caps connections in all and per address, bounds the time
//! to the first bytes, sets every HTTP/2 limit, asks old and idle connections to go, and knows the peer's address.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use futures::TryFutureExt;
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use tracing::{debug, warn};

use super::{first_bytes::FirstBytes, proxies, pulse::Pulse, tls::Tls};
use crate::{
    app::App,
    config::ServerConfig,
    kernel::ClientAddress,
    rpc::gate::{Arrived, Closing},
};

/// Where a connection comes from, in its requests' extensions.
#[derive(Clone, Copy)]
pub struct Peer(pub IpAddr);

/// After running out of descriptors: trying again at once would only spin.
const PAUSE_WHEN_FULL: Duration = Duration::from_millis(100);
const HEADER_LIST_BYTES: u32 = 8 * 1024;
/// One stream may have this much on its way; the connection more, so that an upload does not starve its siblings.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
const FRAME_BYTES: u32 = 256 * 1024;
const RESETS: usize = 1024;
/// So many connections that wait in the kernel's queue are taken when the port closes; the queue holds fewer.
const MOST_QUEUED: usize = 1024;
/// The first bytes of a new connection come within this time. One that is told to go before them is dropped unread.
const SETTLE: Duration = Duration::from_millis(100);

/// Accepts until `closing`, then waits for the connections, at most the grace.
///
/// The port closes before anyone is asked to go: a proxy connects anew at once, and must be refused then and not reset with
/// its call. For the same reason whoever is in the queue, and believes to be connected, is still served.
pub async fn serve(listener: TcpListener, tls: Option<Tls>, app: App, router: Router, closing: CancellationToken) {
    let config = app.config.server.clone();
    let server = Arc::new(http_server(&config));
    let places = Arc::new(Semaphore::new(config.max_connections));
    let addresses = Addresses::new(&config);
    let connections = TaskTracker::new();
    let (going, mut queued) = (CancellationToken::new(), MOST_QUEUED);
    loop {
        let place = tokio::select! {
            biased;
            place = Arc::clone(&places).acquire_owned() => place,
            () = closing.cancelled() => break,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = closing.cancelled() => break,
        };
        // Or a flood would keep the port open for ever.
        match queued.checked_sub(usize::from(closing.is_cancelled())) {
            Some(left) => queued = left,
            None => break,
        }
        match accepted {
            Ok((stream, peer)) => {
                let Some(seat) = addresses.seat(peer.ip()) else {
                    metrics::counter!("backline_connections_refused_total").increment(1);
                    continue;
                };
                let connection = Connection {
                    server: Arc::clone(&server),
                    tls: tls.as_ref().map(Tls::acceptor),
                    router: router.clone(),
                    age: jittered(&app, config.max_connection_age),
                    idle: config.max_connection_idle,
                    grace: config.grace,
                    first_bytes: config.handshake_timeout,
                    closing: going.clone(),
                };
                connections.spawn(connection.live(stream, peer, (place, seat)));
            }
            // The peer was gone before we took it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                warn!(%error, "no connection can be accepted for now");
                tokio::time::sleep(PAUSE_WHEN_FULL).await;
            }
        }
    }
    drop(listener);
    tokio::time::sleep(SETTLE).await;
    going.cancel();
    connections.close();
    connections.wait().await;
}

/// Less or more a tenth, so that connections opened together do not end together.
fn jittered(app: &App, age: Duration) -> Duration {
    age.mul_f64(0.9 + f64::from(app.dice.below(1000)) / 5000.0)
}

fn http_server(config: &ServerConfig) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(config.handshake_timeout).max_buf_size(64 * 1024);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.max_streams_per_connection)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .max_header_list_size(HEADER_LIST_BYTES)
        .max_local_error_reset_streams(RESETS)
        .keep_alive_interval(Duration::from_mins(1))
        .keep_alive_timeout(Duration::from_secs(20));
    server
}

struct Connection {
    server: Arc<auto::Builder<TokioExecutor>>,
    /// Of the certificate that was in use when the peer came.
    tls: Option<TlsAcceptor>,
    router: Router,
    age: Duration,
    idle: Duration,
    grace: Duration,
    first_bytes: Duration,
    closing: CancellationToken,
}

impl Connection {
    /// Shakes hands where we speak TLS, and serves. Handshake and first bytes share one time limit.
    async fn live(self, stream: TcpStream, peer: SocketAddr, _places: (OwnedSemaphorePermit, Seat)) {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "a connection was gone at once");
            return;
        }
        let peer = Peer(peer.ip());
        let Some(tls) = self.tls.clone() else {
            let limit = self.first_bytes;
            return self.serve(FirstBytes::within(limit, stream), peer).await;
        };
        let begun = Instant::now();
        let shaken = tokio::select! {
            () = self.closing.cancelled() => return,
            shaken = tokio::time::timeout(self.first_bytes, tls.accept(stream)) => shaken,
        };
        let Ok(Ok(stream)) = shaken else {
            metrics::counter!("backline_tls_handshakes_failed_total", "port" => "main").increment(1);
            return;
        };
        let left = self.first_bytes.saturating_sub(begun.elapsed());
        self.serve(FirstBytes::within(left, stream), peer).await;
    }

    /// Serves a connection until it ends, is too old, or the server closes; then its calls have the grace to finish.
    async fn serve<S>(self, stream: FirstBytes<S>, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (router, pulse) = (self.router, Pulse::begin());
        let calls = pulse.clone();
        let ending = self.closing.child_token();
        let closing = Closing(ending.clone());
        let service = tower::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Arrived(Instant::now()));
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(closing.clone());
            let call = calls.call();
            let answer = router.clone().oneshot(request.map(axum::body::Body::new));
            // The call lasts until its body does.
            answer.map_ok(move |response| {
                let hold = move |frame| {
                    let _held = &call;
                    frame
                };
                response.map(|body| axum::body::Body::new(body.map_frame(hold)))
            })
        });
        let io = TokioIo::new(stream);
        let connection = self.server.serve_connection(io, TowerToHyperService::new(service));
        tokio::pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return,
            () = tokio::time::sleep(self.age) => {}
            () = pulse.stopped_for(self.idle) => {}
            () = self.closing.cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        ending.cancel();
        if tokio::time::timeout(self.grace, connection).await.is_err() {
            debug!("a connection was cut after its grace");
        }
    }
}

/// How many connections each address has; of IPv6, each /64: a subscriber has all of one.
#[derive(Clone)]
struct Addresses {
    seats: Arc<Mutex<HashMap<String, usize>>>,
    config: Arc<ServerConfig>,
}

impl Addresses {
    fn new(config: &ServerConfig) -> Self {
        Self { seats: Arc::default(), config: Arc::new(config.clone()) }
    }

    /// A seat for one more connection; `None` if this address has too many.
    fn seat(&self, address: IpAddr) -> Option<Seat> {
        let address = address.to_canonical();
        let prefix = ClientAddress::new(address).prefix();
        let mut seats = self.seats.lock();
        let taken = seats.entry(prefix.clone()).or_insert(0);
        if *taken >= self.config.max_connections_per_address && !self.is_unlimited(address) {
            return None;
        }
        *taken += 1;
        Some(Seat { addresses: self.clone(), prefix })
    }

    fn is_unlimited(&self, address: IpAddr) -> bool {
        self.config.unlimited_addresses.contains(&address) || proxies::trusts(&self.config, address)
    }
}

/// Given back when dropped.
struct Seat {
    addresses: Addresses,
    prefix: String,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.addresses.seats.lock();
        if let Some(taken) = seats.get_mut(&self.prefix) {
            *taken -= 1;
            if *taken == 0 {
                seats.remove(&self.prefix);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_has_the_seats_of_one_address() {
        let config = ServerConfig { max_connections_per_address: 2, ..ServerConfig::default() };
        let addresses = Addresses::new(&config);
        let seat = |address: &str| addresses.seat(address.parse().unwrap());
        let first = seat("2001:db8:1:2::a").unwrap();
        let _second = seat("2001:db8:1:2::b").unwrap();
        assert!(seat("2001:db8:1:2:ffff::c").is_none(), "the same /64");
        let _elsewhere = seat("2001:db8:1:3::a").unwrap();
        let _by_v4 = (seat("192.0.2.1").unwrap(), seat("::ffff:192.0.2.1").unwrap());
        assert!(seat("192.0.2.1").is_none(), "the same address, however written");
        drop(first);
        assert!(seat("2001:db8:1:2::d").is_some());
    }
}
