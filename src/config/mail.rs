use serde::{Deserialize, Serialize};

use super::{Mode, Problems, Section};

/// Letters: who they are from. They are written as `.eml` files below the data folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailConfig {
    /// The sender, as `Name <address>`.
    pub from: String,
}

impl Default for MailConfig {
    fn default() -> Self {
        Self { from: "Backline <backline@localhost>".into() }
    }
}

impl Section for MailConfig {
    const NAME: &'static str = "mail";

    fn check(&self, _: Mode, problems: &mut Problems) {
        if self.from.parse::<lettre::message::Mailbox>().is_err() {
            problems.add("mail.from", "must be a sender such as Backline <backline@example.org>");
        }
    }
}
