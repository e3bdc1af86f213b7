//! Object storage: where the bytes of files lie.
//!
//! `object_store` reaches local disks, S3-compatible services and memory by URL; this module gives it typed keys, bounded
//! memory and durability. On a local disk every write is synced, file and folder, before it is acknowledged. Content types
//! and checksums live in the database: a local store keeps no attributes. Keys are never used twice, so what was read once
//! under a key cannot change.

mod client;
mod key;
mod read;
mod write;

use std::{io::ErrorKind, path::PathBuf, sync::Arc};

use anyhow::Context;
use futures::TryStreamExt;
use object_store::{
    ObjectStore, ObjectStoreExt, ObjectStoreScheme, PutPayload, aws::AmazonS3Builder, local::LocalFileSystem,
    memory::InMemory, path::Path,
};

pub use self::{key::ObjectKey, read::Bytestream, write::ObjectWriter};
use crate::config::Config;

/// What went wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// Nothing is stored under this key.
    #[error("the object is not in the store")]
    Missing,
    /// The store is away or refuses; trying again may help.
    #[error("the object store failed")]
    Unavailable(#[source] object_store::Error),
    /// A read from the local disk failed.
    #[error("the object store failed")]
    Io(#[from] std::io::Error),
}

impl From<object_store::Error> for ObjectError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing,
            other => Self::Unavailable(other),
        }
    }
}

/// The object store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// The folder, if the store is one on this machine.
    folder: Option<Arc<std::path::Path>>,
}

impl Objects {
    /// Opens the configured store.
    ///
    /// # Errors
    /// One sentence: the folder cannot be written, the URL or its options are malformed.
    pub fn connect(config: &Config) -> anyhow::Result<Self> {
        let url = config.objects_url();
        let parsed = url::Url::parse(&url).with_context(|| format!("objects.url: {url} is not a URL"))?;
        if parsed.scheme() == "file" {
            let folder = parsed.to_file_path().ok().with_context(|| format!("objects.url: {url} is not a folder"))?;
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("the folder {} cannot be made; is it writable?", folder.display()))?;
            let local = LocalFileSystem::new_with_prefix(&folder)
                .with_context(|| format!("the folder {} cannot be opened", folder.display()))?
                .with_fsync(true);
            return Ok(Self { store: Arc::new(local), prefix: Path::default(), folder: Some(folder.into()) });
        }
        if parsed.scheme() == "memory" {
            return Ok(Self { store: Arc::new(InMemory::new()), prefix: Path::default(), folder: None });
        }
        let malformed = "objects.url or objects.options are malformed";
        let (_, prefix) = ObjectStoreScheme::parse(&parsed).context(malformed)?;
        let mut builder = AmazonS3Builder::new().with_url(url).with_http_connector(client::Connector::default());
        for (key, value) in &config.objects.options {
            if let Ok(key) = key.to_ascii_lowercase().parse() {
                builder = builder.with_config(key, value);
            }
        }
        let store = builder.build().context(malformed)?;
        Ok(Self { store: Arc::new(store), prefix: Path::parse(prefix).context(malformed)?, folder: None })
    }

    fn path(&self, key: &ObjectKey) -> Path {
        self.prefix.parts().chain(Path::from(key.as_str()).parts()).collect()
    }

    /// Stores `payload` whole and durably.
    ///
    /// # Errors
    /// When the store is away; then nothing stands under `key`.
    pub async fn put(&self, key: &ObjectKey, payload: PutPayload) -> Result<(), ObjectError> {
        self.store.put(&self.path(key), payload).await?;
        Ok(())
    }

    /// Begins an object that is written piece by piece and appears only when finished.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn writer(&self, key: &ObjectKey) -> Result<ObjectWriter, ObjectError> {
        Ok(ObjectWriter::new(self.store.put_multipart(&self.path(key)).await?))
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
        let found = self.store.get_opts(&self.path(key), options).await?;
        Ok(Bytestream::of(found))
    }

    /// Removes an object; one that is not there is removed already.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), ObjectError> {
        match self.store.delete(&self.path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes everything whose key begins with `prefix` (a folder). Returns how many objects.
    ///
    /// # Errors
    /// When the store is away; repeating goes on where it stopped.
    pub async fn delete_below(&self, prefix: &ObjectKey) -> Result<u64, ObjectError> {
        let found: Vec<Path> =
            self.store.list(Some(&self.path(prefix))).map_ok(|object| object.location).try_collect().await?;
        let mut count = 0;
        for path in found {
            match self.store.delete(&path).await {
                Ok(()) => count += 1,
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
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

    /// Whether the store answers: asks for an object that is not there.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), ObjectError> {
        match self.store.head(&self.path(&ObjectKey::probe())).await {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Runs what may wait for a disk where waiting harms nobody.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, ObjectError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(std::io::Error::other)??)
}
