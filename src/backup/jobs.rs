//! Backups by themselves. Their schedule is in the place, not in the database: a look every few minutes finds whether the
//! newest one is old enough, so that a worker that was away, or a restored database, makes up for it at once.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    Error, Place, Progress, Wanted,
    drill::{Note, drill},
    make::make,
    place::Found,
};
use crate::{
    app::App,
    jobs::{Job, JobError},
    kernel::Timestamp,
};

/// Takes a backup, if it is time.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct MakeBackup {}

impl Job for MakeBackup {
    const NAME: &'static str = "backup.make";
    const PRIORITY: i64 = 400;

    fn unique_key(&self) -> Option<String> {
        Some(Self::NAME.to_owned())
    }

    /// May run twice: one backup is made at a time, and none while the newest is young.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        due(app, &Progress::logged()).await.map(drop).map_err(|error| {
            metrics::counter!("backline_backup_failures_total").increment(1);
            JobError::retry(error)
        })
    }
}

/// Takes a backup as `[backup]` says, if it is time and nobody else is at it. Returns whether one was made.
///
/// # Errors
/// When it cannot be made.
pub async fn due(app: &App, progress: &Progress) -> Result<bool, Error> {
    let config = &app.config.backup;
    let Some(to) = &config.to else { return Ok(false) };
    let place = Place::open(&app.config, to)?;
    let wanted = Wanted { keep: Some(config.keep), unless_younger: Some(config.every) };
    match make(app, &place, wanted, progress).await {
        Ok(Some(manifest)) => {
            tracing::info!(
                backup = %manifest.name,
                took_ms = manifest.took_ms,
                bytes = manifest.total_bytes(),
                new_bytes = manifest.new_bytes,
                "a backup was made"
            );
            Ok(true)
        }
        Ok(None) | Err(Error::UnderWay) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Restores the newest backup into a scratch database, if it is time for a drill.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct DrillBackup {}

impl Job for DrillBackup {
    const NAME: &'static str = "backup.drill";
    const PRIORITY: i64 = 400;

    fn unique_key(&self) -> Option<String> {
        Some(Self::NAME.to_owned())
    }

    /// May run twice: it touches nothing but scratch.
    async fn run(&self, app: &App) -> Result<(), JobError> {
        drill_due(app).await.map_err(|error| {
            metrics::counter!("backline_restore_drill_failures_total").increment(1);
            JobError::retry(error)
        })
    }
}

async fn drill_due(app: &App) -> Result<(), Error> {
    let config = &app.config.backup;
    let (Some(to), Some(every)) = (&config.to, config.drill_every) else { return Ok(()) };
    let place = Place::open(&app.config, to)?;
    let found = place.find().await?;
    let Some(newest) = found.whole.last() else { return Ok(()) };
    let last = last_drill(&place, &found).await?;
    if last.is_some_and(|last| app.clock.now().since(last) < every) {
        return Ok(());
    }
    let timer = Instant::now();
    drill(app, &place, &place.manifest(newest).await?, &Progress::logged()).await?;
    tracing::info!(backup = %newest, took_s = timer.elapsed().as_secs(), "a backup stood a restore");
    Ok(())
}

/// When a drill last succeeded, as far as the backups that are left tell.
pub async fn last_drill(place: &Place, found: &Found) -> Result<Option<Timestamp>, Error> {
    let mut last = None;
    for name in &found.drilled {
        let note = place.drill(name).await?.and_then(|text| serde_json::from_slice::<Note>(&text).ok());
        last = last.max(note.map(|note| note.at()));
    }
    Ok(last)
}
