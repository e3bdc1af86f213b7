//! A real mail server for one test: `smtp_server.py`, on a port and a Maildir of its own.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::environment;

pub const USER: &str = "backline-mailer";
pub const SMTP_PASSWORD: &str = "canary-smtp-password-5177";

/// The version that `tests/run` installs.
const VERSION: &str = "1.4.6";

/// Where the certificates, and later the letters, of one mail server lie.
pub struct PostOffice {
    folder: tempfile::TempDir,
    python: PathBuf,
}

/// A mail server that runs until it is dropped.
pub struct MailServer {
    child: Child,
    pub port: u16,
}

/// How a mail server talks.
#[derive(Clone, Copy)]
pub enum Talk {
    StartTls,
    Wrapped,
    Clear,
}

impl PostOffice {
    /// `None` where aiosmtpd is not installed: `tests/run` does that, or counts these tests as skipped.
    pub fn open() -> Option<Self> {
        let cache =
            environment("XDG_CACHE_HOME").or_else(|| environment("HOME").map(|home| format!("{home}/.cache")))?;
        let python = PathBuf::from(cache).join(format!("backline/aiosmtpd-{VERSION}/bin/python"));
        if !python.exists() {
            eprintln!("skipped: there is no aiosmtpd; see tests/run");
            return None;
        }
        let office = Self { folder: tempfile::tempdir().unwrap(), python };
        office.certify();
        Some(office)
    }

    /// A certificate authority of this test alone, and what it says about this machine.
    fn certify(&self) {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = authority.self_signed(&key).unwrap();
        let issuer = Issuer::new(authority, key);
        let key = KeyPair::generate().unwrap();
        let names = ["localhost", "127.0.0.1"].map(str::to_owned).to_vec();
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        for (name, text) in [("ca.pem", root.pem()), ("cert.pem", leaf.pem()), ("key.pem", key.serialize_pem())] {
            std::fs::write(self.path(name), text).unwrap();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a mail server; on port 0 it finds one.
    pub fn serve(&self, talk: Talk, port: u16) -> MailServer {
        let tls = match talk {
            Talk::StartTls => "starttls",
            Talk::Wrapped => "wrapped",
            Talk::Clear => "none",
        };
        let mut child = Command::new(&self.python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness/smtp_server.py"))
            .args(["--tls", tls, "--port", &port.to_string(), "--user", USER, "--password", SMTP_PASSWORD])
            .arg("--maildir")
            .arg(self.path("mail"))
            .arg("--certificate")
            .arg(self.path("cert.pem"))
            .arg("--key")
            .arg(self.path("key.pem"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        MailServer { child, port: line.trim().parse().expect("the mail server tells its port") }
    }

    /// The settings that trust this office and sign in there.
    pub fn settings(&self, url: String) -> Vec<(&'static str, String)> {
        vec![
            ("mail.url", url),
            ("mail.username", USER.to_owned()),
            ("mail.password", SMTP_PASSWORD.to_owned()),
            ("mail.ca_file", self.path("ca.pem").display().to_string()),
            ("mail.from", "Backline <hello@backline.test>".to_owned()),
        ]
    }

    /// All letters that arrived, as the mail server got them.
    pub fn letters(&self) -> Vec<String> {
        let Ok(folder) = std::fs::read_dir(self.path("mail/new")) else { return Vec::new() };
        let text = |path: PathBuf| String::from_utf8(std::fs::read(path).unwrap()).unwrap();
        folder.map(|entry| text(entry.unwrap().path())).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
