//! Taking rows of releases without a chain into it.

use sea_orm::DbErr;
use uuid::Uuid;

use super::{
    chain::{START, Signer},
    details::{Origin, Words},
    store,
    trail::{self, Draft},
};
use crate::{
    app::App,
    entity::{audit_event::ActorKind, audit_event_unchained::Model},
};

/// Rows taken in with one transaction.
const BATCH: u64 = 200;

/// Begins the chain on the first start, so that its end is signed from the first row on. Then takes every row that has no
/// place in it yet to its end, oldest first, and seals what is personal in it.
///
/// Called by whatever opens the database, before it acts. May be killed anywhere and run on many instances at once: a row
/// leaves the old table in the transaction that chains it, and of two that take the same one, one finds it gone.
///
/// # Errors
/// When the database fails; what was taken in stays taken in.
pub async fn adopt(app: &App) -> Result<u64, DbErr> {
    store::update_head_begun(&app.db, Signer::new(&app.keys).sign(0, START)).await?;
    let mut adopted = 0;
    while store::any_unchained(&app.db).await? {
        let tx = app.db.begin_write().await?;
        let rows = store::list_unchained(&tx, BATCH).await?;
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        let wanted = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        if store::delete_unchained(&tx, ids).await? < wanted {
            // Another instance has taken some of them: look again.
            tx.rollback().await?;
            continue;
        }
        for row in rows {
            trail::gather(&tx, app, draft(app, row));
        }
        tx.commit().await?;
        adopted += wanted;
    }
    if adopted > 0 {
        tracing::info!(adopted, "rows of the audit trail were taken into its chain");
    }
    Ok(adopted)
}

fn draft(app: &App, row: Model) -> Draft {
    let person_id = match row.subject_kind.as_str() {
        "account" | "registration" => row.subject_id,
        _ => row.actor_id.map(Uuid::from),
    };
    let typed = row.actor_kind != ActorKind::System;
    Draft {
        id: row.id,
        actor_kind: row.actor_kind,
        actor_id: row.actor_id,
        action: row.action,
        subject_kind: row.subject_kind,
        subject_id: row.subject_id,
        person_id,
        reason: row.reason.clone().filter(|_| !typed),
        // Earlier releases did not note who chose it.
        request_id: trail::digest_of(app, &row.request_id),
        facts: row.facts,
        origin: Origin { address_prefix: row.address_prefix, user_agent: String::new() },
        words: Words { reason: row.reason.filter(|_| typed), facts: serde_json::Value::Null },
        created_at: row.created_at,
    }
}
