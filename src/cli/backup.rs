//! `backline backup`, `restore` and `verify`.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    app::{App, World},
    backup::{self, Bytes, Error, Manifest, Place, Progress, Report, Wanted, size},
    config::Config,
};

/// How soon a failed backup is tried again, where they are taken again and again.
const AGAIN: Duration = Duration::from_mins(5);

fn duration(text: &str) -> Result<Duration, humantime_serde::re::humantime::DurationError> {
    humantime_serde::re::humantime::parse_duration(text)
}

#[derive(Debug, Args)]
pub struct Backup {
    /// A folder, or the URL of a store [default: backup.to]
    #[arg(long, value_name = "PLACE")]
    to: Option<String>,
    /// Go on until stopped, with a backup each time the newest is so old
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    every: Option<Duration>,
    /// Drop all but so many of the newest backups, once the new one is whole
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
}

#[derive(Debug, Args)]
pub struct Restore {
    /// The folder or the URL of the store where the backups lie [default: backup.to]
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    /// Which backup, by its name
    #[arg(long, default_value = "latest", value_name = "NAME")]
    backup: String,
    /// Restore even if keys are missing; what they sealed will not open
    #[arg(long)]
    without_keys: bool,
}

#[derive(Debug, Args)]
pub struct Verify {
    /// Verify a backup instead: restore it into a scratch database, and read its objects
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    /// Which backup, by its name
    #[arg(long, default_value = "latest", value_name = "NAME", requires = "from")]
    backup: String,
}

impl Backup {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let to = place_of(self.to.as_deref(), &config, "--to")?;
        let app = Box::pin(App::open(config, World::real())).await?;
        let place = Place::open(&app.config, &to)?;
        let keep = self.keep.and_then(|keep| usize::try_from(keep).ok());
        let done = match self.every {
            None => once(&app, &place, Wanted { keep, unless_younger: None }).await,
            Some(every) => again(&app, &place, Wanted { keep, unless_younger: Some(every) }, every).await,
        };
        app.db.close().await;
        done
    }
}

async fn once(app: &App, place: &Place, wanted: Wanted) -> anyhow::Result<()> {
    if let Some(manifest) = backup::make(app, place, wanted, &on_stderr()).await? {
        tell(&manifest);
    }
    Ok(())
}

fn tell(manifest: &Manifest) {
    println!(
        "{}: {} rows, {} objects, {} in all; {} objects and {} were new; it took {}.",
        manifest.name,
        manifest.database.rows.values().sum::<u64>(),
        manifest.objects.count + manifest.staging.count,
        size(manifest.total_bytes()),
        manifest.new_objects,
        size(manifest.new_bytes),
        humantime_serde::re::humantime::format_duration(Duration::from_millis(manifest.took_ms)),
    );
}

/// Until a signal. What the database is away for, or another machine is at, is tried again.
async fn again(app: &App, place: &Place, wanted: Wanted, every: Duration) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    tokio::spawn(super::stop_on_signals(stop.clone(), std::sync::Arc::default()));
    let progress = on_stderr();
    loop {
        let made = tokio::select! {
            made = backup::make(app, place, wanted, &progress) => made,
            () = stop.cancelled() => return Ok(()),
        };
        match made {
            Ok(Some(manifest)) => tell(&manifest),
            Ok(None) | Err(Error::UnderWay) => {}
            Err(error) => tracing::error!(%error, "no backup was made"),
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN.min(every)) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

impl Restore {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let from = place_of(self.from.as_deref(), &config, "--from")?;
        let place = Place::open(&config, &from)?;
        let manifest = place.choose(&self.backup).await?;
        let progress = on_stderr();
        let restored = backup::restore(config, World::real(), &place, manifest, self.without_keys, &progress);
        let restored = Box::pin(restored).await?;
        let manifest = &restored.manifest;
        println!("{} of {} is restored, with all that was acknowledged before.", manifest.name, manifest.created_at);
        if !restored.migrated.is_empty() {
            println!("{} migrations of this release were applied.", restored.migrated.len());
        }
        conclude(&restored.report)
    }
}

impl Verify {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let app = super::open(config).await?;
        let report = match &self.from {
            None => backup::verify(&app, Bytes::Own, true, &on_stderr()).await,
            Some(from) => {
                let place = Place::open(&app.config, &place_of(Some(from), &app.config, "--from")?)?;
                let manifest = place.choose(&self.backup).await?;
                backup::drill(&app, &place, &manifest, &on_stderr()).await
            }
        };
        app.db.close().await;
        conclude(&report?)
    }
}

/// Says what was read, or fails with everything that is wrong.
fn conclude(report: &Report) -> anyhow::Result<()> {
    println!(
        "{} objects, {}, {} rows of the audit trail and {} sealed values were read; {} objects have no row.",
        report.objects,
        size(report.bytes),
        report.audit_rows,
        report.samples,
        report.unnamed
    );
    if report.is_whole() {
        println!("Everything is as it should be.");
        return Ok(());
    }
    let more = if report.more > 0 { format!("\n  and {} more", report.more) } else { String::new() };
    bail!("this is wrong:\n  {}{more}", report.wrong.join("\n  "))
}

/// A folder as people write it, or a URL.
fn place_of(given: Option<&str>, config: &Config, flag: &str) -> anyhow::Result<Url> {
    let Some(text) = given else {
        return config.backup.to.clone().with_context(|| format!("say where the backups lie: {flag} or backup.to"));
    };
    if text.contains("://") {
        let url = Url::parse(text).with_context(|| format!("{flag}: this is not a URL"))?;
        if !matches!(url.scheme(), "file" | "s3" | "gs" | "az") || url.password().is_some() {
            bail!("{flag} must be a folder, or begin with file://, s3://, gs:// or az:// and hold no password");
        }
        return Ok(url);
    }
    let folder = std::path::absolute(Path::new(text)).with_context(|| format!("{flag}: this is no folder"))?;
    Url::from_directory_path(&folder).ok().with_context(|| format!("{flag}: this is no folder"))
}

fn on_stderr() -> Progress {
    Progress::new(|line| eprintln!("{line}"))
}
