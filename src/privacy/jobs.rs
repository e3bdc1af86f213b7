//! Copies and ends are made in the background.

use serde::{Deserialize, Serialize};

use super::{erasure, export};
use crate::{
    app::App,
    jobs::{Job, JobError},
    kernel::ids::{AccountId, ExportId},
};

/// Gathers everything held of a person.
#[derive(Debug, Serialize, Deserialize)]
pub struct BuildExport {
    pub export: ExportId,
}

impl Job for BuildExport {
    const NAME: &'static str = "privacy.build_export";
    const PRIORITY: i64 = 150;

    /// May run twice: the ZIP is written over, and of two runs one makes the export ready.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        export::build(app, self.export).await.map_err(JobError::retry)
    }
}

/// Forgets a person whose time is over.
#[derive(Debug, Serialize, Deserialize)]
pub struct EraseAccount {
    pub account: AccountId,
}

impl Job for EraseAccount {
    const NAME: &'static str = "privacy.erase_account";
    const PRIORITY: i64 = 150;

    fn unique_key(&self) -> Option<String> {
        Some(format!("{}:{}", Self::NAME, self.account))
    }

    /// May run twice, and may be killed anywhere: each step looks for what is left.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        erasure::run(app, self.account).await.map_err(JobError::retry)
    }
}

/// Finds those whose time is over. Due each hour.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct EraseDue {}

impl Job for EraseDue {
    const NAME: &'static str = "privacy.erase_due";

    /// May run twice: one erasure of a person waits at a time.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        erasure::erase_due(app).await.map_err(JobError::retry)
    }
}

/// Deletes exports whose seven days are over. Due each hour.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SweepExports {}

impl Job for SweepExports {
    const NAME: &'static str = "privacy.sweep_exports";
    const PRIORITY: i64 = 300;

    /// May run twice: what is gone stays gone.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        export::sweep(app).await.map_err(JobError::retry)
    }
}
