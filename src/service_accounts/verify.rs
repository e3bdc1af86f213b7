//! Knowing a key again, at the gate.
//!
//! What the database says of a key is believed for a second, so a tool that calls a thousand times a second costs one
//! look-up, and a revocation is felt everywhere within two.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{key::ApiKeyText, store};
use crate::{
    app::App,
    entity::{
        account::{self, Status},
        api_key,
    },
    kernel::{
        Caller, Facts, KeyInUse, Proof, Roles, Timestamp,
        ids::{ApiKeyId, SessionId},
    },
    rpc::Refusal,
};

/// How long a row is believed.
const BELIEVED_FOR: Duration = Duration::from_secs(1);
/// A use is written down at most this often.
const NOTED_EVERY: Duration = Duration::from_mins(1);
/// Keys remembered before all are forgotten, which costs one look-up each.
const REMEMBERED_AT_MOST: usize = 10_000;

/// Verifies API keys. Clones share what they know.
#[derive(Clone)]
pub struct ApiKeys {
    app: App,
    known: Arc<Mutex<HashMap<ApiKeyId, Known>>>,
}

#[derive(Clone)]
struct Known {
    key: api_key::Model,
    account: account::Model,
    read_at: Instant,
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKeys(…)")
    }
}

impl ApiKeys {
    pub fn new(app: App) -> Self {
        Self { app, known: Arc::default() }
    }

    /// The tool that a key stands for.
    ///
    /// # Errors
    /// `ACCESS_TOKEN_INVALID` for what is no key of ours, `API_KEY_ENDED` for what was one.
    pub async fn authenticate(&self, token: &str, facts: Facts) -> Result<Caller, Refusal> {
        let presented = ApiKeyText::parse(&self.app, token).ok_or(Refusal::AccessTokenInvalid)?;
        let Known { key, account, .. } = self.look_up(presented.id).await?.ok_or(Refusal::AccessTokenInvalid)?;
        if key.secret_sha256 != presented.digest() {
            return Err(Refusal::AccessTokenInvalid);
        }
        let now = self.app.clock.now();
        if let Some(cause) = end_of(&key, &account, now) {
            return Err(Refusal::ApiKeyEnded { cause });
        }
        self.note_use(&key, &facts, now).await;
        Ok(Caller {
            roles_version: 0,
            account: account.id,
            session: SessionId::from(uuid::Uuid::from(key.id)),
            roles: Roles::LISTENER,
            must_enroll: false,
            proof: Proof::never(now),
            impersonator: None,
            key: Some(KeyInUse { id: key.id, scopes: key.scopes, read_only: key.read_only }),
            facts,
        })
    }

    /// Whether a key that was accepted before still is.
    ///
    /// # Errors
    /// `API_KEY_ENDED` if it is not.
    pub async fn still_good(&self, id: ApiKeyId) -> Result<(), Refusal> {
        let Known { key, account, .. } = self.look_up(id).await?.ok_or(Refusal::AccessTokenInvalid)?;
        end_of(&key, &account, self.app.clock.now()).map_or(Ok(()), |cause| Err(Refusal::ApiKeyEnded { cause }))
    }

    async fn look_up(&self, id: ApiKeyId) -> Result<Option<Known>, Refusal> {
        let known = self.known.lock().get(&id).filter(|known| known.read_at.elapsed() < BELIEVED_FOR).cloned();
        if known.is_some() {
            return Ok(known);
        }
        // Read before the statement: what it says may be as old as that.
        let read_at = Instant::now();
        let found = store::find_with_account(&self.app.db, id).await?;
        let found = found.map(|(key, account)| Known { key, account, read_at });
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED_AT_MOST {
            known.clear();
        }
        match &found {
            Some(found) => drop(known.insert(id, found.clone())),
            None => drop(known.remove(&id)),
        }
        Ok(found)
    }

    /// Writes down when and from where a key was used. When the database is away the call goes on without it.
    async fn note_use(&self, key: &api_key::Model, facts: &Facts, now: Timestamp) {
        let before = now - NOTED_EVERY;
        let due = |key: &api_key::Model| key.last_used_at.is_none_or(|at| at <= before);
        if !due(key) {
            return;
        }
        {
            // Of calls at once, one writes.
            let mut known = self.known.lock();
            let Some(known) = known.get_mut(&key.id).filter(|known| due(&known.key)) else { return };
            known.key.last_used_at = Some(now);
        }
        if let Err(error) = store::update_used(&self.app.db, key.id, &facts.address.prefix(), now, before).await {
            tracing::warn!(%error, "the use of an API key was not noted");
        }
    }
}

/// Why a key is refused, if it is.
fn end_of(key: &api_key::Model, account: &account::Model, now: Timestamp) -> Option<&'static str> {
    if key.revoked_at.is_some() {
        Some("revoked")
    } else if account.status_at(now) != Status::Active {
        Some("suspended")
    } else if key.expires_at <= now {
        Some("expired")
    } else {
        None
    }
}
