//! What happened to the safety of one's own account, read from the audit trail.

use std::collections::HashMap;

use sea_orm::DbErr;

use super::store::{self, Side};
use crate::{
    app::App,
    audit::{self, Details},
    entity::audit_event,
    kernel::ids::{AccountId, AuditId, SessionId},
};

/// How actions that concern the safety of an account begin: words of the OWASP logging vocabulary, and ours.
const WORDS: [&str; 11] = [
    "authn_",
    "authz_",
    "user_",
    "privilege_",
    "session_",
    "impersonation_",
    "factor_",
    "recovery_codes_",
    "device_",
    "data_export_",
    "account_reinstated",
];

/// An event, and the device it happened on.
pub struct Seen {
    pub row: audit_event::Model,
    /// The network that the owner, or somebody not signed in, called from. That of staff is not the owner's to see.
    pub address_prefix: Option<String>,
    pub session: Option<SessionId>,
    pub device_name: String,
}

/// Events that happened to an account or to what is its own, newest first, older than `before`.
pub async fn list(app: &App, account: AccountId, before: AuditId, limit: u64) -> Result<Vec<Seen>, DbErr> {
    let mut rows = store::list_events(&app.db, account, Side::Subject, &WORDS, before, limit).await?;
    rows.extend(store::list_events(&app.db, account, Side::Person, &WORDS, before, limit).await?);
    rows.sort_by_key(|row| std::cmp::Reverse(row.id));
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));

    let sessions: Vec<_> =
        rows.iter().filter(|row| row.subject_kind == "session").filter_map(|row| row.subject_id).collect();
    let names: HashMap<SessionId, String> = if sessions.is_empty() {
        HashMap::new()
    } else {
        store::list_devices(&app.db, account, &sessions).await?.into_iter().collect()
    };
    let details = audit::details(&app.db, app, &rows).await?;
    Ok(rows.into_iter().zip(details).map(|(row, details)| seen(row, details, account, &names)).collect())
}

fn seen(row: audit_event::Model, details: Details, owner: AccountId, names: &HashMap<SessionId, String>) -> Seen {
    let is_theirs = row.actor_id.is_none_or(|actor| actor == owner);
    let session = row.subject_id.filter(|_| row.subject_kind == "session").map(SessionId::from);
    let device_name = session.and_then(|id| names.get(&id)).cloned().unwrap_or_default();
    Seen { address_prefix: details.address_prefix.filter(|_| is_theirs), row, session, device_name }
}
