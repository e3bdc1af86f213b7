//! Copies of everything held of a person.

use std::{io, path::PathBuf, time::Duration};

use bytes::Bytes;
use futures::TryStreamExt;
use sea_orm::DbErr;
use sha2::{Digest as _, Sha256};
use tokio::{fs::File, io::AsyncReadExt};
use uuid::Uuid;

use super::{
    Error,
    archive::Archive,
    error::MAX_EXPORTS,
    jobs::BuildExport,
    register::{Export, Holding, REGISTER, Shown},
    rows::{self, Person},
    store,
};
use crate::{
    accounts,
    app::App,
    audit,
    db::violates_uniqueness,
    entity::{
        data_export::{Model, State},
        object_reference, stored_blob,
    },
    kernel::{
        Caller, Digest, Principal,
        ids::{AccountId, ExportId, Id, ObjectId, first_at},
    },
    mail::Letter,
    notifications,
    objects::{Bytestream, ObjectKey},
    rpc::{convert, once::Record},
    sessions, storage,
};

/// How long an export can be downloaded.
const KEPT_FOR: Duration = Duration::from_hours(7 * 24);
/// Exports are counted over this time.
const WINDOW: Duration = Duration::from_hours(24);
/// One that is pending for longer came to nothing.
const GIVEN_UP_AFTER: Duration = Duration::from_hours(48);
/// Bytes copied at once.
const BLOCK_BYTES: usize = 256 * 1024;

/// Begins an export for its owner.
pub async fn start(app: &App, caller: &Caller, once: &impl Record<Model>) -> Result<Model, Error> {
    let now = app.clock.now();
    let recent = store::list_since(&app.db, caller.account, first_at(now - WINDOW).into()).await?;
    if recent.iter().any(|export| export.state == State::Pending) {
        return Err(Error::ExportExists);
    }
    if u64::try_from(recent.len()).is_ok_and(|count| count >= MAX_EXPORTS) {
        let oldest = recent.first().map_or(now, |export| export.created_at);
        return Err(Error::TooManyExports { wait: (oldest + WINDOW).since(now) });
    }
    let export = Model {
        id: ExportId::new(now, &app.dice),
        account_id: caller.account,
        state: State::Pending,
        storage_key: None,
        size_bytes: None,
        sha256: None,
        created_at: now,
        finished_at: None,
        expires_at: None,
    };
    let tx = app.db.begin_write().await?;
    match store::insert(&tx, &export).await {
        Err(error) if violates_uniqueness(&error) => {
            tx.rollback().await?;
            return Err(Error::ExportExists);
        }
        inserted => inserted?,
    }
    app.queue.enqueue(&tx, &BuildExport { export: export.id }).await?;
    let event = audit::Event::new(Principal::Account(caller.account), "data_export_started", "data_export", export.id);
    audit::write(&tx, app, Some(&caller.facts), event).await?;
    once.record(&tx, &export).await?;
    tx.commit().await?;
    Ok(export)
}

/// One's own export.
pub async fn find(app: &App, caller: &Caller, id: ExportId) -> Result<Model, Error> {
    store::find_of(&app.db, caller.account, id).await?.ok_or(Error::ExportNotFound)
}

/// Opens one's own ready export from `offset` on, and writes the download down.
pub async fn download(app: &App, caller: &Caller, id: ExportId, offset: u64) -> Result<(Model, Bytestream), Error> {
    let export = find(app, caller, id).await?;
    let (State::Ready, Some(key), Some(size_bytes)) = (export.state, &export.storage_key, export.size_bytes) else {
        return Err(Error::ExportNotReady(export.state));
    };
    if export.expires_at.is_some_and(|at| at <= app.clock.now()) {
        return Err(Error::ExportNotReady(State::Expired));
    }
    let size = u64::try_from(size_bytes).unwrap_or(0);
    if offset > size {
        return Err(Error::BeyondEnd { size_bytes });
    }
    let tx = app.db.begin_write().await?;
    let event = audit::Event::new(Principal::Account(caller.account), "data_export_downloaded", "data_export", id)
        .with(serde_json::json!({ "offset": offset }));
    audit::write(&tx, app, Some(&caller.facts), event).await?;
    tx.commit().await?;
    let bytes = app.objects.read(&ObjectKey::stored(key), offset..size).await?;
    Ok((export, bytes))
}

/// Gathers a pending export, stores it and tells its owner.
pub async fn build(app: &App, id: ExportId) -> Result<(), Error> {
    let pending = store::find(&app.db, id).await?.filter(|export| export.state == State::Pending);
    let Some(export) = pending else { return discard(app, id).await };
    let Some(account) = accounts::find(&app.db, export.account_id).await? else { return Ok(()) };
    let person = Person {
        recipient: notifications::recipient_mac(app, &account.email),
        identifier: sessions::identifier_mac(app, &account.email),
        account,
    };
    let mut archive = Archive::begin(&draft(app, id)).map_err(Error::Archive)?;
    gather(app, &person, &mut archive).await?;
    let file = archive.finish().await.map_err(Error::Archive)?;
    let key = ObjectKey::export(id);
    let (size_bytes, sha256) = keep(app, File::from_std(file), &key).await?;

    let now = app.clock.now();
    let made = store::Finished {
        storage_key: key.as_str().to_owned(),
        size_bytes,
        sha256,
        at: now,
        expires_at: now + KEPT_FOR,
    };
    let tx = app.db.begin_write().await?;
    if !store::update_ready(&tx, id, made).await? {
        tx.rollback().await?;
        return discard(app, id).await;
    }
    notifications::post(&tx, app, &format!("export_ready/{id}"), &person.account, &Letter::ExportReady).await?;
    let event = audit::Event::new(Principal::System, "data_export_ready", "data_export", id).about(export.account_id);
    audit::write(&tx, app, None, event).await?;
    tx.commit().await?;
    Ok(())
}

/// Deletes what was written for an export that nobody waits for any more: the person was erased meanwhile, or it was
/// given up. A ready one stays: another run was faster.
async fn discard(app: &App, id: ExportId) -> Result<(), Error> {
    let found = store::find(&app.db, id).await?;
    if found.is_none_or(|export| export.state != State::Ready) { delete(app, id).await } else { Ok(()) }
}

/// Deletes an export's ZIP, and what a killed run left of it.
pub async fn delete(app: &App, id: ExportId) -> Result<(), Error> {
    let key = ObjectKey::export(id);
    app.objects.delete(&key).await?;
    Ok(app.objects.delete_drafts(&key).await?)
}

fn draft(app: &App, id: ExportId) -> PathBuf {
    app.config.data_dir.join("exports").join(format!("{id}.zip"))
}

async fn gather(app: &App, person: &Person, archive: &mut Archive) -> Result<(), Error> {
    archive.file("README.txt", true).await.map_err(Error::Archive)?;
    archive.add(README).await.map_err(Error::Archive)?;
    for holding in REGISTER {
        if let Export::As(shown) = holding.export {
            archive.file(shown.file, true).await.map_err(Error::Archive)?;
            add_rows(app, person, holding, &shown, archive).await?;
        }
    }
    archive.file("audit.json", true).await.map_err(Error::Archive)?;
    add_trail(app, person.account.id, archive).await?;
    add_files(app, person.account.id, archive).await
}

/// A JSON array that grows page by page.
struct Array<'a> {
    archive: &'a mut Archive,
    empty: bool,
}

impl<'a> Array<'a> {
    async fn begin(archive: &'a mut Archive) -> Result<Self, Error> {
        archive.add("[").await.map_err(Error::Archive)?;
        Ok(Self { archive, empty: true })
    }

    async fn add(&mut self, rows: &[serde_json::Value]) -> Result<(), Error> {
        let mut text = String::new();
        for row in rows {
            text.push_str(if self.empty { "\n" } else { ",\n" });
            text.push_str(&row.to_string());
            self.empty = false;
        }
        self.archive.add(text).await.map_err(Error::Archive)
    }

    async fn end(self) -> Result<(), Error> {
        self.archive.add("\n]\n").await.map_err(Error::Archive)
    }
}

async fn add_rows(
    app: &App,
    person: &Person,
    holding: &Holding,
    shown: &Shown,
    archive: &mut Archive,
) -> Result<(), Error> {
    let mut array = Array::begin(archive).await?;
    let mut after = None;
    loop {
        let (rows, last) = rows::page(&app.db, person, holding, shown, after).await?;
        array.add(&rows).await?;
        match last {
            Some(last) => after = Some(last),
            None => return array.end().await,
        }
    }
}

/// What the audit trail says about the person, with what is sealed in it under the person's own key. Whoever else acted
/// is not named.
async fn add_trail(app: &App, person: AccountId, archive: &mut Archive) -> Result<(), Error> {
    let mut array = Array::begin(archive).await?;
    let mut after = Uuid::nil();
    loop {
        let page = audit::of_person(app, person.into(), after, rows::PAGE).await?;
        let Some(last) = page.last().map(|(row, _)| row.id.into()) else { return array.end().await };
        let shown: Vec<_> = page.iter().map(|told| trail_row(person, told)).collect();
        array.add(&shown).await?;
        after = last;
    }
}

fn trail_row(person: AccountId, (row, details): &audit::Told) -> serde_json::Value {
    let by_self = row.actor_id == Some(person);
    let is_about = row.person_id == Some(person.into());
    // The address of a member of staff is not the person's to see, nor is what is sealed about somebody else.
    let from = (by_self || row.actor_id.is_none()).then_some(&details.address_prefix);
    serde_json::json!({
        "event_id": row.id.to_string(),
        "action": row.action,
        "subject_kind": row.subject_kind,
        "by_yourself": by_self,
        "network": from,
        "user_agent": if by_self { details.user_agent.as_str() } else { "" },
        "reason": is_about.then_some(&details.reason),
        "details": if is_about { details.private.clone() } else { serde_json::Value::Null },
        "created_at": convert::timestamp(row.created_at).to_string(),
    })
}

async fn add_files(app: &App, owner: AccountId, archive: &mut Archive) -> Result<(), Error> {
    let mut after = ObjectId::from(Uuid::nil());
    loop {
        let page = store::list_objects(&app.db, owner, after, rows::PAGE).await?;
        let Some(last) = page.last().map(|(object, _)| object.id) else { return Ok(()) };
        for (object, blob) in &page {
            if let Some(blob) = blob.as_ref().filter(|blob| blob.destroyed_at.is_none()) {
                add_file(app, object, blob, archive).await?;
            }
        }
        after = last;
    }
}

async fn add_file(
    app: &App,
    object: &object_reference::Model,
    blob: &stored_blob::Model,
    archive: &mut Archive,
) -> Result<(), Error> {
    // The id makes the name unique; of the owner's name for it, what no file system stumbles over.
    let known: String =
        object.file_name.chars().map(|c| if c.is_alphanumeric() || ".-_ ".contains(c) { c } else { '_' }).collect();
    archive.file(&format!("files/{}-{known}", object.id), false).await.map_err(Error::Archive)?;
    let size = u64::try_from(blob.size_bytes).unwrap_or(0);
    let mut bytes = storage::open(app, blob, 0..size).await?;
    while let Some(block) = bytes.try_next().await? {
        archive.add(block).await.map_err(Error::Archive)?;
    }
    Ok(())
}

/// Copies the finished ZIP into the object store. Returns its size and digest.
async fn keep(app: &App, mut file: File, key: &ObjectKey) -> Result<(i64, Digest), Error> {
    let mut writer = app.objects.writer(key).await?;
    let (mut size, mut hasher) = (0, Sha256::new());
    loop {
        let mut block = vec![0; BLOCK_BYTES];
        let length = match file.read(&mut block).await {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) => {
                writer.abort().await;
                return Err(Error::Archive(error));
            }
        };
        block.truncate(length);
        hasher.update(&block);
        size += i64::try_from(length).unwrap_or(0);
        if let Err(error) = writer.write(Bytes::from(block)).await {
            writer.abort().await;
            return Err(error.into());
        }
    }
    writer.finish().await?;
    if size == 0 {
        return Err(Error::Archive(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok((size, Digest::from_bytes(hasher.finalize().into())))
}

/// Deletes exports whose time is over: bytes first, then the word that they are gone. Gives up what never came to be.
pub async fn sweep(app: &App) -> Result<(), Error> {
    let now = app.clock.now();
    loop {
        let overdue = store::list_overdue(&app.db, now, 100).await?;
        for export in &overdue {
            delete(app, export.id).await?;
            store::update_expired(&app.db, export.id).await?;
        }
        if overdue.is_empty() {
            break;
        }
    }
    for export in store::update_failed(&app.db, now - GIVEN_UP_AFTER, now).await? {
        delete(app, export.id).await?;
    }
    Ok(())
}

/// Ends every copy at once, without its bytes: of a restored database, since backups have no copies.
///
/// # Errors
/// When the database fails.
pub async fn forget_copies(app: &App) -> Result<(), DbErr> {
    store::update_all_expired(&app.db).await
}

const README: &str = "This is a copy of everything that Backline holds of you.\n\n\
Each file that ends in .json is a list; moments are in UTC. The folder `files` has the files that you brought, each\n\
with its id before its name. audit.json tells what was done to your account and by your account.\n\n\
Not in here: passwords, tokens and keys, which are stored as digests or sealed, and what belongs to other people.\n";
