//! What instances tell each other, and may forget: ended sessions, changed roles, wake-ups for watchers.
//!
//! Today everything lives in this process; Redis will stand behind the same type. The database stays the truth, and no
//! access token is verified by asking the cache's other side: sets are read from the database each second as well (see
//! [`crate::sessions`]), the cache only makes it faster.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;
use tokio::sync::broadcast;

use crate::kernel::{
    Roles, Timestamp,
    ids::{AccountId, JobId, SessionId, SubmissionId},
};

/// Something that others may be waiting for. Thin: whoever cares reads the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A job can be run now.
    JobEnqueued(JobId),
    /// A submission changed; watchers read its history.
    SubmissionChanged(SubmissionId),
}

/// How many signals a slow listener may lag behind before it is told to look for itself.
const BACKLOG: usize = 1024;

/// Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Cache {
    signals: broadcast::Sender<Signal>,
    revoked: Arc<RwLock<HashMap<SessionId, Revoked>>>,
    roles: Arc<RwLock<HashMap<AccountId, CurrentRoles>>>,
}

/// Why and when a session ended.
#[derive(Clone, Copy, Debug)]
pub struct Revoked {
    pub cause: &'static str,
    pub at: Timestamp,
}

/// Roles that are newer than some access tokens.
#[derive(Clone, Copy, Debug)]
pub struct CurrentRoles {
    pub version: i64,
    pub roles: Roles,
    pub at: Timestamp,
}

impl Cache {
    pub fn in_process() -> Self {
        let (signals, _) = broadcast::channel(BACKLOG);
        Self { signals, revoked: Arc::default(), roles: Arc::default() }
    }

    /// Tells whoever listens. Nobody listening is fine.
    pub fn signal(&self, signal: Signal) {
        drop(self.signals.send(signal));
    }

    pub fn listen(&self) -> broadcast::Receiver<Signal> {
        self.signals.subscribe()
    }

    /// Access tokens of this session are refused from now on.
    pub fn revoke(&self, session: SessionId, revoked: Revoked) {
        self.revoked.write().entry(session).or_insert(revoked);
    }

    pub fn revoked(&self, session: SessionId) -> Option<Revoked> {
        self.revoked.read().get(&session).copied()
    }

    /// Access tokens with older roles of this account are read with these.
    pub fn set_roles(&self, account: AccountId, current: CurrentRoles) {
        let mut roles = self.roles.write();
        let known = roles.entry(account).or_insert(current);
        if known.version < current.version {
            *known = current;
        }
    }

    pub fn roles(&self, account: AccountId) -> Option<CurrentRoles> {
        self.roles.read().get(&account).copied()
    }

    /// Forgets what happened before `horizon`: no access token is that old any more.
    pub fn forget_before(&self, horizon: Timestamp) {
        self.revoked.write().retain(|_, revoked| revoked.at >= horizon);
        self.roles.write().retain(|_, current| current.at >= horizon);
    }
}
