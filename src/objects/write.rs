//! Writing piece by piece, with bounded memory.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use object_store::{MultipartUpload, WriteMultipart};
use tokio::time::timeout;

use super::ObjectError;

/// Size of the parts sent to the store: above S3's least of 5 MiB, and all equal, as R2 wants.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// Parts on their way at once.
const PARTS_AT_ONCE: usize = 1;
/// Stores may put many parts together slowly: the last step takes so many times as long as another may.
const FINISH_STEPS: u32 = 6;

/// An object being written. It exists only after [`ObjectWriter::finish`].
pub struct ObjectWriter {
    parts: WriteMultipart,
    patience: Duration,
}

impl ObjectWriter {
    pub(super) fn new(upload: Box<dyn MultipartUpload>, patience: Duration) -> Self {
        Self { parts: WriteMultipart::new_with_chunk_size(upload, PART_BYTES), patience }
    }

    /// Adds bytes, waiting while the store is slower than the source.
    ///
    /// # Errors
    /// When the store is away. Call [`ObjectWriter::abort`] then.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), ObjectError> {
        within(self.patience, self.parts.wait_for_capacity(PARTS_AT_ONCE)).await?;
        self.parts.put(bytes);
        Ok(())
    }

    /// Makes the object appear, durably.
    ///
    /// # Errors
    /// When the store is away; then there is no object.
    pub async fn finish(self) -> Result<(), ObjectError> {
        within(self.patience * FINISH_STEPS, self.parts.finish()).await?;
        Ok(())
    }

    /// Gives up what was written so far.
    pub async fn abort(self) {
        if let Err(error) = within(self.patience, self.parts.abort()).await {
            tracing::warn!(%error, "an unfinished object was left in the store");
        }
    }
}

async fn within<T>(patience: Duration, work: impl Future<Output = object_store::Result<T>>) -> Result<T, ObjectError> {
    Ok(timeout(patience, work).await.map_err(|_| ObjectError::TimedOut)??)
}
