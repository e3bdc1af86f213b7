use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Mode, Problems, Section, secret::hidden};
use crate::kernel::net::is_this_machine;

/// Letters: who they are from, and which mail server takes them. Without one they are written as `.eml` files below the
/// data folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailConfig {
    /// The sender, as `Name <address>`. The domain of the address also ends each letter's `Message-ID`.
    pub from: String,
    /// Who gets the answers, as `Name <address>`; the sender if unset.
    pub reply_to: Option<String>,
    /// `smtps://host` (TLS from the first byte, port 465) or `smtp://host` (STARTTLS, port 587). Without TLS nothing is sent,
    /// but for a server on this machine or with `mail.allow_plaintext`; `smtp+starttls://` wants TLS even then.
    pub url: Option<Url>,
    /// Who signs in at the mail server; nobody if unset.
    pub username: Option<String>,
    /// With `BACKLINE_MAIL_PASSWORD_FILE` in a file of its own.
    #[serde(serialize_with = "hidden")]
    pub password: Option<SecretString>,
    /// Longest time that handing over one letter may take.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Connections kept open.
    pub max_connections: u32,
    /// Another certificate authority to trust, besides the machine's: a PEM file.
    pub ca_file: Option<PathBuf>,
    /// Whether letters may go over the network in the clear, where the mail server offers no TLS.
    pub allow_plaintext: bool,
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            from: "Backline <backline@localhost>".into(),
            reply_to: None,
            url: None,
            username: None,
            password: None,
            timeout: Duration::from_secs(10),
            max_connections: 4,
            ca_file: None,
            allow_plaintext: false,
        }
    }
}

/// A mail server, as `mail.url` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    pub host: String,
    pub port: u16,
    pub tls: RelayTls,
}

/// When the conversation with a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayTls {
    /// From the first byte.
    Wrapped,
    /// By STARTTLS, or there is no conversation.
    Required,
    /// By STARTTLS if the server offers it.
    IfOffered,
}

impl MailConfig {
    /// The mail server; `None` if letters go into a folder, or the URL is none of ours.
    pub fn relay(&self) -> Option<Relay> {
        let url = self.url.as_ref()?;
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let near = is_this_machine(&host);
        let (port, tls) = match url.scheme() {
            "smtps" => (465, RelayTls::Wrapped),
            "smtp" if near || self.allow_plaintext => (587, RelayTls::IfOffered),
            "smtp" | "smtp+starttls" => (587, RelayTls::Required),
            _ => return None,
        };
        Some(Relay { host, port: url.port().unwrap_or(port), tls })
    }
}

impl Section for MailConfig {
    const NAME: &'static str = "mail";
    const SECRETS: &'static [&'static str] = &["password"];

    fn check(&self, mode: Mode, problems: &mut Problems) {
        let is_sender = |text: &str| text.parse::<lettre::message::Mailbox>().is_ok();
        if !is_sender(&self.from) {
            problems.add("mail.from", "must be a sender such as Backline <backline@example.org>");
        }
        if self.reply_to.as_deref().is_some_and(|reply_to| !is_sender(reply_to)) {
            problems.add("mail.reply_to", "must be a mailbox such as Help <help@example.org>");
        }
        if let Some(url) = &self.url {
            if self.relay().is_none() || !matches!(url.path(), "" | "/") || url.query().is_some() {
                problems
                    .add("mail.url", "must be smtps://host, smtp://host or smtp+starttls://host, perhaps with a port");
            }
            if !url.username().is_empty() || url.password().is_some() {
                problems.add("mail.url", "must not hold who signs in: write mail.username and mail.password");
            }
        }
        if self.username.is_some() != self.password.is_some() {
            problems.add("mail.password", "and mail.username go together: set both or neither");
        }
        if mode == Mode::Production {
            self.check_for_strangers(problems);
        }
        if mode == Mode::Production && self.allow_plaintext && self.username.is_some() {
            problems
                .add("mail.allow_plaintext", "must not be set in production: the password would travel in the clear");
        }
        if self.timeout < Duration::from_millis(100) || self.timeout > Duration::from_mins(5) {
            problems.add("mail.timeout", "must be between 100ms and 5m");
        }
    }
}

impl MailConfig {
    /// Whether letters reach anyone, and come from someone.
    fn check_for_strangers(&self, problems: &mut Problems) {
        if self.url.is_none() {
            problems.add("mail.url", "must be set in production: letters in a folder reach nobody");
        }
        let sender = self.from.parse::<lettre::message::Mailbox>().ok();
        if sender.is_some_and(|sender| is_this_machine(sender.email.domain())) {
            problems.add("mail.from", "must have a domain of yours in production: nobody takes letters from localhost");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(url: &str, allow_plaintext: bool) -> Option<(String, u16, RelayTls)> {
        let config = MailConfig { url: Some(url.parse().unwrap()), allow_plaintext, ..MailConfig::default() };
        config.relay().map(|relay| (relay.host, relay.port, relay.tls))
    }

    #[test]
    fn nothing_leaves_the_machine_in_the_clear_unless_told_to() {
        let at = |host: &str, port, tls| Some((host.to_owned(), port, tls));
        assert_eq!(relay("smtps://mail.example", false), at("mail.example", 465, RelayTls::Wrapped));
        assert_eq!(relay("smtp://mail.example", false), at("mail.example", 587, RelayTls::Required));
        assert_eq!(relay("smtp://mail.example:25", true), at("mail.example", 25, RelayTls::IfOffered));
        assert_eq!(relay("smtp+starttls://127.0.0.1", true), at("127.0.0.1", 587, RelayTls::Required));
        assert_eq!(relay("smtp://localhost:25", false), at("localhost", 25, RelayTls::IfOffered));
        assert_eq!(relay("smtp://[::1]:25", false), at("::1", 25, RelayTls::IfOffered));
        assert_eq!(relay("http://mail.example", false), None);
    }

    fn problems(config: &MailConfig, mode: Mode) -> Vec<String> {
        let mut problems = Problems::default();
        config.check(mode, &mut problems);
        problems.iter().map(|problem| problem.key.clone()).collect()
    }

    #[test]
    fn what_would_tell_the_password_is_refused() {
        let config = MailConfig {
            url: Some("smtp://mail.example".parse().unwrap()),
            username: Some("backline".into()),
            password: Some("hunter2".into()),
            allow_plaintext: true,
            ..MailConfig::default()
        };
        assert!(!format!("{config:?}").contains("hunter2"));
        assert_eq!(problems(&config, Mode::Development), [""; 0]);
        assert_eq!(problems(&config, Mode::Production), ["mail.from", "mail.allow_plaintext"]);
        let config = MailConfig { url: Some("smtp://a:b@mail.example/x".parse().unwrap()), ..config };
        assert_eq!(problems(&config, Mode::Test), ["mail.url", "mail.url"]);
        let config = MailConfig { username: None, url: Some("ftp://mail.example".parse().unwrap()), ..config };
        assert_eq!(problems(&config, Mode::Test), ["mail.url", "mail.password"]);
    }
}
