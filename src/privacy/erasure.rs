//! Forgetting a person, step by step. Each step is a transaction, looks for what is left to do, and may run again.

use serde_json::{Map, Value};

use super::{
    Error, ends, export,
    jobs::EraseAccount,
    register::{Erasure, REGISTER},
    rows::{self, Person},
    store, works,
};
use crate::{
    app::App,
    artists, audit,
    db::WriteTx,
    entity::{
        account::{self, Status},
        erasure_receipt::{self, Basis},
        session::EndCause,
    },
    kernel::{EmailAddress, Facts, Principal, ids::AccountId},
    notifications, sessions, storage, subject, tracks,
};

/// Closes an account for good and queues its erasure, in the caller's transaction: for staff. An account that waits for
/// its end does not wait any longer.
///
/// The caller has judged who may be erased; there must be an administrator left.
///
/// # Errors
/// When the database fails.
pub async fn erase(
    tx: &WriteTx,
    app: &App,
    account: AccountId,
    by: Principal,
    facts: Option<&Facts>,
    reason: &str,
) -> Result<(), Error> {
    let now = app.clock.now();
    ends::update_closed(tx, account, now, now).await?;
    ends::update_purge_at(tx, account, now).await?;
    sessions::end(tx, app, account, sessions::Which::All, EndCause::Deleted, now).await?;
    let event = audit::Event::new(by, "user_erasure_started", "account", account).because(reason);
    audit::write(tx, app, facts, event).await?;
    begin_receipt(tx, app, account, Basis::Staff).await?;
    app.queue.enqueue(tx, &EraseAccount { account }).await?;
    Ok(())
}

async fn begin_receipt(tx: &WriteTx, app: &App, account: AccountId, basis: Basis) -> Result<(), Error> {
    let receipt = erasure_receipt::Model {
        account_id: account,
        basis,
        state: erasure_receipt::State::Running,
        counts: "{}".to_owned(),
        started_at: app.clock.now(),
        finished_at: None,
    };
    Ok(ends::insert_receipt(tx, receipt).await?)
}

/// Queues the erasure of everyone whose time is over.
pub async fn erase_due(app: &App) -> Result<(), Error> {
    for account in ends::list_due(&app.db, app.clock.now(), 100).await? {
        let tx = app.db.begin_write().await?;
        app.queue.enqueue(&tx, &EraseAccount { account }).await?;
        tx.commit().await?;
    }
    empty_log(app).await;
    Ok(())
}

/// Erases a person whose time is over; one that has come back, or is erased already, is left alone.
pub async fn run(app: &App, id: AccountId) -> Result<(), Error> {
    let now = app.clock.now();
    let Some(account) = crate::accounts::find(&app.db, id).await? else { return Ok(()) };
    if account.status != Status::Deleted || account.purge_at.is_none_or(|at| at > now) {
        return Ok(());
    }
    let person = Person {
        recipient: notifications::recipient_mac(app, &account.email),
        identifier: sessions::identifier_mac(app, &account.email),
        account,
    };
    let tx = app.db.begin_write().await?;
    begin_receipt(&tx, app, id, Basis::Owner).await?;
    tx.commit().await?;

    if !storage::give_up(app, id).await? {
        return Err(Error::StillChecking);
    }
    forget_exports(app, id).await?;
    forget_works(app, &person.account).await?;
    forget_files(app, id).await?;
    forget_sessions(app, id).await?;
    forget_rows(app, &person).await?;
    finish(app, &person).await
}

/// The ZIPs; their rows go with the others. Whoever is gathering one finds at its end that nobody waits for it, and
/// deletes what was written.
async fn forget_exports(app: &App, id: AccountId) -> Result<(), Error> {
    store::update_failed_of(&app.db, id, app.clock.now()).await?;
    for export in store::list_of(&app.db, id).await? {
        export::delete(app, export.id).await?;
    }
    Ok(())
}

/// Ended sessions stay, without a word of the person: they are what other instances, and those that start again, refuse
/// tokens by that are still alive. The sweep of old sessions takes them.
async fn forget_sessions(app: &App, id: AccountId) -> Result<(), Error> {
    let tx = app.db.begin_write().await?;
    sessions::end(&tx, app, id, sessions::Which::All, EndCause::Deleted, app.clock.now()).await?;
    let blanked = ends::update_sessions_blank(&tx, id).await?;
    ends::update_looks_blank(&tx, id).await?;
    count(&tx, id, "session", blanked).await?;
    tx.commit().await?;
    Ok(())
}

async fn forget_works(app: &App, account: &account::Model) -> Result<(), Error> {
    let now = app.clock.now();
    for artist in works::list_artists(&app.db, account.id).await? {
        let tx = app.db.begin_write().await?;
        let parted = works::part(&tx, &artist, now).await?;
        artists::changed(&tx, app, artist.id);
        tracks::changed(&tx, app, &parted.withdrawn);
        count(&tx, account.id, "track", parted.deleted).await?;
        tx.commit().await?;
    }
    let tx = app.db.begin_write().await?;
    works::forget_own_words(&tx, account.id).await?;
    tx.commit().await?;
    Ok(())
}

async fn forget_files(app: &App, id: AccountId) -> Result<(), Error> {
    loop {
        let released = storage::release(app, id).await?;
        if released.uploads == 0 {
            return Ok(());
        }
        let tx = app.db.begin_write().await?;
        count(&tx, id, "upload", released.uploads).await?;
        count(&tx, id, "file", released.files).await?;
        tx.commit().await?;
    }
}

/// What the register says is deleted whole. The keys of registrations and resets go with their rows.
async fn forget_rows(app: &App, person: &Person) -> Result<(), Error> {
    for holding in REGISTER.iter().filter(|holding| matches!(holding.erasure, Erasure::Delete)) {
        let tx = app.db.begin_write().await?;
        if holding.table == "registration" {
            let registrations = ends::list_registrations(&tx, person.account.id, &person.account.email).await?;
            let keys: Vec<_> = registrations.into_iter().map(Into::into).collect();
            subject::forget(&tx, &keys).await?;
        }
        if holding.table == "mail_proof" {
            subject::forget(&tx, &ends::list_flows(&tx, person.account.id).await?).await?;
        }
        // One that was asked for while the others went, on an instance that had not heard of the end.
        let exports = match holding.table {
            "data_export" => store::list_of(&tx, person.account.id).await?,
            _ => Vec::new(),
        };
        let rows = rows::delete(&tx, person, holding).await?;
        count(&tx, person.account.id, holding.table, rows).await?;
        tx.commit().await?;
        for gone in exports {
            export::delete(app, gone.id).await?;
        }
    }
    Ok(())
}

/// The tombstone, the key, the receipt: together, and last.
async fn finish(app: &App, person: &Person) -> Result<(), Error> {
    let (id, now) = (person.account.id, app.clock.now());
    let address: EmailAddress = tombstone_address(id)?;
    let tx = app.db.begin_write().await?;
    if !ends::update_tombstone(&tx, id, address, now).await? || !ends::update_done(&tx, id, now).await? {
        tx.rollback().await?;
        return Err(Error::Changed);
    }
    subject::destroy(&tx, app, &[id.into()]).await?;
    let receipt = ends::find_receipt(&tx, id).await?;
    let counts = receipt.and_then(|receipt| serde_json::from_str(&receipt.counts).ok()).unwrap_or(Value::Null);
    let event = audit::Event::new(Principal::System, "user_erased", "account", id);
    audit::write(&tx, app, None, event.with(serde_json::json!({ "erased": counts }))).await?;
    tx.commit().await?;
    empty_log(app).await;
    Ok(())
}

/// What was deleted stands in the database's log until that is written into the file. What hinders that now does not the
/// next time, an hour later.
async fn empty_log(app: &App) {
    match app.db.empty_log().await {
        Ok(true) => {}
        Ok(false) => tracing::info!("the database's log was in use and is emptied later"),
        Err(error) => tracing::warn!(%error, "the database's log was not emptied"),
    }
}

/// Unique, of nobody, and no mailbox can have it (RFC 2606).
fn tombstone_address(id: AccountId) -> Result<EmailAddress, Error> {
    let address = format!("{}@erased.invalid", id.to_string().replace('_', "-"));
    address.parse().map_err(|_| Error::Changed)
}

/// Adds to the receipt.
async fn count(tx: &WriteTx, id: AccountId, kind: &str, number: u64) -> Result<(), Error> {
    if number == 0 {
        return Ok(());
    }
    let Some(receipt) = ends::find_receipt(tx, id).await? else { return Ok(()) };
    let mut counts: Map<String, Value> = serde_json::from_str(&receipt.counts).unwrap_or_default();
    let before = counts.get(kind).and_then(Value::as_u64).unwrap_or(0);
    counts.insert(kind.to_owned(), (before + number).into());
    Ok(ends::update_counts(tx, id, Value::Object(counts).to_string()).await?)
}
