//! The drill: a backup is restored into a scratch database and checked like the real one, its objects where they lie.
//!
//! Nothing of the server's own data is touched. What the drill found is noted beside the backup, so that its age is known
//! to every instance and after every restart.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    Error, Manifest, Place, Progress, Report,
    make::Folder,
    restore,
    transfer::{self, Expected},
    verify::{Bytes, verify},
};
use crate::{
    app::App,
    db::{self, Scratch},
    kernel::Timestamp,
};

/// `drill.json`: a drill that succeeded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Note {
    /// When it ended, in microseconds since the Unix epoch.
    pub at_us: i64,
    /// From the first byte fetched to the last one checked.
    pub took_ms: u64,
    pub objects: u64,
    pub bytes: u64,
}

impl Note {
    pub fn at(&self) -> Timestamp {
        Timestamp::from_micros(self.at_us)
    }
}

/// Restores a backup into a scratch database, checks everything, and notes it.
///
/// # Errors
/// [`Error::Drill`] with the first thing that is wrong; [`Error::Scratch`] if the role may not make a database.
pub async fn drill(app: &App, place: &Place, manifest: &Manifest, progress: &Progress) -> Result<Report, Error> {
    restore::must_suit(&app.config, manifest)?;
    let timer = Instant::now();
    let folder = Folder::make(app.config.data_dir.join("drill"))?;
    let name = restore::scratch_name(&app.dice);
    let scratch = Scratch::make(&app.config, &folder.0, &name).await.map_err(Error::Scratch)?;
    let tried = attempt(app, &scratch, place, manifest, &folder, progress).await;
    let removed = scratch.remove().await;
    let report = tried?;
    removed?;
    if !report.is_whole() {
        return Err(Error::Drill(report.summary()));
    }
    let note = Note {
        at_us: app.clock.now().micros(),
        took_ms: u64::try_from(timer.elapsed().as_millis()).unwrap_or(u64::MAX),
        objects: report.objects,
        bytes: report.bytes,
    };
    let text = serde_json::to_string_pretty(&note).map_err(|error| Error::Open(error.to_string()))?;
    place.put_drill(&manifest.name, text).await?;
    Ok(report)
}

async fn attempt(
    app: &App,
    scratch: &Scratch,
    place: &Place,
    manifest: &Manifest,
    folder: &Folder,
    progress: &Progress,
) -> Result<Report, Error> {
    progress.step("restoring the database into a scratch one");
    let draft = folder.0.join("database");
    let database = &manifest.database;
    let expected = Expected { sha256: &database.sha256, size_bytes: database.size_bytes };
    transfer::download(&place.store, &Place::file(&manifest.name, &database.file), &draft, expected).await?;
    restore::put_database(&scratch.config, &draft).await?;
    restore::compare(&scratch.config, manifest).await?;

    let opened = db::connect(&scratch.config).await.map_err(|error| Error::Open(format!("{error:#}")))?;
    let there = App { db: opened, config: scratch.config.clone().into(), ..app.clone() };
    let checked = async {
        restore::migrate(&there.db).await?;
        restore::prepare(&there, true).await?;
        verify(&there, Bytes::Of(place, manifest), true, progress).await
    };
    let checked = checked.await;
    there.db.close().await;
    checked
}
