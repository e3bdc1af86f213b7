//! What instances tell each other, and may forget: ended sessions, changed roles, wake-ups for watchers, counts of calls.
//!
//! Today everything lives in this process; Redis will stand behind the same type. The database stays the truth, and no
//! access token is verified by asking the cache's other side: sets are read from the database each second as well (see
//! [`crate::sessions`]), the cache only makes it faster.

mod halves;
mod windows;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::RwLock;
use tokio::sync::broadcast;

use self::windows::Windows;
pub use self::{
    halves::Halves,
    windows::{Limit, Pool},
};
use crate::kernel::{
    Digest, Roles, Timestamp,
    ids::{AccountId, JobId, SessionId, SubmissionId},
};

/// Something that others may be waiting for. Thin: whoever cares reads the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A job can be run now.
    JobEnqueued(JobId),
    /// A submission changed; watchers read its history.
    SubmissionChanged(SubmissionId),
    /// Somebody signed in to this account.
    SessionOpened(AccountId),
    /// A session is over.
    SessionEnded(SessionId),
    /// An account may do more or less than before.
    RolesChanged(AccountId),
}

/// How many signals a slow listener may lag behind before it is told to look for itself.
const BACKLOG: usize = 1024;

/// Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Cache {
    signals: broadcast::Sender<Signal>,
    /// Sessions that were signalled as opened, and when, so that each is signalled once.
    opened: Arc<RwLock<HashMap<SessionId, Timestamp>>>,
    watchers: Arc<AtomicUsize>,
    windows: Windows,
    revoked: Arc<RwLock<HashMap<SessionId, Revoked>>>,
    roles: Arc<RwLock<HashMap<AccountId, CurrentRoles>>>,
}

/// Why and when a session ended.
#[derive(Clone, Copy, Debug)]
pub struct Revoked {
    pub cause: &'static str,
    pub at: Timestamp,
}

/// Somebody wants to hear of sessions that are opened, until this is dropped.
#[derive(Debug)]
pub struct Watching(Arc<AtomicUsize>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
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
        Self {
            signals,
            opened: Arc::default(),
            watchers: Arc::default(),
            windows: Windows::default(),
            revoked: Arc::default(),
            roles: Arc::default(),
        }
    }

    /// Tells whoever listens. Nobody listening is fine.
    pub fn signal(&self, signal: Signal) {
        drop(self.signals.send(signal));
    }

    pub fn listen(&self) -> broadcast::Receiver<Signal> {
        self.signals.subscribe()
    }

    /// Counts one more under `key` in a sliding window, or says after which time there is room. Calls at the same
    /// moment are counted one after the other.
    ///
    /// # Errors
    /// How long to wait; nothing was counted.
    #[expect(clippy::unused_async, reason = "a shared cache will be asked over the network")]
    pub async fn take(&self, pool: Pool, key: &Digest, limit: Limit, now: Timestamp) -> Result<u32, Duration> {
        self.windows.take(pool, key, limit, now)
    }

    /// Signals a session that was opened; each only once.
    pub fn opened(&self, account: AccountId, session: SessionId, at: Timestamp) {
        if self.opened.write().insert(session, at).is_none() {
            self.signal(Signal::SessionOpened(account));
        }
    }

    /// Counts a watcher of sessions, for as long as the returned value lives.
    pub fn watch_sessions(&self) -> Watching {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        Watching(Arc::clone(&self.watchers))
    }

    /// Whether anybody here wants to hear of sessions that other instances open.
    pub fn has_session_watchers(&self) -> bool {
        self.watchers.load(Ordering::Relaxed) > 0
    }

    /// Access tokens of this session are refused from now on.
    pub fn revoke(&self, session: SessionId, revoked: Revoked) {
        let news = {
            let mut all = self.revoked.write();
            let news = !all.contains_key(&session);
            all.entry(session).or_insert(revoked);
            news
        };
        if news {
            self.signal(Signal::SessionEnded(session));
        }
    }

    pub fn revoked(&self, session: SessionId) -> Option<Revoked> {
        self.revoked.read().get(&session).copied()
    }

    /// Access tokens with older roles of this account are read with these.
    pub fn set_roles(&self, account: AccountId, current: CurrentRoles) {
        let news = {
            let mut roles = self.roles.write();
            let news = roles.get(&account).is_none_or(|known| known.version < current.version);
            if news {
                roles.insert(account, current);
            }
            news
        };
        if news {
            self.signal(Signal::RolesChanged(account));
        }
    }

    pub fn roles(&self, account: AccountId) -> Option<CurrentRoles> {
        self.roles.read().get(&account).copied()
    }

    /// Forgets what happened before `horizon`: no access token is that old any more.
    pub fn forget_before(&self, horizon: Timestamp) {
        self.opened.write().retain(|_, at| *at >= horizon);
        self.revoked.write().retain(|_, revoked| revoked.at >= horizon);
        self.roles.write().retain(|_, current| current.at >= horizon);
    }
}
