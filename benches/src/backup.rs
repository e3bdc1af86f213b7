//! Backup, a second backup, restore and verification of much data, by the server's own program.
//!
//! The data is made by straight inserts and random objects, which no disk can hold in less space than they have. On the
//! disk there are, at the highest, three times the objects: the data, its backup, its restore.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use backline::{
    app::{App, World},
    config::{self, Source},
    entity::{
        account, artist, object_reference, stored_blob, track,
        upload::{self, Purpose, Scan},
    },
    kernel::{
        Clock, Dice, Digest, Timestamp,
        ids::{AccountId, ArtistId, BlobId, Id, ObjectId, TrackId, UploadId},
    },
    mail::Mailer,
    objects::ObjectKey,
};
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};
use tokio::{io::AsyncWriteExt, process::Command};
use uuid::Uuid;

use crate::server::{EMAIL, PASSWORD};

const MIB: usize = 1024 * 1024;
/// Rows inserted together.
const BATCH: usize = 500;

/// Makes `tracks` tracks over `objects` objects of a mebibyte, and times everything.
pub async fn measure(binary: &Path, tracks: usize, objects: usize) -> anyhow::Result<()> {
    let (data, there, place) = (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let made = Instant::now();
    run(binary, data.path(), &["admin", "create", "--email", EMAIL, "--password-stdin"]).await?;
    fill(data.path(), tracks, objects).await?;
    println!("{tracks} tracks and {objects} MiB of objects made in {:.0} s", made.elapsed().as_secs_f64());

    let to = place.path().display().to_string();
    let timed = async |name: &str, folder: &Path, arguments: &[&str]| -> anyhow::Result<()> {
        let took = run(binary, folder, arguments).await?;
        println!("{name:<42} {:>8.1} s", took.as_secs_f64());
        Ok(())
    };
    timed("backup, the first", data.path(), &["backup", "--to", &to]).await?;
    timed("backup, with nothing new", data.path(), &["backup", "--to", &to]).await?;
    copy_keys(data.path(), there.path())?;
    timed("restore, with the verification at its end", there.path(), &["restore", "--from", &to]).await?;
    timed("verify", there.path(), &["verify"]).await?;
    timed("drill: verify --from", data.path(), &["verify", "--from", &to]).await
}

async fn run(binary: &Path, data: &Path, arguments: &[&str]) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let mut child = Command::new(binary)
        .args(arguments)
        .arg("--data-dir")
        .arg(data)
        .args(["--set", "log.filter=warn"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{} cannot be started; run cargo build --release first", binary.display()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // Whoever reads no password may be gone before it is written.
        drop(stdin.write_all(PASSWORD.as_bytes()).await);
    }
    let ended = child.wait_with_output().await?;
    if !ended.status.success() {
        bail!("{}: {}", arguments.join(" "), String::from_utf8_lossy(&ended.stderr));
    }
    Ok(begun.elapsed())
}

fn copy_keys(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(to.join("keys"))?;
    for file in std::fs::read_dir(from.join("keys"))? {
        let file = file?;
        std::fs::copy(file.path(), to.join("keys").join(file.file_name()))?;
    }
    Ok(())
}

/// Whose everything is, and what ids are made with.
struct Filler {
    app: App,
    owner: AccountId,
    artist: ArtistId,
    now: Timestamp,
}

async fn fill(data: &Path, tracks: usize, objects: usize) -> anyhow::Result<()> {
    let flags = [("data_dir".to_owned(), data.display().to_string())].into();
    let config = config::load(&Source { file: None, flags })?;
    let world = World { clock: Clock::System, dice: Dice::seeded(1), mailer: Some(Mailer::Folder(data.join("mail"))) };
    let app = App::open(config, world).await?;
    let owner = account::Entity::find().one(&app.db).await?.context("the administrator is there")?.id;
    let now = app.clock.now();
    let filler = Filler { artist: ArtistId::new(now, &app.dice), app, owner, now };
    filler.artist().await?;
    let uploads = filler.objects(objects.max(1)).await?;
    filler.tracks(tracks, &uploads).await?;
    filler.app.db.close().await;
    Ok(())
}

impl Filler {
    async fn artist(&self) -> anyhow::Result<()> {
        let row = artist::Model {
            id: self.artist,
            owner_id: self.owner,
            stage_name: "Bench".to_owned(),
            biography: String::new(),
            links: "[]".to_owned(),
            state: artist::State::Active,
            created_at: self.now,
            updated_at: self.now,
            row_version: 1,
        };
        let row = row.into_active_model().reset_all();
        artist::Entity::insert(row).exec_without_returning(&self.app.db.write_one()).await?;
        Ok(())
    }

    async fn objects(&self, count: usize) -> anyhow::Result<Vec<UploadId>> {
        let mut uploads = Vec::with_capacity(count);
        while uploads.len() < count {
            let mut rows = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..BATCH.min(count - uploads.len()) {
                let (upload, blob, object) = self.object().await?;
                uploads.push(upload.id);
                rows.0.push(upload.into_active_model().reset_all());
                rows.1.push(blob.into_active_model().reset_all());
                rows.2.push(object.into_active_model().reset_all());
            }
            let tx = self.app.db.begin_write().await?;
            upload::Entity::insert_many(rows.0).exec_without_returning(&tx).await?;
            stored_blob::Entity::insert_many(rows.1).exec_without_returning(&tx).await?;
            object_reference::Entity::insert_many(rows.2).exec_without_returning(&tx).await?;
            tx.commit().await?;
        }
        Ok(uploads)
    }

    async fn object(&self) -> anyhow::Result<(upload::Model, stored_blob::Model, object_reference::Model)> {
        let mut bytes = vec![0; MIB];
        self.app.dice.fill(&mut bytes);
        let (sha256, crc32c) = (Digest::sha256(&bytes), crc32c::crc32c(&bytes));
        let id = UploadId::new(self.now, &self.app.dice);
        let blob_id = BlobId::from(Uuid::from(id));
        let key = ObjectKey::content(blob_id);
        self.app.objects.put(&key, bytes.into()).await?;
        let object_id = ObjectId::new(self.now, &self.app.dice);
        let size_bytes = i64::try_from(MIB)?;
        let upload = upload::Model {
            id,
            owner_id: self.owner,
            purpose: Purpose::TrackAudio,
            state: upload::State::Finalized,
            size_bytes,
            media_type: "audio/wav".to_owned(),
            file_name: "bench.wav".to_owned(),
            expected_sha256: None,
            final_sha256: Some(sha256),
            persisted_bytes: size_bytes,
            writer_generation: 1,
            object_id: Some(object_id),
            reject_reason: None,
            detected_media_type: Some("audio/wav".to_owned()),
            scan: Scan::NotConfigured,
            created_at: self.now,
            updated_at: self.now,
            expires_at: self.now,
            hard_expires_at: self.now,
            staged: false,
        };
        let blob = stored_blob::Model {
            id: blob_id,
            sha256,
            crc32c: i64::from(crc32c),
            size_bytes,
            media_type: "audio/wav".to_owned(),
            storage_key: key.as_str().to_owned(),
            scan: Scan::NotConfigured,
            access_epoch: 0,
            created_at: self.now,
            destroyed_at: None,
        };
        let object = object_reference::Model {
            id: object_id,
            owner_id: self.owner,
            blob_id,
            upload_id: id,
            purpose: Purpose::TrackAudio,
            file_name: "bench.wav".to_owned(),
            media_type: "audio/wav".to_owned(),
            created_at: self.now,
        };
        Ok((upload, blob, object))
    }

    async fn tracks(&self, count: usize, uploads: &[UploadId]) -> anyhow::Result<()> {
        let mut numbers = (0..count).peekable();
        while numbers.peek().is_some() {
            let rows = numbers.by_ref().take(BATCH).map(|number| {
                let row = track::Model {
                    id: TrackId::new(self.now, &self.app.dice),
                    artist_id: self.artist,
                    title: format!("Track {number}"),
                    version_title: String::new(),
                    isrc: None,
                    language: "en".to_owned(),
                    explicit: false,
                    audio_upload_id: uploads[number % uploads.len()],
                    artwork_upload_id: None,
                    allow_download: true,
                    state: track::State::Draft,
                    published_at: None,
                    deleted_at: None,
                    created_at: self.now,
                    updated_at: self.now,
                    row_version: 1,
                };
                row.into_active_model().reset_all()
            });
            let rows: Vec<_> = rows.collect();
            let tx = self.app.db.begin_write().await?;
            track::Entity::insert_many(rows).exec_without_returning(&tx).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}
