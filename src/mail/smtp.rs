//! Letters to a mail server, by SMTP.

use std::{borrow::Cow, future::Future, pin::pin, time::Duration};

use anyhow::Context;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    address::Envelope,
    transport::smtp::{
        AsyncSmtpTransportBuilder, Error, PoolConfig,
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use parking_lot::Mutex;
use secrecy::ExposeSecret;

use super::MailError;
use crate::{
    config::{MailConfig, Relay, RelayTls},
    telemetry,
};

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Answers about our own sign-in at the mail server, not about a letter (RFC 4954, 6).
const ABOUT_OUR_SIGN_IN: [u16; 4] = [530, 534, 535, 538];

/// A few open connections to one mail server.
pub struct Smtp {
    builder: AsyncSmtpTransportBuilder,
    transport: Mutex<Transport>,
    timeout: Duration,
    from: lettre::Address,
}

impl Smtp {
    /// Connects to nothing yet. Must be called where tokio runs.
    ///
    /// # Errors
    /// One sentence: `mail.ca_file` cannot be read or holds no certificate, or `mail.from` is no sender.
    pub fn new(config: &MailConfig, relay: &Relay) -> anyhow::Result<Self> {
        let mut builder = Transport::builder_dangerous(&relay.host)
            .port(relay.port)
            .timeout(Some(config.timeout))
            .pool_config(PoolConfig::new().max_size(config.max_connections))
            .tls(tls(config, relay)?);
        if let (Some(user), Some(password)) = (&config.username, &config.password) {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
        }
        let from: lettre::message::Mailbox = config.from.parse().context("mail.from is no sender")?;
        Ok(Self { transport: Mutex::new(builder.clone().build()), builder, timeout: config.timeout, from: from.email })
    }

    /// Hands a message over.
    ///
    /// # Errors
    /// As [`super::Mailer::send`].
    pub async fn send(&self, message: &[u8]) -> Result<(), MailError> {
        let to = recipient(message).ok_or_else(|| MailError::Refused("it says not whom it is for".to_owned()))?;
        let envelope = Envelope::new(Some(self.from.clone()), vec![to]);
        let envelope = envelope.map_err(|_| MailError::Refused("nobody is on its envelope".to_owned()))?;
        let transport = self.current();
        let message = traced(message);
        self.in_time(&transport, transport.send_raw(&envelope, &message)).await.map(drop)
    }

    pub async fn answers(&self) -> bool {
        let transport = self.current();
        matches!(self.in_time(&transport, transport.test_connection()).await, Ok(true))
    }

    fn current(&self) -> Transport {
        self.transport.lock().clone()
    }

    /// Runs `work` for as long as the settings allow.
    ///
    /// A conversation that is cut off in the middle must not go on with the next letter: its late answers would be taken
    /// for others. So the whole pool is closed while the conversation is still out of it, and a new one takes its place.
    async fn in_time<T>(
        &self,
        transport: &Transport,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, MailError> {
        let mut work = pin!(work);
        if let Ok(done) = tokio::time::timeout(self.timeout, &mut work).await {
            return done.map_err(|error| outcome(&error));
        }
        *self.transport.lock() = self.builder.clone().build();
        transport.shutdown().await;
        Err(MailError::Away(format!("the mail server took longer than {} ms", self.timeout.as_millis())))
    }
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Smtp(…)")
    }
}

fn tls(config: &MailConfig, relay: &Relay) -> anyhow::Result<Tls> {
    let mut parameters = TlsParameters::builder(relay.host.clone());
    if let Some(file) = &config.ca_file {
        let pem = std::fs::read(file).with_context(|| format!("mail.ca_file: {} cannot be read", file.display()))?;
        let certificate = Certificate::from_pem(&pem);
        let certificate =
            certificate.with_context(|| format!("mail.ca_file: {} holds no certificate", file.display()))?;
        parameters = parameters.add_root_certificate(certificate);
    }
    let parameters = parameters.build_rustls().context("mail: TLS cannot be set up")?;
    Ok(match relay.tls {
        RelayTls::Wrapped => Tls::Wrapper(parameters),
        RelayTls::Required => Tls::Required(parameters),
        RelayTls::IfOffered => Tls::Opportunistic(parameters),
    })
}

/// What an error means for the letter. Of an answer only its number is told: its words often hold the address.
fn outcome(error: &Error) -> MailError {
    if let Some(code) = error.status() {
        let number: u16 = code.into();
        let told = format!("it answered {number}");
        let final_word = error.is_permanent() && !ABOUT_OUR_SIGN_IN.contains(&number);
        return if final_word { MailError::Refused(told) } else { MailError::Away(told) };
    }
    let mut told = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        // lettre repeats its cause in its own words.
        let cause_told = cause.to_string();
        if !told.contains(&cause_told) {
            told = format!("{told}: {cause_told}");
        }
        source = cause.source();
    }
    MailError::Away(told)
}

/// Before all other lines, as relays write theirs: by what this letter is found in our logs.
fn traced(message: &[u8]) -> Cow<'_, [u8]> {
    match telemetry::current() {
        Some(scope) => Cow::Owned([b"X-Request-Id: ", scope.public_id().as_bytes(), b"\r\n", message].concat()),
        None => Cow::Borrowed(message),
    }
}

/// The address in a message's own `To` header: [`super::Office`] writes one, without a name.
fn recipient(message: &[u8]) -> Option<lettre::Address> {
    let head = std::str::from_utf8(message).ok()?.split("\r\n\r\n").next()?;
    let to = head.split("\r\n").find_map(|line| line.strip_prefix("To:"))?;
    to.trim().trim_start_matches('<').trim_end_matches('>').parse().ok()
}
