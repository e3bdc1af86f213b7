//! Who carries letters.

use std::{path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;

/// The letter did not go out; it may later.
#[derive(Debug, thiserror::Error)]
#[error("the letter could not be delivered")]
pub struct MailError(#[from] std::io::Error);

/// A letter that arrived: its name and its message.
pub type Delivered = (String, Vec<u8>);

/// Carries letters. Sending one twice under the same name delivers it once.
#[derive(Clone, Debug)]
pub enum Mailer {
    /// Into `.eml` files of a folder, for one machine and for development.
    Folder(PathBuf),
    /// Kept for tests to read: name and message.
    Memory(Arc<Mutex<Vec<Delivered>>>),
}

impl Mailer {
    /// A mailer that keeps what it is given.
    pub fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// Delivers `message` as `name`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub async fn send(&self, name: &str, message: &[u8]) -> Result<(), MailError> {
        match self {
            Self::Folder(folder) => {
                let draft = folder.join(format!(".{name}.draft"));
                let mut file = tokio::fs::OpenOptions::new()
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&draft)
                    .await?;
                file.write_all(message).await?;
                file.sync_all().await?;
                tokio::fs::rename(&draft, folder.join(format!("{name}.eml"))).await?;
            }
            Self::Memory(letters) => {
                let mut letters = letters.lock();
                if !letters.iter().any(|(known, _)| known == name) {
                    letters.push((name.to_owned(), message.to_vec()));
                }
            }
        }
        Ok(())
    }
}
