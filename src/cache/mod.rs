//! What instances tell each other, and may forget: ended sessions, changed roles, wake-ups for watchers, counts of calls,
//! rows that everybody reads.
//!
//! Without `redis.url` everything lives in this process; with it, instances share windows and news through Redis. It
//! promises that
//!
//! - the database stays the truth, and no access token is verified by asking Redis: the sets are read from the database
//!   each second as well (see [`crate::sessions`]), the cache only makes it faster;
//! - a limit holds exactly over all instances while Redis answers; while it does not, each lets through a share of it;
//! - rows are kept only while Redis answers, because without it nobody here would hear of another's change;
//! - spent challenges are not here: that each is taken once is the database's to know ([`crate::challenges`]).

mod halves;
mod hot;
mod known;
mod news;
mod redis;
mod windows;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::broadcast;

#[cfg(test)]
pub(crate) use self::news::CAUSES;
pub use self::{
    halves::Halves,
    hot::Ticket,
    news::{Cause, News, Row},
    redis::ConnectError,
    windows::{Limit, Pool},
};
use self::{known::Known, redis::Redis, windows::Windows};
use crate::{
    config::RedisConfig,
    kernel::{
        Dice, Digest, Roles, Timestamp,
        ids::{AccountId, JobId, SessionId, SubmissionId},
    },
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
    /// Other instances may have told something that was lost on its way: look for yourself.
    Missed,
}

/// Changed rows that are named one by one; of more it is only told that there are many.
const NAMED_ROWS: usize = 64;

/// Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Cache {
    known: Known,
    windows: Windows,
    redis: Option<Arc<Redis>>,
}

/// Whether instances share what they know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// There is no Redis in the settings.
    NotConfigured,
    Up,
    /// It does not answer, or its news are not heard.
    Away,
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
    /// Alone: without Redis.
    pub fn in_process() -> Self {
        Self { known: Known::default(), windows: Windows::default(), redis: None }
    }

    /// With the Redis of the settings, if they name one. One that is away is waited for in the background. `key` is
    /// known to all instances and nobody else.
    ///
    /// # Errors
    /// When Redis refuses the user, the password, or the kind of connection.
    pub async fn connect(config: &RedisConfig, key: [u8; 32], dice: &Dice) -> Result<Self, ConnectError> {
        let alone = Self::in_process();
        // In a box, as below: the library's futures are large.
        let redis = Box::pin(Redis::connect(config, key, dice, &alone.known)).await?;
        Ok(Self { redis: redis.map(Arc::new), ..alone })
    }

    /// Whether Redis is there, right now.
    pub fn shared(&self) -> Shared {
        match &self.redis {
            None => Shared::NotConfigured,
            Some(redis) if redis.is_up() => Shared::Up,
            Some(_) => Shared::Away,
        }
    }

    /// Commands that calls waited for Redis to answer, so far.
    pub fn round_trips(&self) -> u64 {
        self.redis.as_ref().map_or(0, |redis| redis.round_trips())
    }

    /// Waits, a second at most, until the other instances are told everything. Redis is not asked afterwards.
    pub async fn close(&self) {
        if let Some(redis) = &self.redis {
            redis.close().await;
        }
    }

    /// Tells whoever listens, here and on other instances. Nobody listening is fine.
    pub fn signal(&self, signal: Signal) {
        match News::try_from(signal) {
            Ok(news) => self.tell(news),
            Err(()) => self.known.signal(signal),
        }
    }

    /// Applies news of this instance, and tells the others. To be called once what they say is durable.
    pub fn tell(&self, news: News) {
        self.known.learn(news);
        if let Some(redis) = &self.redis {
            redis.tell(news);
        }
    }

    /// Applies what the database says; the others read it as well.
    pub fn learn(&self, news: News) {
        self.known.learn(news);
    }

    pub fn listen(&self) -> broadcast::Receiver<Signal> {
        self.known.listen()
    }

    /// Counts one more under `key` in a sliding window, or says after which time there is room. Calls at the same
    /// moment are counted one after the other, on all instances together. Redis goes by its own clock, not by `now`.
    ///
    /// # Errors
    /// How long to wait; nothing was counted.
    pub async fn take(&self, pool: Pool, key: &Digest, limit: Limit, now: Timestamp) -> Result<u32, Duration> {
        let Some(redis) = &self.redis else { return self.windows.take(pool, key, limit, now) };
        match Box::pin(redis.take(key, limit)).await {
            Ok(outcome) => outcome,
            Err(_) => self.windows.take(pool, key, redis.share(limit), now),
        }
    }

    /// Signals a session that was opened; each only once.
    pub fn opened(&self, account: AccountId, session: SessionId, at: Timestamp) {
        self.tell(News::SessionOpened { account, session, at });
    }

    /// Counts a watcher of sessions, for as long as the returned value lives.
    pub fn watch_sessions(&self) -> Watching {
        self.known.watchers.fetch_add(1, Ordering::Relaxed);
        Watching(Arc::clone(&self.known.watchers))
    }

    /// Whether anybody here wants to hear of sessions that other instances open.
    pub fn has_session_watchers(&self) -> bool {
        self.known.watchers.load(Ordering::Relaxed) > 0
    }

    /// Access tokens of this session are refused from now on.
    pub fn revoke(&self, session: SessionId, revoked: Revoked) {
        self.tell(News::ended(session, revoked));
    }

    pub fn revoked(&self, session: SessionId) -> Option<Revoked> {
        self.known.revoked.read().get(&session).copied()
    }

    /// Access tokens with older roles of this account are read with these.
    pub fn set_roles(&self, account: AccountId, current: CurrentRoles) {
        self.tell(News::roles(account, current));
    }

    pub fn roles(&self, account: AccountId) -> Option<CurrentRoles> {
        self.known.roles.read().get(&account).copied()
    }

    /// A row that was kept and is as it was; else a ticket, to be taken *before* the row is read from the database.
    ///
    /// # Errors
    /// The ticket.
    pub fn recall<T: Send + Sync + 'static>(&self, row: Row) -> Result<Arc<T>, Ticket> {
        if self.shared() == Shared::Up { self.known.hot.recall(row) } else { Err(Ticket::void(row)) }
    }

    /// Keeps a row that everybody may read, unless it changed since `ticket` was given.
    pub fn keep<T: Send + Sync + 'static>(&self, ticket: &Ticket, value: &Arc<T>) {
        self.known.hot.keep(ticket, Arc::clone(value));
    }

    /// These rows are no longer as they were. To be called once that is durable.
    pub fn forget(&self, rows: &[Row]) {
        if rows.len() > NAMED_ROWS {
            self.tell(News::RowsChanged);
        } else {
            for row in rows {
                self.tell(News::RowChanged { row: *row });
            }
        }
    }

    /// Forgets what happened before `horizon`: no access token is that old any more.
    pub fn forget_before(&self, horizon: Timestamp) {
        self.known.forget_before(horizon);
    }
}
