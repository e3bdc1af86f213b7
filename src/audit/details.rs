//! What is sealed in a row of the trail.

use sea_orm::{ConnectionTrait, DbErr};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    app::App,
    entity::audit_event::Model,
    kernel::{Facts, ids::AuditId},
    subject::{self, Keys},
};

/// Where a call came from.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Origin {
    pub address_prefix: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user_agent: String,
}

impl Origin {
    pub fn of(facts: &Facts) -> Self {
        Self { address_prefix: Some(facts.address.prefix()), user_agent: facts.user_agent.clone() }
    }

    pub fn is_empty(&self) -> bool {
        self.address_prefix.is_none() && self.user_agent.is_empty()
    }

    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// What was typed, or is personal in what happened.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Words {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub facts: serde_json::Value,
}

impl Words {
    pub fn is_empty(&self) -> bool {
        self.reason.is_none() && self.facts.is_null()
    }

    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Which of a row's two seals.
#[derive(Clone, Copy)]
pub enum Part {
    Origin,
    Words,
}

impl Part {
    /// The additional data of the seal: it opens in its own row and column only.
    pub fn place(self, row: AuditId) -> Vec<u8> {
        let column = match self {
            Self::Origin => "actor",
            Self::Words => "person",
        };
        format!("audit_event/{row}/{column}").into_bytes()
    }
}

/// A row's sealed parts, opened: for the person concerned, and for staff who may read the trail.
#[derive(Clone, Default)]
pub struct Details {
    /// The network the call came from, as limits count it.
    pub address_prefix: Option<String>,
    pub user_agent: String,
    /// As it was typed, or the server's code.
    pub reason: Option<String>,
    /// Null if there are none.
    pub private: serde_json::Value,
    /// Something is sealed that nobody can open any more: a key was destroyed.
    pub is_shredded: bool,
}

/// Opens what is sealed in these rows, in their order: one statement for all.
///
/// # Errors
/// When the database fails.
pub async fn details(db: &impl ConnectionTrait, app: &App, rows: &[Model]) -> Result<Vec<Details>, DbErr> {
    let mut subjects: Vec<Uuid> = rows.iter().flat_map(|row| [origin_key(row), row.person_id]).flatten().collect();
    subjects.sort_unstable();
    subjects.dedup();
    let keys = subject::find(db, app, subjects).await?;
    Ok(rows.iter().map(|row| opened(&keys, row)).collect())
}

fn origin_key(row: &Model) -> Option<Uuid> {
    row.actor_id.map(Uuid::from).or(row.person_id)
}

fn opened(keys: &Keys, row: &Model) -> Details {
    let open = |key: Option<Uuid>, part: Part, sealed: &Option<Vec<u8>>| {
        keys.open(key?, &part.place(row.id), sealed.as_deref()?)
    };
    let origin = open(origin_key(row), Part::Origin, &row.actor_sealed);
    let words = open(row.person_id, Part::Words, &row.person_sealed);
    let is_shredded =
        (row.actor_sealed.is_some() && origin.is_none()) || (row.person_sealed.is_some() && words.is_none());
    let origin: Origin = origin.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    let words: Words = words.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    Details {
        address_prefix: origin.address_prefix,
        user_agent: origin.user_agent,
        reason: words.reason.or_else(|| row.reason.clone()),
        private: words.facts,
        is_shredded,
    }
}
