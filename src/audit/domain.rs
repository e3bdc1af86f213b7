//! Reading the trail.

use sea_orm::DbErr;
use uuid::Uuid;

use super::{
    Details, Error, Event, details,
    store::{self, Found, Wanted},
    trail,
};
use crate::{
    app::App,
    audit,
    entity::audit_event::Model,
    kernel::{
        Caller, Principal,
        ids::{AuditId, Id},
    },
    rpc::page::{Page, Slice, id_key},
};

/// Rows sent together by an export.
const BATCH: u64 = 100;

/// A row, and what is sealed in it.
pub type Told = (Model, Details);

/// A page of the trail, newest first.
pub async fn list(app: &App, mut wanted: Wanted, page: &Page, before: AuditId) -> Result<Slice<Told>, DbErr> {
    // Of those that clients chose, the trail has digests.
    let digests: Vec<String> = wanted.request_ids.iter().map(|id| trail::digest_of(app, id)).collect();
    wanted.request_ids.extend(digests);
    let rows = store::list(&app.db, &wanted, before, page.size + 1).await?;
    let slice = Slice::cut(rows, page, |found| id_key(found.row.id));
    Ok(Slice { rows: opened(app, slice.rows).await?, next: slice.next })
}

/// Writes an export down, before anything is exported.
pub async fn begin_export(app: &App, caller: &Caller, after: i64, reason: &str) -> Result<(), Error> {
    let tx = app.db.begin_write().await?;
    // The export is of the trail and of nobody; its own row stands for it.
    let export = AuditId::new(app.clock.now(), &app.dice);
    let event = Event::new(Principal::Account(caller.account), "audit_exported", "audit_event", export)
        .because(reason)
        .with(serde_json::json!({ "after": after }));
    audit::write(&tx, app, Some(&caller.facts), event).await?;
    tx.commit().await?;
    Ok(())
}

/// The next rows of an export; none at the end.
pub async fn export_after(app: &App, after: i64) -> Result<Vec<Told>, DbErr> {
    opened(app, store::list_after(&app.db, after, BATCH).await?).await
}

async fn opened(app: &App, found: Vec<Found>) -> Result<Vec<Told>, DbErr> {
    with_details(app, found.into_iter().map(|found| found.row).collect()).await
}

async fn with_details(app: &App, rows: Vec<Model>) -> Result<Vec<Told>, DbErr> {
    let details = details(&app.db, app, &rows).await?;
    Ok(rows.into_iter().zip(details).collect())
}

/// Rows that concern or were made by one account, oldest first, from `after` on.
///
/// # Errors
/// When the database fails.
pub async fn of_person(app: &App, person: Uuid, after: Uuid, limit: u64) -> Result<Vec<Told>, DbErr> {
    let rows = store::list_of_person(&app.db, person, after.into(), limit).await?;
    with_details(app, rows).await
}
