//! Who carries letters.

use std::{io, path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use tokio::{io::AsyncWriteExt, time::Instant};

use super::smtp::Smtp;
use crate::telemetry::Step;

/// Why a letter did not go out. Says nothing of whom it was for: what a mail server answers often repeats the address.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It may go out later.
    #[error("the letter could not be handed over: {0}")]
    Away(String),
    /// It never will: the mail server refuses this letter or this mailbox.
    #[error("the mail server refuses the letter: {0}")]
    Refused(String),
}

impl From<io::Error> for MailError {
    fn from(error: io::Error) -> Self {
        Self::Away(error.to_string())
    }
}

/// A letter that arrived: its name and its message.
pub type Delivered = (String, Vec<u8>);

/// Carries letters.
///
/// A folder and the memory take a letter once, however often it is sent under the same name. SMTP knows no such promise:
/// a letter whose acknowledgement was lost goes again, with the same `Message-ID`, by which most mailboxes show it once.
#[derive(Clone, Debug)]
pub enum Mailer {
    /// Into `.eml` files of a folder, for one machine and for development.
    Folder(PathBuf),
    /// Kept for tests to read: name and message.
    Memory(Arc<Mutex<Vec<Delivered>>>),
    /// To a mail server.
    Smtp(Arc<Smtp>),
}

impl Mailer {
    /// A mailer that keeps what it is given.
    pub fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// Delivers `message` as `name`.
    ///
    /// # Errors
    /// [`MailError::Away`] when the folder cannot be written or the mail server does not take it now,
    /// [`MailError::Refused`] when it never will.
    pub async fn send(&self, name: &str, message: &[u8]) -> Result<(), MailError> {
        let (step, begun) = (Step::letter(), Instant::now());
        let sent = step.ends(self.carry(name, message).await);
        let outcome = match &sent {
            Ok(()) => "sent",
            Err(MailError::Away(_)) => "away",
            Err(MailError::Refused(_)) => "refused",
        };
        metrics::histogram!("backline_mail_send_seconds", "outcome" => outcome).record(begun.elapsed().as_secs_f64());
        sent
    }

    async fn carry(&self, name: &str, message: &[u8]) -> Result<(), MailError> {
        match self {
            Self::Folder(folder) => Ok(write(folder, name, message).await?),
            Self::Memory(letters) => {
                let mut letters = letters.lock();
                if !letters.iter().any(|(known, _)| known == name) {
                    letters.push((name.to_owned(), message.to_vec()));
                }
                Ok(())
            }
            Self::Smtp(smtp) => smtp.send(message).await,
        }
    }

    /// Whether the mail server answers, and takes our password. A folder is never away.
    pub async fn answers(&self) -> bool {
        match self {
            Self::Folder(_) | Self::Memory(_) => true,
            Self::Smtp(smtp) => smtp.answers().await,
        }
    }
}

async fn write(folder: &std::path::Path, name: &str, message: &[u8]) -> io::Result<()> {
    let draft = folder.join(format!(".{name}.draft"));
    let mut file =
        tokio::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft).await?;
    file.write_all(message).await?;
    file.sync_all().await?;
    tokio::fs::rename(&draft, folder.join(format!("{name}.eml"))).await
}
