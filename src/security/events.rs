//! What happened to the safety of one's own account, read from the audit trail.

use std::collections::HashMap;

use sea_orm::DbErr;

use super::store::{self, Side};
use crate::{
    app::App,
    entity::audit_event,
    kernel::ids::{AccountId, AuditId, SessionId},
};

/// How actions that concern the safety of an account begin: words of the OWASP logging vocabulary.
const WORDS: [&str; 6] = ["authn_", "authz_", "user_", "privilege_", "session_", "impersonation_"];

/// An event, and the device it happened on.
pub struct Seen {
    pub row: audit_event::Model,
    pub session: Option<SessionId>,
    pub device_name: String,
}

/// Events that an account did or that happened to it, newest first, older than `before`.
pub async fn list(app: &App, account: AccountId, before: AuditId, limit: u64) -> Result<Vec<Seen>, DbErr> {
    let mut rows = store::list_events(&app.db, account, Side::Subject, &WORDS, before, limit).await?;
    rows.extend(store::list_events(&app.db, account, Side::Actor, &WORDS, before, limit).await?);
    rows.sort_by_key(|row| std::cmp::Reverse(row.id));
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));

    let sessions: Vec<_> =
        rows.iter().filter(|row| row.subject_kind == "session").filter_map(|row| row.subject_id).collect();
    let names: HashMap<SessionId, String> = if sessions.is_empty() {
        HashMap::new()
    } else {
        store::list_devices(&app.db, account, &sessions).await?.into_iter().collect()
    };
    Ok(rows.into_iter().map(|row| seen(row, &names)).collect())
}

fn seen(row: audit_event::Model, names: &HashMap<SessionId, String>) -> Seen {
    let session = row.subject_id.filter(|_| row.subject_kind == "session").map(SessionId::from);
    let device_name = session.and_then(|id| names.get(&id)).cloned().unwrap_or_default();
    Seen { row, session, device_name }
}
