//! Writing piece by piece, with bounded memory.

use bytes::Bytes;
use object_store::{MultipartUpload, WriteMultipart};

use super::ObjectError;

/// Size of the parts sent to the store: above S3's least of 5 MiB, and all equal, as R2 wants.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// Parts on their way at once.
const PARTS_AT_ONCE: usize = 1;

/// An object being written. It exists only after [`ObjectWriter::finish`].
pub struct ObjectWriter {
    parts: WriteMultipart,
}

impl ObjectWriter {
    pub(super) fn new(upload: Box<dyn MultipartUpload>) -> Self {
        Self { parts: WriteMultipart::new_with_chunk_size(upload, PART_BYTES) }
    }

    /// Adds bytes, waiting while the store is slower than the source.
    ///
    /// # Errors
    /// When the store is away. Call [`ObjectWriter::abort`] then.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), ObjectError> {
        self.parts.wait_for_capacity(PARTS_AT_ONCE).await?;
        self.parts.put(bytes);
        Ok(())
    }

    /// Makes the object appear, durably.
    ///
    /// # Errors
    /// When the store is away; then there is no object.
    pub async fn finish(self) -> Result<(), ObjectError> {
        self.parts.finish().await?;
        Ok(())
    }

    /// Gives up what was written so far.
    pub async fn abort(self) {
        if let Err(error) = self.parts.abort().await {
            tracing::warn!(%error, "an unfinished object was left in the store");
        }
    }
}
