//! Appending to the chain, right before the commit.

use std::sync::Once;

use async_trait::async_trait;
use sea_orm::DbErr;
use uuid::Uuid;

use super::{
    Event,
    chain::{Signer, UNSIGNED},
    details::{Origin, Part, Words},
    store,
};
use crate::{
    app::App,
    db::{Closing, WriteTx},
    entity::audit_event::{ActorKind, Model},
    kernel::{
        Digest, Facts, Principal, Timestamp,
        ids::{AccountId, AuditId, Id},
    },
    subject::{self, Keys},
};

/// A row that has neither its place nor its seals yet.
pub struct Draft {
    pub id: AuditId,
    pub actor_kind: ActorKind,
    pub actor_id: Option<AccountId>,
    pub action: String,
    pub subject_kind: String,
    pub subject_id: Option<Uuid>,
    pub person_id: Option<Uuid>,
    /// A code of the server's own.
    pub reason: Option<String>,
    pub request_id: String,
    pub facts: String,
    pub origin: Origin,
    pub words: Words,
    pub created_at: Timestamp,
}

impl Draft {
    pub fn new(app: &App, facts: Option<&Facts>, event: Event<'_>) -> Self {
        let now = app.clock.now();
        let (actor_kind, actor_id) = match event.actor {
            Principal::Account(account) => (ActorKind::Account, Some(account)),
            Principal::Anonymous => (ActorKind::Anonymous, None),
            Principal::System => (ActorKind::System, None),
            Principal::Operator => (ActorKind::Operator, None),
        };
        // The server's reasons are codes; what people type may say anything of anyone.
        let (code, typed) = if actor_kind == ActorKind::System { (event.reason, None) } else { (None, event.reason) };
        Self {
            id: AuditId::new(now, &app.dice),
            actor_kind,
            actor_id,
            action: event.action.to_owned(),
            subject_kind: event.subject_kind.to_owned(),
            subject_id: event.subject,
            person_id: event.person,
            reason: code.map(str::to_owned),
            request_id: facts.map(|facts| request_id(app, facts)).unwrap_or_default(),
            facts: event.facts.to_string(),
            origin: facts.map(Origin::of).unwrap_or_default(),
            words: Words { reason: typed.map(str::to_owned), facts: event.private },
            created_at: now,
        }
    }

    /// Whose key seals where the call came from.
    fn origin_key(&self) -> Option<Uuid> {
        self.actor_id.map(Uuid::from).or(self.person_id).filter(|_| !self.origin.is_empty())
    }

    fn words_key(&self) -> Option<Uuid> {
        self.person_id.filter(|_| !self.words.is_empty())
    }

    fn seal(self, keys: &Keys, signer: &Signer, sequence: i64, previous_hash: Digest) -> Model {
        let sealed = |key: Option<Uuid>, part: Part, plain: Vec<u8>| {
            key.and_then(|key| keys.seal(key, &part.place(self.id), &plain))
        };
        let actor_sealed = sealed(self.origin_key(), Part::Origin, self.origin.to_json());
        let person_sealed = sealed(self.words_key(), Part::Words, self.words.to_json());
        let mut row = Model {
            id: self.id,
            sequence,
            actor_kind: self.actor_kind,
            actor_id: self.actor_id,
            action: self.action,
            subject_kind: self.subject_kind,
            subject_id: self.subject_id,
            person_id: self.person_id,
            reason: self.reason,
            request_id: self.request_id,
            facts: self.facts,
            actor_sealed,
            person_sealed,
            created_at: self.created_at,
            previous_hash,
            hash: previous_hash,
        };
        row.hash = signer.hash(&row);
        row
    }
}

fn request_id(app: &App, facts: &Facts) -> String {
    if facts.request_id_is_ours { facts.request_id.clone() } else { digest_of(app, &facts.request_id) }
}

/// What stands in the trail for a request id that a client chose: it may say anything of anyone, and the trail is never
/// erased. Who knows the id finds the row.
pub fn digest_of(app: &App, request_id: &str) -> String {
    if request_id.is_empty() {
        return String::new();
    }
    let digest = Digest::mac(&app.keys.derived("audit request id"), &[request_id.as_bytes()]);
    hex::encode(&digest.as_bytes()[..16])
}

/// Adds a row to what the transaction will append.
pub fn gather(tx: &WriteTx, app: &App, draft: Draft) {
    tx.gather(|trail: Option<Trail>| {
        let mut trail = trail.unwrap_or_else(|| Trail { app: app.clone(), drafts: Vec::new() });
        trail.drafts.push(draft);
        trail
    });
}

/// The rows of one transaction.
struct Trail {
    app: App,
    drafts: Vec<Draft>,
}

impl Trail {
    /// Everyone whose key is wanted, each once.
    fn subjects(&self) -> Vec<Uuid> {
        let wanted = self.drafts.iter().flat_map(|draft| [draft.origin_key(), draft.words_key()]).flatten();
        let mut subjects: Vec<Uuid> = wanted.collect();
        subjects.sort_unstable();
        subjects.dedup();
        subjects
    }
}

#[async_trait]
impl Closing for Trail {
    async fn close(self: Box<Self>, tx: &WriteTx) -> Result<(), DbErr> {
        let subjects = self.subjects();
        let count = i64::try_from(self.drafts.len()).unwrap_or(i64::MAX);
        let (end, wrapped) = store::update_head_taken(tx, count, &subjects).await?;
        let keys = subject::complete(tx, &self.app, subjects.into_iter().zip(wrapped).collect()).await?;
        let signer = Signer::new(&self.app.keys);
        let (mut sequence, mut previous) = (end.sequence, end.hash);
        let mut rows = Vec::with_capacity(self.drafts.len());
        for draft in self.drafts {
            sequence += 1;
            let row = draft.seal(&keys, &signer, sequence, previous);
            previous = row.hash;
            rows.push(row);
        }
        store::insert(tx, rows).await?;
        // A signature over what nobody signed would cover up for whoever made it: the end stays unsigned for ever.
        let mac = if signer.is_signed(end) { signer.sign(sequence, previous) } else { UNSIGNED };
        if mac == UNSIGNED {
            report_forgery(end.sequence);
        }
        store::update_head(tx, previous, mac).await
    }
}

/// Acts go on, but somebody should know.
fn report_forgery(sequence: i64) {
    static TOLD: Once = Once::new();
    metrics::counter!("backline_audit_unsigned_total").increment(1);
    TOLD.call_once(|| {
        tracing::error!(sequence, "the end of the audit trail is not the one that was signed: verify the trail");
    });
}
