//! Where a call really comes from, when load balancers stand before us.
//!
//! A header is believed only from a peer that the configuration names, and read from the right: each proxy adds whom it
//! was called by, so everything left of the last address that is not a proxy of ours was written by the client. Which of
//! the two headers the proxies write is configured, too: the other one reaches us as the client sent it.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::{
    config::{ForwardedHeader, ServerConfig},
    kernel::ClientAddress,
};

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address: the peer's own, or what trusted proxies say.
///
/// What cannot be read (`unknown`, a hidden name) ends the walk: the last proxy known stands for whoever is behind it.
pub fn client(config: &ServerConfig, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
    let mut client = peer.to_canonical();
    if trusts(config, client) {
        for hop in hops(config.forwarded_header, headers).iter().rev() {
            let Some(address) = hop else { break };
            client = *address;
            if !trusts(config, client) {
                break;
            }
        }
    }
    ClientAddress::new(client)
}

/// Whether this is one of our load balancers.
pub fn trusts(config: &ServerConfig, address: IpAddr) -> bool {
    let address = address.to_canonical();
    config.trusted_proxies.iter().flatten().any(|network: &IpNet| network.contains(&address))
}

/// Who called whom, the oldest first; `None` for what is no address.
fn hops(header: ForwardedHeader, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let name = match header {
        ForwardedHeader::XForwardedFor => &X_FORWARDED_FOR,
        ForwardedHeader::Forwarded => &header::FORWARDED,
    };
    let elements = headers.get_all(name).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    elements.map(|element| hop(header, element)).collect()
}

/// Whoever is named by one element of the header. What is no text is no address; its neighbours are none the worse.
fn hop(header: ForwardedHeader, element: &[u8]) -> Option<IpAddr> {
    let element = std::str::from_utf8(element).ok()?;
    match header {
        ForwardedHeader::XForwardedFor => address(element),
        ForwardedHeader::Forwarded => element.split(';').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.trim().eq_ignore_ascii_case("for").then(|| address(value.trim().trim_matches('"')))?
        }),
    }
}

/// An address, perhaps in brackets, perhaps with a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|with_port| with_port.ip()));
    parsed.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, header: ForwardedHeader, lines: &[(&'static str, &str)]) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let config = ServerConfig {
            trusted_proxies: Some(trusted.to_vec()),
            forwarded_header: header,
            ..ServerConfig::default()
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        client(&config, peer.parse().unwrap(), &headers).expose()
    }

    #[test]
    fn the_last_address_that_is_no_proxy_of_ours_is_the_client() {
        let xff = |peer, value| seen(peer, ForwardedHeader::XForwardedFor, &[("x-forwarded-for", value)]);
        assert_eq!(xff("10.0.0.1", "192.0.2.7"), "192.0.2.7");
        assert_eq!(xff("10.0.0.1", "198.51.100.1, 192.0.2.7, 10.0.0.2"), "192.0.2.7", "the first was made up");
        assert_eq!(xff("::ffff:10.0.0.1", "::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(xff("fd00::1", "2001:db8::1"), "2001:db8::1");
        assert_eq!(xff("10.0.0.1", "192.0.2.7:4711"), "192.0.2.7");
        assert_eq!(xff("10.0.0.1", "[2001:db8::1]:4711"), "2001:db8::1");
        assert_eq!(xff("10.0.0.1", "10.0.0.3, 10.0.0.2"), "10.0.0.3", "all of them ours");

        let lines = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "192.0.2.7")];
        assert_eq!(seen("10.0.0.1", ForwardedHeader::XForwardedFor, &lines), "192.0.2.7", "lines follow each other");
    }

    #[test]
    fn strangers_are_not_believed() {
        for peer in ["192.0.2.99", "2001:db8::99", "11.0.0.1"] {
            let lines = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=198.51.100.1")];
            assert_eq!(seen(peer, ForwardedHeader::XForwardedFor, &lines), peer);
            assert_eq!(seen(peer, ForwardedHeader::Forwarded, &lines), peer);
        }
        // The header that the proxies do not write came from the client.
        assert_eq!(seen("10.0.0.1", ForwardedHeader::XForwardedFor, &[("forwarded", "for=198.51.100.1")]), "10.0.0.1");
    }

    #[test]
    fn what_cannot_be_read_ends_the_walk() {
        let xff = |value| seen("10.0.0.1", ForwardedHeader::XForwardedFor, &[("x-forwarded-for", value)]);
        for value in ["", "unknown", "198.51.100.1, unknown", "198.51.100.1,", "1.2.3", "::1::"] {
            assert_eq!(xff(value), "10.0.0.1", "{value}");
        }
        assert_eq!(xff("198.51.100.1, nonsense, 10.0.0.2"), "10.0.0.2");
    }

    #[test]
    fn what_a_client_wrote_spoils_nothing_that_a_proxy_added() {
        let config = ServerConfig {
            trusted_proxies: Some(vec!["10.0.0.0/8".parse().unwrap()]),
            forwarded_header: ForwardedHeader::XForwardedFor,
            ..ServerConfig::default()
        };
        let line = http::HeaderValue::from_bytes(b"\x80, 192.0.2.7").unwrap();
        let headers = HeaderMap::from_iter([(X_FORWARDED_FOR.clone(), line)]);
        assert_eq!(client(&config, "10.0.0.1".parse().unwrap(), &headers).expose(), "192.0.2.7");
    }

    #[test]
    fn the_standard_header_is_read_as_written() {
        let forwarded = |value| seen("10.0.0.1", ForwardedHeader::Forwarded, &[("forwarded", value)]);
        assert_eq!(forwarded("for=192.0.2.60;proto=https;by=10.0.0.1"), "192.0.2.60");
        assert_eq!(forwarded("proto=https; For=\"[2001:db8:cafe::17]:4711\""), "2001:db8:cafe::17");
        assert_eq!(forwarded("for=198.51.100.1, for=192.0.2.7, for=10.0.0.2"), "192.0.2.7");
        assert_eq!(forwarded("for=_hidden"), "10.0.0.1");
        assert_eq!(forwarded("proto=https"), "10.0.0.1");
    }
}
