//! Every letter there is, and what it tells.

use minijinja::{Value, context};

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
    /// Wrong codes of an app, one letter per episode. `off`: only another factor helps.
    FactorLocked {
        off: bool,
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

impl Letter {
    /// The folder of its templates; also what the database calls it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::VerifyEmail { .. } => "verify_email",
            Self::AddressKnown { .. } => "address_known",
            Self::Welcome { .. } => "welcome",
            Self::ResetPassword { .. } => "reset_password",
            Self::PasswordChanged { .. } => "password_changed",
            Self::ConfirmEmailChange { .. } => "confirm_email_change",
            Self::EmailChanged { .. } => "email_changed",
            Self::NewDevice { .. } => "new_device",
            Self::LoginLocked { .. } => "login_locked",
            Self::FactorLocked { .. } => "factor_locked",
            Self::FactorAdded { .. } => "factor_added",
            Self::FactorRemoved { .. } => "factor_removed",
            Self::ExportReady => "export_ready",
            Self::DeletionStarted { .. } => "deletion_started",
            Self::DeletionCancelled => "deletion_cancelled",
            Self::SessionReused { .. } => "session_reused",
            Self::ApplicationDecided { .. } => "application_decided",
            Self::SubmissionDecided { .. } => "submission_decided",
        }
    }

    /// What its templates may say. Whatever people typed is on one line, but for notes, which are paragraphs.
    pub(super) fn facts(&self) -> Value {
        match self {
            Self::VerifyEmail { link, code } => context! { link, code },
            Self::AddressKnown { sign_in } => context! { sign_in },
            Self::Welcome { sign_in } => context! { sign_in },
            Self::ResetPassword { link, code } => context! { link, code },
            Self::PasswordChanged { undo } => context! { undo },
            Self::ConfirmEmailChange { link, code, new_address } => {
                context! { link, code, new_address => new_address.as_deref().map(line) }
            }
            Self::EmailChanged { new_address, undo } => {
                context! { new_address => new_address.as_deref().map(line), undo }
            }
            Self::NewDevice { device_name, network, at, undo } => {
                context! { device_name => line(device_name), network => line(network), at => line(at), undo }
            }
            Self::LoginLocked { until_reset, unlock } => context! { until_reset, unlock },
            Self::FactorLocked { off } => context! { off },
            Self::FactorAdded { factor, undo } => context! { factor => line(factor), undo },
            Self::FactorRemoved { factor, undo } => context! { factor => line(factor), undo },
            Self::DeletionStarted { purge_date, undo } => context! { purge_date => line(purge_date), undo },
            Self::SessionReused { device_name, undo } => context! { device_name => line(device_name), undo },
            Self::ApplicationDecided { stage_name, approved, note } => {
                context! { stage_name => line(stage_name), approved, note => paragraphs(note) }
            }
            Self::SubmissionDecided { title, decision, note } => {
                context! { title => line(title), decision, note => paragraphs(note) }
            }
            Self::ExportReady | Self::DeletionCancelled => context! {},
        }
    }
}

/// The longest line of anybody's: an e-mail address.
const LONGEST: usize = 254;

/// Text on one line: nothing that somebody called himself can begin a header or a paragraph of ours.
pub(super) fn line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(LONGEST).collect()
}

/// Text on several lines, without other control characters.
fn paragraphs(text: &str) -> String {
    text.chars().filter(|c| *c == '\n' || !c.is_control()).collect()
}
