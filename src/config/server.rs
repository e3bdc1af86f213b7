use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Mode, Problems, Section};

/// Where the server listens, and what one connection may do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// gRPC, gRPC-Web and HTTP. Also `BACKLINE_LISTEN`.
    pub listen: SocketAddr,
    /// `/livez`, `/readyz`, `/metrics`. Also `BACKLINE_ADMIN_LISTEN`. Keep it off the open network.
    pub admin_listen: SocketAddr,
    /// Open connections in all; more wait in the kernel's queue.
    pub max_connections: usize,
    /// Open connections from one address; more are closed at once.
    pub max_connections_per_address: usize,
    /// Calls at once on one HTTP/2 connection.
    pub max_streams_per_connection: u32,
    /// How long a peer may take for its first bytes and for each HTTP/1 header.
    #[serde(with = "humantime_serde")]
    pub handshake_timeout: Duration,
    /// Connections are asked to go after this time (less or more 10 %), so that clients spread anew.
    #[serde(with = "humantime_serde")]
    pub max_connection_age: Duration,
    /// Connections without a call for this long are asked to go as well.
    #[serde(with = "humantime_serde")]
    pub max_connection_idle: Duration,
    /// How long calls may go on after that, and after a stop signal.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// How long health says `NOT_SERVING` before connections are closed on SIGTERM, for load balancers to notice.
    #[serde(with = "humantime_serde")]
    pub drain_notice: Duration,
    /// A stream in which a client sends nothing, or takes nothing of what is sent, for so long is cut off.
    #[serde(with = "humantime_serde")]
    pub stream_idle_timeout: Duration,
    /// Addresses (of load balancers) that the limit per address does not bind.
    pub unlimited_addresses: Vec<std::net::IpAddr>,
    /// Networks of the load balancers before this server, such as `10.1.0.0/16`. Only they may say for whom they call;
    /// the limit of connections per address does not bind them. In production it must be set, to an empty list if
    /// clients connect directly: or all of them share the limits of one address, or choose their own.
    pub trusted_proxies: Option<Vec<IpNet>>,
    /// The header in which they say it. They must append to it or replace it, never pass it through.
    pub forwarded_header: ForwardedHeader,
    /// Whether grpcurl may ask which services there are.
    pub reflection: bool,
    /// Whether something else keeps strangers from `server.admin_listen`, where that is more than this machine: a pod's
    /// network, a firewall. In production it must be said, or `tls.admin_client_ca_file` be set.
    pub admin_is_fenced: bool,
}

/// Where proxies write the address of whom they were called by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    #[default]
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 7070).into(),
            admin_listen: (Ipv4Addr::LOCALHOST, 7071).into(),
            max_connections: 10_000,
            max_connections_per_address: 64,
            max_streams_per_connection: 100,
            handshake_timeout: Duration::from_secs(5),
            max_connection_age: Duration::from_mins(30),
            max_connection_idle: Duration::from_mins(10),
            stream_idle_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(30),
            drain_notice: Duration::from_secs(5),
            unlimited_addresses: Vec::new(),
            trusted_proxies: None,
            forwarded_header: ForwardedHeader::default(),
            reflection: true,
            admin_is_fenced: false,
        }
    }
}

impl Section for ServerConfig {
    const NAME: &'static str = "server";

    /// Strangers need no list of services.
    fn defaults(mode: Mode) -> Self {
        Self { reflection: mode != Mode::Production, ..Self::default() }
    }

    fn check(&self, mode: Mode, problems: &mut Problems) {
        if self.listen == self.admin_listen && self.listen.port() != 0 {
            problems.add("server.admin_listen", "must differ from server.listen");
        }
        if self.max_connections == 0 || self.max_connections_per_address == 0 || self.max_streams_per_connection == 0 {
            problems.add("server.max_connections", "and the other maxima must be 1 or more, or nobody can call");
        }
        if self.trusted_proxies.is_none() && mode == Mode::Production {
            problems.add(
                "server.trusted_proxies",
                "must be set in production: the networks of your load balancers, or an empty list if there are none",
            );
        }
        if self.handshake_timeout.is_zero() {
            problems.add("server.handshake_timeout", "must be longer than 0s");
        }
        if self.stream_idle_timeout < Duration::from_millis(100) {
            problems.add("server.stream_idle_timeout", "must be 100ms or more");
        }
        if mode == Mode::Production {
            self.check_for_strangers(problems);
        }
    }
}

/// Networks wider than these (8 bits of IPv4, 16 of IPv6) are not one's own.
const fn widest(network: &IpNet) -> u8 {
    match network {
        IpNet::V4(_) => 8,
        IpNet::V6(_) => 16,
    }
}

impl ServerConfig {
    /// What production does not take.
    fn check_for_strangers(&self, problems: &mut Problems) {
        if self.reflection {
            problems.add("server.reflection", "must be off in production: it tells strangers what there is to attack");
        }
        if self.trusted_proxies.iter().flatten().any(|network| network.prefix_len() < widest(network)) {
            problems.add(
                "server.trusted_proxies",
                "must be the networks of your load balancers and no wider, or anyone may say where a call comes from",
            );
        }
        if self.handshake_timeout > Duration::from_secs(30) {
            problems
                .add("server.handshake_timeout", "must be 30s or less in production, or silent peers take every place");
        }
        if self.max_connections_per_address > 10_000 {
            problems.add(
                "server.max_connections_per_address",
                "must be 10000 or less in production, or one address takes every place",
            );
        }
    }
}
