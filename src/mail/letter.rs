//! What letters say. The templates are compiled in; each letter has a subject, a text and an HTML form.

use anyhow::Context;
use lettre::message::{
    Body, Mailbox, MultiPart, SinglePart,
    header::{ContentTransferEncoding, ContentType},
};
use minijinja::{Environment, UndefinedBehavior, context};
use time::OffsetDateTime;

use crate::kernel::{EmailAddress, Timestamp};

/// Longest line that SMTP carries, without its end (RFC 5322, 2.1.1).
const MAX_LINE: usize = 998;

/// Every letter there is, with what it tells.
#[derive(Clone)]
pub enum Letter {
    /// To a new address: prove that it is yours.
    VerifyEmail {
        link: String,
        code: String,
    },
    /// To an address that has an account: somebody tried to register it again.
    AddressKnown {
        sign_in: String,
    },
    /// The mailbox is proven and the account open.
    Welcome {
        sign_in: String,
    },
    /// A new password was asked for.
    ResetPassword {
        link: String,
        code: String,
    },
    PasswordChanged {
        undo: String,
    },
    /// To both mailboxes. The old one is told the new address, the new one is told nothing of the old.
    ConfirmEmailChange {
        link: String,
        code: String,
        new_address: Option<String>,
    },
    /// To both mailboxes; only the old one can take it back.
    EmailChanged {
        new_address: Option<String>,
        undo: Option<String>,
    },
    /// A sign-in on a device that was not known.
    NewDevice {
        device_name: String,
        network: String,
        at: String,
        undo: String,
    },
    /// One per episode of wrong passwords. `unlock` ends the lock; when only a reset helps there is none.
    LoginLocked {
        until_reset: bool,
        unlock: Option<String>,
    },
    /// `factor` in words: «An authenticator app», «The passkey Phone».
    FactorAdded {
        factor: String,
        undo: String,
    },
    FactorRemoved {
        factor: String,
        undo: String,
    },
    ExportReady,
    DeletionStarted {
        purge_date: String,
        undo: String,
    },
    DeletionCancelled,
    /// An old refresh token came back; the session was ended.
    SessionReused {
        device_name: String,
        undo: String,
    },
    /// A decision on an application to become an artist.
    ApplicationDecided {
        stage_name: String,
        approved: bool,
        note: String,
    },
    /// A decision on a submission: `"approved"`, `"rejected"` or `"published"`.
    SubmissionDecided {
        title: String,
        decision: &'static str,
        note: String,
    },
}

/// A letter ready to go: an RFC 5322 message.
#[derive(Clone)]
pub struct Rendered {
    pub kind: &'static str,
    pub message: Vec<u8>,
}

macro_rules! templates {
    ($($kind:literal),*) => {
        &[$(
            (concat!($kind, ".subject.txt"), include_str!(concat!("templates/", $kind, "/subject.txt"))),
            (concat!($kind, ".txt"), include_str!(concat!("templates/", $kind, "/body.txt"))),
            (concat!($kind, ".html"), include_str!(concat!("templates/", $kind, "/body.html"))),
        )*]
    };
}

const TEMPLATES: &[(&str, &str)] = templates![
    "verify_email",
    "address_known",
    "welcome",
    "reset_password",
    "password_changed",
    "confirm_email_change",
    "email_changed",
    "new_device",
    "login_locked",
    "factor_added",
    "factor_removed",
    "export_ready",
    "deletion_started",
    "deletion_cancelled",
    "session_reused",
    "application_decided",
    "submission_decided"
];
const FRAME: (&str, &str) = ("frame.html", include_str!("templates/frame.html"));

/// Writes letters.
#[derive(Debug)]
pub struct Office {
    templates: Environment<'static>,
    from: Mailbox,
}

impl Office {
    /// # Errors
    /// When the sender or a template is malformed: a mistake that the first start shows.
    pub fn new(from: &str) -> anyhow::Result<Self> {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        templates.set_keep_trailing_newline(true);
        for (name, source) in TEMPLATES.iter().chain([&FRAME]) {
            templates.add_template(name, source).with_context(|| format!("the template {name}"))?;
        }
        Ok(Self { templates, from: from.parse().context("mail.from is no sender")? })
    }

    /// Writes a letter to one address.
    ///
    /// # Errors
    /// When a template wants what the letter does not tell, or the address fits no header.
    pub fn write(
        &self,
        letter: &Letter,
        to: &EmailAddress,
        message_id: &str,
        at: Timestamp,
    ) -> anyhow::Result<Rendered> {
        let (kind, facts) = match letter {
            Letter::VerifyEmail { link, code } => ("verify_email", context! { link, code }),
            Letter::AddressKnown { sign_in } => ("address_known", context! { sign_in }),
            Letter::Welcome { sign_in } => ("welcome", context! { sign_in }),
            Letter::ResetPassword { link, code } => ("reset_password", context! { link, code }),
            Letter::PasswordChanged { undo } => ("password_changed", context! { undo }),
            Letter::ConfirmEmailChange { link, code, new_address } => {
                ("confirm_email_change", context! { link, code, new_address })
            }
            Letter::EmailChanged { new_address, undo } => ("email_changed", context! { new_address, undo }),
            Letter::NewDevice { device_name, network, at, undo } => {
                ("new_device", context! { device_name, network, at, undo })
            }
            Letter::LoginLocked { until_reset, unlock } => ("login_locked", context! { until_reset, unlock }),
            Letter::FactorAdded { factor, undo } => ("factor_added", context! { factor, undo }),
            Letter::FactorRemoved { factor, undo } => ("factor_removed", context! { factor, undo }),
            Letter::ExportReady => ("export_ready", context! {}),
            Letter::DeletionStarted { purge_date, undo } => ("deletion_started", context! { purge_date, undo }),
            Letter::DeletionCancelled => ("deletion_cancelled", context! {}),
            Letter::SessionReused { device_name, undo } => ("session_reused", context! { device_name, undo }),
            Letter::ApplicationDecided { stage_name, approved, note } => {
                ("application_decided", context! { stage_name, approved, note })
            }
            Letter::SubmissionDecided { title, decision, note } => {
                ("submission_decided", context! { title, decision, note })
            }
        };
        let part = |ending: &str| self.templates.get_template(&format!("{kind}{ending}"))?.render(&facts);
        let sent_at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.micros()) * 1000)?;
        let message = lettre::Message::builder()
            .from(self.from.clone())
            .to(to.expose().parse().map(|address| Mailbox::new(None, address))?)
            .subject(part(".subject.txt")?.trim())
            .message_id(Some(format!("<{message_id}@backline>")))
            .date(sent_at.into())
            .header(lettre::message::header::MIME_VERSION_1_0)
            .multipart(
                MultiPart::alternative()
                    .boundary(format!("part-{message_id}"))
                    .singlepart(single(ContentType::TEXT_PLAIN, part(".txt")?))
                    .singlepart(single(ContentType::TEXT_HTML, part(".html")?)),
            )?;
        Ok(Rendered { kind, message: message.formatted() })
    }
}

/// A part of a letter. Plain ASCII goes as it is (lettre would break its longer lines), so that a link in an `.eml` file
/// can be read and copied.
fn single(kind: ContentType, text: String) -> SinglePart {
    let readable = text.is_ascii() && !text.contains(['\0', '\r']) && text.lines().all(|line| line.len() <= MAX_LINE);
    let body = if readable {
        Body::dangerous_pre_encoded(text.replace('\n', "\r\n").into_bytes(), ContentTransferEncoding::SevenBit)
    } else {
        Body::new(text)
    };
    SinglePart::builder().header(kind).body(body)
}
