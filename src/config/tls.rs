use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Mode, Problems, Section};

/// TLS 1.2 and 1.3 on `server.listen`, by certificates in files. They are read again when they change, and connections go on.
/// Without them the port speaks in the clear, for a proxy that ends TLS.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// The server's certificate and those between it and its authority, as PEM.
    pub certificate_file: Option<PathBuf>,
    /// The certificate's private key, as PEM.
    pub key_file: Option<PathBuf>,
    /// Certificates of authorities, as PEM. With them `server.admin_listen` speaks TLS as well, and only with clients that
    /// show a certificate of one of these.
    pub admin_client_ca_file: Option<PathBuf>,
}

impl TlsConfig {
    /// Whether `server.listen` speaks TLS.
    pub fn is_on(&self) -> bool {
        self.certificate_file.is_some()
    }
}

impl Section for TlsConfig {
    const NAME: &'static str = "tls";

    fn check(&self, _: Mode, problems: &mut Problems) {
        if self.certificate_file.is_some() != self.key_file.is_some() {
            problems.add("tls.key_file", "and tls.certificate_file go together: set both or neither");
        }
        if self.admin_client_ca_file.is_some() && self.certificate_file.is_none() {
            problems
                .add("tls.admin_client_ca_file", "wants tls.certificate_file: the admin port shows that certificate");
        }
    }
}
