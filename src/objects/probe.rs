//! Whether the store answers, and takes what is written.
//!
//! Each question reads. Now and then one also writes and deletes a small object, where the store is not a folder of this
//! machine: a bucket that only lets us read answers everything else as if nothing were wrong. What is found is told to the
//! log once, as a sentence; that it is over, once.

use std::time::Duration;

use object_store::{GetOptions, ObjectStoreExt, PutPayload};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::{ObjectError, ObjectKey, Objects, on_disk};

/// How long an answer may take: less than whoever watches our health waits.
const PATIENCE: Duration = Duration::from_millis(1800);
/// How long the first answer may take, before the server begins without it.
const FIRST_PATIENCE: Duration = Duration::from_secs(5);
/// How often something is written while that works.
const WRITE_EVERY: Duration = Duration::from_secs(30);
/// And while it does not.
const WRITE_AGAIN: Duration = Duration::from_secs(3);

/// What was found last.
#[derive(Debug, Default)]
pub(super) struct Probe(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    write_at: Option<Instant>,
    read_only: bool,
    /// What the log knows.
    told: Option<String>,
}

impl Objects {
    /// Whether the store answers, and takes what is written.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), ObjectError> {
        self.ask(PATIENCE).await
    }

    /// Asks once, before a server begins. Without an answer it may begin all the same.
    ///
    /// # Errors
    /// When the store answers that it will not do as it is configured: then nobody should begin.
    pub async fn must_not_refuse(&self) -> Result<(), ObjectError> {
        match self.ask(FIRST_PATIENCE).await {
            Err(error) if error.is_definite() => Err(error),
            _ => Ok(()),
        }
    }

    async fn ask(&self, patience: Duration) -> Result<(), ObjectError> {
        let answer = match timeout(patience, self.read_and_write()).await {
            Ok(answer) => answer,
            Err(_) => Err(ObjectError::TimedOut),
        };
        self.probe.tell(answer.as_ref().err());
        answer
    }

    async fn read_and_write(&self) -> Result<(), ObjectError> {
        if let Some(folder) = self.folder.clone() {
            on_disk(move || Ok(rustix::fs::access(&*folder, rustix::fs::Access::WRITE_OK)?)).await?;
        }
        let path = self.path(&ObjectKey::probe());
        match self.store.get_opts(&path, GetOptions::new()).await.map_err(ObjectError::from) {
            Ok(_) | Err(ObjectError::Missing) => {}
            Err(error) => return Err(error),
        }
        if self.folder.is_none() && self.probe.writes() {
            let written = async {
                self.store.put(&path, PutPayload::from_static(b"probe")).await?;
                // Another instance may have deleted it.
                self.delete(&ObjectKey::probe()).await
            };
            match written.await {
                // Reading it was allowed a moment ago.
                Err(ObjectError::Denied(cause)) => {
                    self.probe.found(true);
                    warn!(part = "object store", error = %cause, "a write is refused");
                }
                Err(error) => return Err(error),
                Ok(()) => self.probe.found(false),
            }
        }
        if self.probe.0.lock().read_only { Err(ObjectError::ReadOnly) } else { Ok(()) }
    }
}

impl Probe {
    /// Whether it is time to write.
    fn writes(&self) -> bool {
        self.0.lock().write_at.is_none_or(|at| at <= Instant::now())
    }

    fn found(&self, read_only: bool) {
        let mut state = self.0.lock();
        state.read_only = read_only;
        state.write_at = Some(Instant::now() + if read_only { WRITE_AGAIN } else { WRITE_EVERY });
    }

    /// Tells the log what has changed.
    fn tell(&self, error: Option<&ObjectError>) {
        let sentence = error.map(ToString::to_string);
        let before = std::mem::replace(&mut self.0.lock().told, sentence.clone());
        match (before, error) {
            (before, Some(error)) if before != sentence => {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                warn!(part = "object store", cause, "{error}");
            }
            (Some(_), None) => info!(part = "object store", "works again"),
            _ => {}
        }
    }
}
