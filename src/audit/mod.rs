//! The audit trail: who did what to whom, and why.
//!
//! Owns the tables `audit_event`, `audit_head` and `audit_event_unchained`. Rows are written in the transaction of the act
//! they tell of and never changed. Actions have the names of the OWASP logging vocabulary where it has one. It promises
//! that
//!
//! - the rows form a chain: each holds the hash of the one before it, and hashes and the chain's end are made with keys
//!   that are not in the database; [`verify()`] names the first row that was changed, added or taken away. An end that the
//!   server finds unsigned stays so: no later act covers up for it. Whoever brings back a whole earlier state is found out
//!   only by an end that was kept elsewhere;
//! - no personal value stands in a row in clear: where a call came from is sealed under the actor's key, what was typed
//!   under the key of the person concerned ([`crate::subject`]); without a person it is not kept at all; a request id that
//!   a client chose stands there as a digest;
//! - destroying a key leaves the chain whole, because hashes are taken over what is sealed.
//!
//! Rows are gathered and written right before the commit, all of a transaction together: the head is the one row that
//! every writer wants, so it is taken last and given back at once, and no two transactions can wait for each other.
//! It costs two statements more than rows without a chain, however many rows there are.

mod adopt;
mod chain;
mod details;
mod domain;
mod error;
mod service;
mod store;
mod trail;
mod verify;
mod wire;

use std::future::{Ready, ready};

use sea_orm::DbErr;
use uuid::Uuid;

pub use self::{
    adopt::adopt,
    details::{Details, details},
    domain::{Told, of_person},
    error::Error,
    service::AuditRpc,
    verify::{Finding, Problem, Range, verify},
};
use crate::{
    app::App,
    db::WriteTx,
    kernel::{
        Facts, Principal,
        ids::{AccountId, Id},
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
    /// Whom the act concerns; what was typed is sealed under their key.
    pub person: Option<Uuid>,
    /// As the actor gave it.
    pub reason: Option<&'a str>,
    /// Further facts as JSON; nothing personal.
    pub facts: serde_json::Value,
    /// Further facts as JSON that are personal; null if there are none.
    pub private: serde_json::Value,
}

impl<'a> Event<'a> {
    /// An act of `actor` on `subject`. It concerns the account, registration or reset that it is done to; otherwise the
    /// account that acts.
    pub fn new<S: Id>(actor: Principal, action: &'static str, subject_kind: &'static str, subject: S) -> Self {
        let subject: Uuid = subject.into();
        let person = match (subject_kind, actor) {
            ("account" | "registration" | "reset", _) => Some(subject),
            (_, Principal::Account(account)) => Some(account.into()),
            _ => None,
        };
        Self {
            actor,
            action,
            subject_kind,
            subject: Some(subject),
            person,
            reason: None,
            facts: serde_json::Value::Object(serde_json::Map::new()),
            private: serde_json::Value::Null,
        }
    }

    /// Says whom the act concerns, where it is neither the subject nor the actor.
    #[must_use]
    pub fn about(mut self, person: AccountId) -> Self {
        self.person = Some(person.into());
        self
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

    /// Facts that are personal: they are sealed under the key of the person concerned.
    #[must_use]
    pub fn in_private(mut self, facts: serde_json::Value) -> Self {
        self.private = facts;
        self
    }
}

/// Writes an act down, in its own transaction: right before the commit, which fails if it cannot be written.
///
/// A future, though there is nothing to wait for yet, so that acts read alike.
pub fn write(tx: &WriteTx, app: &App, facts: Option<&Facts>, event: Event<'_>) -> Ready<Result<(), DbErr>> {
    trail::gather(tx, app, trail::Draft::new(app, facts, event));
    ready(Ok(()))
}
