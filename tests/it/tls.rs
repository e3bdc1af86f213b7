//! TLS on both ports: who gets in, and what a renewal does.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::harness::*;

const NAME: &str = "backline.test";

/// An authority, and the files that it gives out.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(parameters, key) }
    }

    /// A certificate and its key, as PEM.
    fn give(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new([name.to_owned()]).unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        roots
    }
}

/// The server's files, and its settings.
struct Files {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new() };
        files.renew();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a new certificate in the place of the old one.
    fn renew(&self) {
        let (certificate, key) = self.authority.give(NAME);
        std::fs::write(self.path("tls.crt"), certificate).unwrap();
        std::fs::write(self.path("tls.key"), key).unwrap();
    }

    async fn world(&self, further: &[(&str, &str)]) -> World {
        let (certificate, key) = (self.path("tls.crt"), self.path("tls.key"));
        let mut settings = vec![
            ("tls.certificate_file", certificate.to_str().unwrap()),
            ("tls.key_file", key.to_str().unwrap()),
            ("web.public_url", "https://backline.test"),
        ];
        settings.extend_from_slice(further);
        World::with(&settings).await
    }

    /// An ordinary gRPC client that knows the authority.
    fn channel(&self, address: SocketAddr) -> Channel {
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.authority.pem)).domain_name(NAME);
        Endpoint::from_shared(format!("https://{address}")).unwrap().tls_config(tls).unwrap().connect_lazy()
    }
}

/// Shakes hands; with a certificate if one is given.
async fn shake(
    address: SocketAddr,
    authority: &Authority,
    own: Option<&(String, String)>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let builder = ClientConfig::builder().with_root_certificates(authority.roots());
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap()
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(NAME).unwrap(), stream).await
}

/// One request over HTTP/1.1, to the end of the connection.
async fn get(mut stream: TlsStream<TcpStream>, path: &str) -> std::io::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// What comes back to these bytes, until the server hangs up. It must within ten seconds.
async fn answer_to(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    // A reset is an end as well.
    drop(tokio::time::timeout(Duration::from_secs(10), read).await.expect("it hangs up"));
    answer
}

async fn info(channel: &Channel) -> Result<(), Status> {
    let mut server = pb::server_service_client::ServerServiceClient::new(channel.clone());
    server.get_server_info(pb::GetServerInfoRequest {}).await.map(drop)
}

#[tokio::test]
async fn calls_and_pages_go_over_tls() {
    let files = Files::new();
    let world = files.world(&[]).await;
    let address = world.server().address;
    let channel = files.channel(address);
    info(&channel).await.unwrap();
    let actor = Actor::anonymous(channel);
    let request = pb::RegisterRequest {
        email: "ana@example.org".into(),
        password: PASSWORD.into(),
        display_name: "Ana".into(),
        ..Default::default()
    };
    actor.accounts().register(request).await.unwrap();
    world.run_jobs().await;
    let letter = world.letters_to("ana@example.org").pop().unwrap();
    assert!(letter.text.contains("https://backline.test/"), "{}", letter.text);
    let page = get(shake(address, &files.authority, None).await.unwrap(), "/").await.unwrap();
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("strict-transport-security: max-age="), "{page}");
}

#[tokio::test]
async fn whoever_speaks_in_the_clear_or_an_old_tls_is_refused() {
    let files = Files::new();
    let world = files.world(&[]).await;
    let address = world.server().address;
    let plain = answer_to(address, b"GET / HTTP/1.1\r\nhost: backline.test\r\n\r\n").await;
    assert!(!plain.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&plain));
    let plain = answer_to(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    assert!(plain.first().is_none_or(|first| *first == 0x15), "no HTTP/2 frame: {plain:?}");

    // The greeting of a client that knows TLS 1.1 and nothing newer.
    let mut hello = vec![0x16, 3, 1, 0, 47, 1, 0, 0, 43, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0, 0, 0]);
    let answer = answer_to(address, &hello).await;
    assert_eq!(answer.get(..1), Some(&[0x15][..]), "an alert: {answer:?}");
    assert_eq!(answer.get(5), Some(&2), "and a fatal one: {answer:?}");

    let stranger = Authority::new();
    let refused = shake(address, &stranger, None).await.unwrap_err();
    assert!(refused.to_string().contains("invalid peer certificate"), "{refused}");
    let metrics =
        raw::send(world.server().admin_address, Http::One, http::Method::GET, "/metrics", &[], "").await.text();
    assert!(metrics.contains("backline_tls_handshakes_failed_total{port=\"main\"}"), "{metrics}");
    info(&files.channel(address)).await.unwrap();
}

#[tokio::test]
async fn a_renewal_is_seen_by_new_connections_and_ends_no_old_one() {
    let files = Files::new();
    let world = files.world(&[("server.handshake_timeout", "30s")]).await;
    let address = world.server().address;
    let shown = async || {
        let stream = shake(address, &files.authority, None).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let metric = async |name: &str| {
        let admin = world.server().admin_address;
        let text = raw::send(admin, Http::One, http::Method::GET, "/metrics", &[], "").await.text();
        text.lines().find(|line| line.starts_with(name)).map(str::to_owned)
    };
    let mut old = shake(address, &files.authority, None).await.unwrap();
    let ends = metric("backline_tls_certificate_expires_timestamp_seconds").await.unwrap();
    assert!(ends.split(' ').nth(1).unwrap().parse::<f64>().unwrap() > 1_772_323_200.0, "{ends}");

    let first = shown().await;
    std::fs::write(files.path("tls.key"), "half a k").unwrap();
    eventually(async || metric("backline_tls_reloads_refused_total").await.is_some()).await;
    assert_eq!(shown().await, first, "bad files change nothing");

    files.renew();
    eventually(async || shown().await != first).await;
    old.write_all(b"GET / HTTP/1.1\r\nhost: backline.test\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    old.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "the old connection goes on: {answer}");
}

#[tokio::test]
async fn the_admin_port_asks_for_a_certificate_of_its_authority() {
    let files = Files::new();
    let watchers = Authority::new();
    std::fs::write(files.path("watchers.crt"), &watchers.pem).unwrap();
    let ca = files.path("watchers.crt");
    let world = files.world(&[("tls.admin_client_ca_file", ca.to_str().unwrap())]).await;
    let admin = world.server().admin_address;
    let ask = async |own: Option<&(String, String)>| get(shake(admin, &files.authority, own).await?, "/livez").await;

    let watcher = watchers.give("watcher");
    let alive = ask(Some(&watcher)).await.unwrap();
    assert!(alive.starts_with("HTTP/1.1 200") && alive.ends_with("alive\n"), "{alive}");
    for own in [None, Some(&files.authority.give("stranger"))] {
        // With TLS 1.3 a client hears of it when it reads.
        assert_eq!(ask(own).await.unwrap_or_default(), "");
    }
    let plain = answer_to(admin, b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(!String::from_utf8_lossy(&plain).contains("alive"));
    // A silent peer holds nobody up.
    let _silent = TcpStream::connect(admin).await.unwrap();
    assert!(ask(Some(&watcher)).await.unwrap().starts_with("HTTP/1.1 200"));
    // The main port asks for none.
    info(&files.channel(world.server().address)).await.unwrap();
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_cut_off() {
    let files = Files::new();
    let world = files.world(&[("server.handshake_timeout", "1s")]).await;
    let address = world.server().address;
    let begun = std::time::Instant::now();
    for bytes in [&b""[..], &[0x16, 3, 1], &[0x16, 3, 1, 1, 0, 1, 0, 0, 0xfc]] {
        answer_to(address, bytes).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(9), "a second each: {:?}", begun.elapsed());
    // Shaken hands alone are no greeting either.
    let mut silent = shake(address, &files.authority, None).await.unwrap();
    let end = tokio::time::timeout(Duration::from_secs(5), silent.read(&mut [0; 1])).await;
    assert!(!matches!(end, Ok(Ok(1..))) && end.is_ok(), "{end:?}");
    info(&files.channel(address)).await.unwrap();
}

#[tokio::test]
async fn handshakes_under_way_do_not_hold_up_the_end() {
    let files = Files::new();
    let world = files.world(&[("server.handshake_timeout", "30s")]).await;
    let (second, _) = world.second_server().await;
    let mut half = TcpStream::connect(second.address).await.unwrap();
    half.write_all(&[0x16, 3, 1]).await.unwrap();
    info(&files.channel(second.address)).await.unwrap();
    let begun = std::time::Instant::now();
    second.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_address_has_its_places_under_tls_as_well() {
    let files = Files::new();
    let world = files.world(&[("server.max_connections_per_address", "2")]).await;
    let address = world.server().address;
    let first = shake(address, &files.authority, None).await.unwrap();
    // The second place is taken before hands are shaken.
    let _half = TcpStream::connect(address).await.unwrap();
    eventually(async || shake(address, &files.authority, None).await.is_err()).await;
    drop(first);
    eventually(async || shake(address, &files.authority, None).await.is_ok()).await;
}
