//! What this process knows of the others and of itself, and whom it tells.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::RwLock;
use tokio::sync::broadcast;

use super::{CurrentRoles, News, Revoked, Signal, hot::Hot};
use crate::kernel::{
    Timestamp,
    ids::{AccountId, SessionId},
};

/// How many signals a slow listener may lag behind before it is told to look for itself.
const BACKLOG: usize = 1024;

/// Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(super) struct Known {
    signals: broadcast::Sender<Signal>,
    /// Sessions that were signalled as opened, and when, so that each is signalled once.
    opened: Arc<RwLock<HashMap<SessionId, Timestamp>>>,
    pub watchers: Arc<AtomicUsize>,
    pub revoked: Arc<RwLock<HashMap<SessionId, Revoked>>>,
    pub roles: Arc<RwLock<HashMap<AccountId, CurrentRoles>>>,
    pub hot: Arc<Hot>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            signals: broadcast::channel(BACKLOG).0,
            opened: Arc::default(),
            watchers: Arc::default(),
            revoked: Arc::default(),
            roles: Arc::default(),
            hot: Arc::default(),
        }
    }
}

impl Known {
    pub fn signal(&self, signal: Signal) {
        drop(self.signals.send(signal));
    }

    pub fn listen(&self) -> broadcast::Receiver<Signal> {
        self.signals.subscribe()
    }

    /// Applies news, whoever they come from, and wakes whom they concern. What is known already wakes nobody.
    pub fn learn(&self, news: News) {
        match news {
            News::JobEnqueued { job } => self.signal(Signal::JobEnqueued(job)),
            News::SubmissionChanged { submission } => self.signal(Signal::SubmissionChanged(submission)),
            News::SessionOpened { account, session, at } => {
                if self.opened.write().insert(session, at).is_none() {
                    self.signal(Signal::SessionOpened(account));
                }
            }
            News::SessionEnded { session, cause, at } => {
                if self.is_new_end(session, Revoked { cause: cause.0, at }) {
                    self.signal(Signal::SessionEnded(session));
                }
            }
            News::RolesChanged { account, version, roles, at } => {
                if self.are_newer_roles(account, CurrentRoles { version, roles, at }) {
                    self.signal(Signal::RolesChanged(account));
                }
            }
            News::RowChanged { row } => self.hot.forget(row),
            News::RowsChanged => self.hot.forget_all(),
        }
    }

    /// As [`Known::learn`], of another instance. It may open thousands of sessions that nobody here asks about.
    pub fn hear(&self, news: News) {
        if matches!(news, News::SessionOpened { .. }) && self.watchers.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.learn(news);
    }

    /// Something may have happened that nobody told us.
    pub fn missed(&self) {
        self.hot.forget_all();
        self.signal(Signal::Missed);
    }

    fn is_new_end(&self, session: SessionId, revoked: Revoked) -> bool {
        let mut all = self.revoked.write();
        let news = !all.contains_key(&session);
        all.entry(session).or_insert(revoked);
        news
    }

    fn are_newer_roles(&self, account: AccountId, current: CurrentRoles) -> bool {
        let mut roles = self.roles.write();
        let news = roles.get(&account).is_none_or(|known| known.version < current.version);
        if news {
            roles.insert(account, current);
        }
        news
    }

    /// Forgets what happened before `horizon`: no access token is that old any more.
    pub fn forget_before(&self, horizon: Timestamp) {
        self.opened.write().retain(|_, at| *at >= horizon);
        self.revoked.write().retain(|_, revoked| revoked.at >= horizon);
        self.roles.write().retain(|_, current| current.at >= horizon);
    }
}
