//! Object storage: where the bytes of files lie.
//!
//! `object_store` reaches local disks, S3-compatible services, Google, Azure and memory by URL; this module gives it typed
//! keys, bounded memory, bounded time and durability. On a local disk every write is synced, file and folder, before it is
//! acknowledged. Content types and checksums live in the database: a local store keeps no attributes. Keys are never used
//! twice, so what was read once under a key cannot change.
//!
//! Every step ends within `objects.timeout`, or at the deadline of the call it is for; retries happen within that. A write
//! that ran out of time may still arrive: its key is named by no row, and goes with the folder it lies in.

mod client;
mod connect;
mod error;
mod key;
mod list;
mod probe;
mod read;
mod sign;
mod write;

use std::{future::Future, io::ErrorKind, path::PathBuf, sync::Arc, time::Duration};

use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, path::Path, signer::Signer};
use tokio::time::timeout_at;

use self::{connect::Opened, probe::Probe};
pub use self::{error::ObjectError, key::ObjectKey, list::Listed, read::Bytestream, sign::Served, write::ObjectWriter};
use crate::{config::Config, kernel::deadline};

/// The object store. Cheap to clone.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// The folder, if the store is one on this machine.
    folder: Option<Arc<std::path::Path>>,
    signer: Option<Arc<dyn Signer>>,
    probe: Arc<Probe>,
    patience: Duration,
}

/// Clients of stores know keys, and print them in their own ways.
impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Objects").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Objects {
    /// Opens the configured store. Nothing is sent to it yet.
    ///
    /// # Errors
    /// One sentence: the folder cannot be written, the URL or its options are malformed.
    pub fn connect(config: &Config) -> anyhow::Result<Self> {
        let Opened { store, prefix, folder, signer } = connect::open(config)?;
        let patience = config.objects.timeout;
        Ok(Self { store, prefix, folder, signer, probe: Arc::default(), patience })
    }

    /// One step, until it must end.
    async fn step<T>(&self, work: impl Future<Output = object_store::Result<T>>) -> Result<T, ObjectError> {
        match timeout_at(deadline::within(self.patience), work).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(ObjectError::TimedOut),
        }
    }

    fn path(&self, key: &ObjectKey) -> Path {
        self.prefix.parts().chain(Path::from(key.as_str()).parts()).collect()
    }

    /// Stores `payload` whole and durably.
    ///
    /// # Errors
    /// When the store is away; then nothing stands under `key`.
    pub async fn put(&self, key: &ObjectKey, payload: PutPayload) -> Result<(), ObjectError> {
        self.step(self.store.put(&self.path(key), payload)).await?;
        Ok(())
    }

    /// Begins an object that is written piece by piece and appears only when finished.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn writer(&self, key: &ObjectKey) -> Result<ObjectWriter, ObjectError> {
        let upload = self.step(self.store.put_multipart(&self.path(key))).await?;
        Ok(ObjectWriter::new(upload, self.patience))
    }

    /// Reads `range` of an object in blocks, without holding more than a few of them.
    ///
    /// # Errors
    /// [`ObjectError::Missing`], or when the store is away.
    pub async fn read(&self, key: &ObjectKey, range: std::ops::Range<u64>) -> Result<Bytestream, ObjectError> {
        if range.is_empty() {
            return Ok(Bytestream::empty());
        }
        let options = object_store::GetOptions::new().with_range(Some(range));
        let found = self.step(self.store.get_opts(&self.path(key), options)).await?;
        Ok(Bytestream::of(found, self.patience))
    }

    /// Reads a whole object, whose size may be anything, in blocks.
    ///
    /// # Errors
    /// [`ObjectError::Missing`], or when the store is away.
    pub async fn read_all(&self, key: &ObjectKey) -> Result<Bytestream, ObjectError> {
        let found = self.step(self.store.get(&self.path(key))).await?;
        Ok(Bytestream::of(found, self.patience))
    }

    /// Removes an object; one that is not there is removed already.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), ObjectError> {
        match self.step(self.store.delete(&self.path(key))).await {
            Ok(()) | Err(ObjectError::Missing) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes everything whose key begins with `prefix` (a folder). Returns how many objects.
    ///
    /// # Errors
    /// When the store is away; repeating goes on where it stopped.
    pub async fn delete_below(&self, prefix: &ObjectKey) -> Result<u64, ObjectError> {
        let listed = self.store.list(Some(&self.path(prefix))).map_ok(|object| object.location);
        let found: Vec<Path> = self.step(listed.try_collect()).await?;
        let mut count = 0;
        for path in found {
            match self.step(self.store.delete(&path)).await {
                Ok(()) => count += 1,
                Err(ObjectError::Missing) => {}
                Err(error) => return Err(error),
            }
        }
        // On a local disk the folder goes too, and with it what a killed writer left half-written.
        if let Some(folder) = self.local(prefix) {
            on_disk(move || match std::fs::remove_dir_all(folder) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            })
            .await?;
        }
        Ok(count)
    }

    /// Removes what killed [`ObjectWriter`]s left of `key`, half-written and invisible, on a local disk: files called
    /// `<key>#<number>`. Other stores end unfinished uploads by a rule of the bucket.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn delete_drafts(&self, key: &ObjectKey) -> Result<(), ObjectError> {
        let Some(file) = self.local(key) else { return Ok(()) };
        on_disk(move || {
            let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else { return Ok(()) };
            let entries = match std::fs::read_dir(folder) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                let draft =
                    entry.file_name().to_string_lossy().strip_prefix(&*name.to_string_lossy()).is_some_and(|rest| {
                        rest.strip_prefix('#').is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
                    });
                if draft {
                    std::fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Bytes that the disk under a local store still takes; `None` where nobody can tell.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn free_bytes(&self) -> Result<Option<u64>, ObjectError> {
        let Some(folder) = self.folder.clone() else { return Ok(None) };
        on_disk(move || {
            let disk = rustix::fs::statvfs(&*folder)?;
            Ok(Some(disk.f_bavail.saturating_mul(disk.f_frsize)))
        })
        .await
    }

    fn local(&self, key: &ObjectKey) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(key.as_str()))
    }
}

/// Runs what may wait for a disk where waiting harms nobody.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, ObjectError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(std::io::Error::other)??)
}
