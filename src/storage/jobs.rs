//! What happens to uploads in the background.

use serde::{Deserialize, Serialize};

use super::domain;
use crate::{
    app::App,
    jobs::{Job, JobError},
    kernel::ids::{BlobId, UploadId},
};

/// Checks a complete upload and makes its object.
#[derive(Debug, Serialize, Deserialize)]
pub struct FinalizeUpload {
    pub upload: UploadId,
}

impl Job for FinalizeUpload {
    const NAME: &'static str = "storage.finalize_upload";
    const PRIORITY: i64 = 50;

    fn unique_key(&self) -> Option<String> {
        Some(format!("{}:{}", Self::NAME, self.upload))
    }

    /// May run twice, and at once: the final object's bytes are the same, one verdict is written, and only an ended
    /// upload's leftovers are cleared. A run that loses its draft to another's clearing fails, and finds all done next.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        domain::finalize(app, self.upload).await.map_err(JobError::retry)
    }
}

/// Removes the bytes of an upload that was given up.
#[derive(Debug, Serialize, Deserialize)]
pub struct ClearStaging {
    pub upload: UploadId,
}

impl Job for ClearStaging {
    const NAME: &'static str = "storage.clear_staging";
    const PRIORITY: i64 = 200;

    /// May run twice: what is gone stays gone.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        domain::settle(app, self.upload).await.map(drop).map_err(JobError::retry)
    }
}

/// Removes bytes that nobody owns any more.
#[derive(Debug, Serialize, Deserialize)]
pub struct DestroyBlob {
    pub blob: BlobId,
}

impl Job for DestroyBlob {
    const NAME: &'static str = "storage.destroy_blob";
    const PRIORITY: i64 = 200;

    /// May run twice: what is gone stays gone.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        domain::destroy(app, self.blob).await.map_err(JobError::retry)
    }
}

/// Expires unfinished uploads and clears what ended ones left. Due every five minutes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Sweep {}

impl Job for Sweep {
    const NAME: &'static str = "storage.sweep";
    const PRIORITY: i64 = 300;

    fn unique_key(&self) -> Option<String> {
        Some(Self::NAME.to_owned())
    }

    /// May run twice: every step looks first whether it is still wanted.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        domain::sweep(app).await.map_err(JobError::retry)
    }
}
