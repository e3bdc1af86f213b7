//! TLS on our ports: certificates from files, read again when they change.
//!
//! New handshakes see the new certificate; connections that stand go on. Files that do not fit together, as in the middle of
//! a replacement, change nothing: the old ones stay in use, with a warning. rustls speaks 1.2 and 1.3 and nothing older, with
//! forward secrecy only.

use std::{io::Read, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use parking_lot::RwLock;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::TlsConfig;

/// How often the files are looked at. They are compared by what they hold: mounts swap folders under the same names.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A chain of certificates is a few KiB.
const MOST_BYTES: u64 = 1024 * 1024;

/// Both ports' TLS. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Tls {
    config: TlsConfig,
    held: Arc<RwLock<Held>>,
}

#[derive(Clone)]
struct Held {
    files: Files,
    main: Arc<ServerConfig>,
    /// With client certificates; only if an authority is configured.
    admin: Option<Arc<ServerConfig>>,
}

/// What stands in the files.
#[derive(Clone, PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Tls {
    /// `None` where the configuration names no certificate.
    ///
    /// # Errors
    /// One sentence: a file cannot be read, is no PEM, or key and certificate do not belong together.
    pub fn open(config: &TlsConfig) -> anyhow::Result<Option<Self>> {
        let Some(files) = Files::read(config)? else { return Ok(None) };
        let held = Arc::new(RwLock::new(Held::of(files)?));
        Ok(Some(Self { config: config.clone(), held }))
    }

    /// For one connection to the main port.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.held.read().main))
    }

    /// Whether the admin port speaks TLS.
    pub fn guards_admin(&self) -> bool {
        self.held.read().admin.is_some()
    }

    /// For one connection to the admin port; `None` if it speaks in the clear.
    pub fn admin_acceptor(&self) -> Option<TlsAcceptor> {
        self.held.read().admin.clone().map(TlsAcceptor::from)
    }

    /// Follows the files until `stop`.
    pub async fn follow(self, stop: CancellationToken) {
        let mut refused: Option<Files> = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let (tls, before) = (self.clone(), refused.take());
            refused = match tokio::task::spawn_blocking(move || tls.look_again(before)).await {
                Ok(refused) => refused,
                Err(error) => {
                    warn!(%error, "the certificates could not be looked at");
                    None
                }
            };
        }
    }

    /// Takes up what is new. Returns files that were refused, so that they are complained of once.
    fn look_again(&self, refused: Option<Files>) -> Option<Files> {
        // Between the removal of a file and its replacement there is none.
        let Ok(Some(files)) = Files::read(&self.config) else { return refused };
        if files == self.held.read().files {
            return None;
        }
        if refused.as_ref() == Some(&files) {
            return refused;
        }
        match Held::of(files.clone()) {
            Ok(held) => {
                *self.held.write() = held;
                info!("new certificates are in use");
                None
            }
            Err(error) => {
                metrics::counter!("backline_tls_reloads_refused_total").increment(1);
                warn!(error = format!("{error:#}"), "the certificates at hand stay in use");
                Some(files)
            }
        }
    }
}

impl Files {
    fn read(config: &TlsConfig) -> anyhow::Result<Option<Self>> {
        let (Some(certificate), Some(key)) = (&config.certificate_file, &config.key_file) else { return Ok(None) };
        Ok(Some(Self {
            certificate: read(certificate)?,
            key: read(key)?,
            client_ca: config.admin_client_ca_file.as_deref().map(read).transpose()?,
        }))
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let file = std::fs::File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(bytes)
}

impl Held {
    fn of(files: Files) -> anyhow::Result<Self> {
        let chain = certificates(&files.certificate).context("tls.certificate_file holds no certificate as PEM")?;
        let expires = expiry(&chain)?;
        let verifier = files.client_ca.as_deref().map(client_verifier).transpose()?;
        let held = Self {
            main: Arc::new(server(&files.key, chain.clone(), None)?),
            admin: verifier.map(|verifier| server(&files.key, chain, Some(verifier)).map(Arc::new)).transpose()?,
            files,
        };
        metrics::gauge!("backline_tls_certificate_expires_timestamp_seconds").set(expires);
        Ok(held)
    }
}

type Verifier = Arc<dyn rustls::server::danger::ClientCertVerifier>;

fn server(key: &[u8], chain: Vec<CertificateDer<'static>>, clients: Option<Verifier>) -> anyhow::Result<ServerConfig> {
    // Its own words may quote the file.
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|_| anyhow::anyhow!("tls.key_file holds no private key as PEM"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match clients {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .context("tls.key_file and tls.certificate_file do not belong together, or are of a kind that is not known")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    if chain.is_empty() {
        bail!("there is none");
    }
    Ok(chain)
}

fn client_verifier(pem: &[u8]) -> anyhow::Result<Verifier> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(pem).context("tls.admin_client_ca_file holds no certificate as PEM")? {
        roots.add(authority).context("tls.admin_client_ca_file holds what is no authority")?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?)
}

/// When the server's own certificate ends, as a Unix second.
#[expect(clippy::cast_precision_loss, reason = "a gauge of seconds; they are far below 2^52")]
fn expiry(chain: &[CertificateDer<'_>]) -> anyhow::Result<f64> {
    let own = chain.first().context("there is no certificate")?;
    let (_, certificate) =
        x509_parser::parse_x509_certificate(own).map_err(|_| anyhow::anyhow!("tls.certificate_file is malformed"))?;
    Ok(certificate.validity().not_after.timestamp() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shelf(tempfile::TempDir);

    impl Shelf {
        /// A folder with a certificate for `name`, and its key.
        fn with(name: &str) -> Self {
            let shelf = Self(tempfile::tempdir().unwrap());
            shelf.put(name, true);
            shelf
        }

        fn put(&self, name: &str, key_too: bool) {
            let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
            std::fs::write(self.0.path().join("tls.crt"), made.cert.pem()).unwrap();
            if key_too {
                std::fs::write(self.0.path().join("tls.key"), made.signing_key.serialize_pem()).unwrap();
            }
        }

        fn config(&self) -> TlsConfig {
            let file = |name: &str| Some(self.0.path().join(name));
            TlsConfig { certificate_file: file("tls.crt"), key_file: file("tls.key"), admin_client_ca_file: None }
        }
    }

    #[test]
    fn files_that_do_not_fit_together_change_nothing_and_are_told_once() {
        let shelf = Shelf::with("one.test");
        let tls = Tls::open(&shelf.config()).unwrap().unwrap();
        let first = Arc::as_ptr(&tls.held.read().main);
        assert!(tls.look_again(None).is_none());
        assert_eq!(Arc::as_ptr(&tls.held.read().main), first, "nothing has changed");
        shelf.put("two.test", false);
        let refused = tls.look_again(None);
        assert!(refused.is_some() && tls.look_again(refused).is_some());
        assert_eq!(Arc::as_ptr(&tls.held.read().main), first);
        shelf.put("three.test", true);
        assert!(tls.look_again(None).is_none());
        assert_ne!(Arc::as_ptr(&tls.held.read().main), first);
        std::fs::remove_file(shelf.config().key_file.unwrap()).unwrap();
        assert!(tls.look_again(None).is_none(), "it may come again");
    }

    #[test]
    fn bad_files_are_told_in_one_sentence_that_quotes_none_of_them() {
        let shelf = Shelf::with("one.test");
        let config = shelf.config();
        let refused = || format!("{:#}", Tls::open(&config).err().unwrap());
        std::fs::write(config.key_file.as_ref().unwrap(), "hunter2").unwrap();
        assert_eq!(refused(), "tls.key_file holds no private key as PEM");
        shelf.put("two.test", true);
        shelf.put("three.test", false);
        assert!(refused().contains("do not belong together"), "{}", refused());
        std::fs::write(config.certificate_file.as_ref().unwrap(), "hunter2").unwrap();
        assert!(refused().starts_with("tls.certificate_file holds no certificate as PEM"), "{}", refused());
        std::fs::remove_file(config.certificate_file.as_ref().unwrap()).unwrap();
        assert!(refused().contains("tls.crt cannot be read"), "{}", refused());
        assert!(Tls::open(&TlsConfig::default()).unwrap().is_none());
    }

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let mut parameters = rcgen::CertificateParams::new(["one.test".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let made = parameters.self_signed(&key).unwrap();
        let end = expiry(&certificates(made.pem().as_bytes()).unwrap()).unwrap();
        assert!((end - 1_893_456_000.0).abs() < 1.0, "{end}");
    }
}
