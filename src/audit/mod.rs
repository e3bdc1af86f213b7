//! The audit trail: who did what to whom, and why.
//!
//! Owns the table `audit_event`. Rows are written in the transaction of the act they tell of and never changed. Actions
//! have the names of the OWASP logging vocabulary where it has one. No personal value stands in a row: ids, prefixes,
//! and facts that name no one. Verifying the trail by its hash chain comes later.

use sea_orm::{ActiveValue::Set, DbErr, EntityTrait};
use uuid::Uuid;

use crate::{
    app::App,
    db::WriteTx,
    entity::audit_event::{ActiveModel, ActorKind, Entity},
    kernel::{
        Facts, Principal,
        ids::{AuditId, Id},
    },
};

/// One act, to be written down.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    pub actor: Principal,
    /// `authn_login_success`, `submission_approved`, …
    pub action: &'static str,
    /// What kind of thing the act was done to, `account` or `submission`.
    pub subject_kind: &'static str,
    pub subject: Option<Uuid>,
    /// As the actor gave it.
    pub reason: Option<&'a str>,
    /// Further facts as JSON; nothing personal.
    pub facts: serde_json::Value,
}

impl<'a> Event<'a> {
    /// An act of `actor` on `subject`.
    pub fn new<S: Id>(actor: Principal, action: &'static str, subject_kind: &'static str, subject: S) -> Self {
        Self {
            actor,
            action,
            subject_kind,
            subject: Some(subject.into()),
            reason: None,
            facts: serde_json::Value::Object(serde_json::Map::new()),
        }
    }

    #[must_use]
    pub fn because(mut self, reason: &'a str) -> Self {
        self.reason = Some(reason);
        self
    }

    #[must_use]
    pub fn with(mut self, facts: serde_json::Value) -> Self {
        self.facts = facts;
        self
    }
}

/// Writes an act down, in its own transaction.
///
/// # Errors
/// When the database fails, and with it the act.
pub async fn write(tx: &WriteTx, app: &App, facts: Option<&Facts>, event: Event<'_>) -> Result<(), DbErr> {
    let now = app.clock.now();
    let (actor_kind, actor_id) = match event.actor {
        Principal::Account(account) => (ActorKind::Account, Some(account)),
        Principal::Anonymous => (ActorKind::Anonymous, None),
        Principal::System => (ActorKind::System, None),
        Principal::Operator => (ActorKind::Operator, None),
    };
    let row = ActiveModel {
        id: Set(AuditId::new(now, &app.dice)),
        actor_kind: Set(actor_kind),
        actor_id: Set(actor_id),
        action: Set(event.action.to_owned()),
        subject_kind: Set(event.subject_kind.to_owned()),
        subject_id: Set(event.subject),
        reason: Set(event.reason.map(str::to_owned)),
        request_id: Set(facts.map(|facts| facts.request_id.clone()).unwrap_or_default()),
        address_prefix: Set(facts.map(|facts| facts.address.prefix())),
        facts: Set(event.facts.to_string()),
        created_at: Set(now),
    };
    Entity::insert(row).exec_without_returning(tx).await.map(drop)
}
