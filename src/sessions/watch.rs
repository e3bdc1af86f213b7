//! Following one's own session: its end, other sign-ins, new roles, its expiry.
//!
//! The stream holds no connection and no transaction, and asks the database only when something happened: it is woken by
//! this process's signals, which repeat what [`super::follow_changes`] reads once a second for all watchers together.
//!
//! Sequences are times, in microseconds, moved on where two events meet. So a stream can be resumed on any instance, as
//! far as their clocks agree: what happened shortly before the given sequence is told again.

use std::{
    collections::{HashSet, VecDeque},
    pin::Pin,
    time::Duration,
};

use futures::{Stream, stream};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::Instant,
};
use tonic::Status;

use super::{Error, end::cause_name, store, wire};
use crate::{
    accounts,
    app::App,
    cache::{Signal, Watching},
    entity::{account, session},
    kernel::{Caller, Timestamp, ids::SessionId},
    pb::{self, watch_session_response::Event},
    rpc::{
        convert,
        watch::{HEARTBEAT, LOOK, Until},
    },
};

/// The person is told this long before the session ends by itself.
const NOTICE: Duration = Duration::from_mins(5);
/// How far the clocks of instances may be apart.
const SKEW: Duration = Duration::from_secs(5);

/// What a watcher receives.
pub type Watch = Pin<Box<dyn Stream<Item = Result<pb::WatchSessionResponse, Status>> + Send>>;

struct Watcher {
    app: App,
    caller: Caller,
    signals: Receiver<Signal>,
    _watching: Watching,
    until: Until,
    /// Of the last event made.
    sequence: i64,
    ready: VecDeque<pb::WatchSessionResponse>,
    heartbeat_at: Instant,
    /// As it was at the last look.
    session: session::Model,
    roles_version: i64,
    /// Sessions of the account that the watcher was told of, or knew.
    known: HashSet<SessionId>,
    /// The expiry that the watcher was told of.
    warned_of: Option<Timestamp>,
    over: bool,
}

/// Opens the stream: a snapshot and what follows it, or what follows `resume_after`. It ends cleanly, `until` says when.
///
/// # Errors
/// [`Error::NotFound`] for callers without a session of their own.
pub async fn open(app: App, caller: Caller, resume_after: i64, until: Until) -> Result<Watch, Error> {
    // Listening comes before reading, so that nothing falls between.
    let (signals, watching) = (app.cache.listen(), app.cache.watch_sessions());
    let seen = store::list_live_with_account(&app.db, caller.account).await?;
    let own = seen.iter().find(|(session, _)| session.id == caller.session).ok_or(Error::NotFound)?;
    let (session, roles_version) = (own.0.clone(), own.1.roles_version);
    let now = app.clock.now();
    let mut watcher = Watcher {
        app,
        signals,
        _watching: watching,
        until,
        sequence: resume_after,
        ready: VecDeque::new(),
        heartbeat_at: Instant::now() + HEARTBEAT,
        session,
        roles_version,
        known: HashSet::from([caller.session]),
        warned_of: None,
        over: false,
        caller,
    };
    watcher.begin(&seen, now);
    Ok(Box::pin(stream::unfold(Some(watcher), |state| async {
        let mut watcher = state?;
        match watcher.next().await {
            Ok(Some(event)) => Some((Ok(event), Some(watcher))),
            Ok(None) => None,
            Err(error) => Some((Err(error.into()), None)),
        }
    })))
}

impl Watcher {
    /// A sequence that was never reached is of no history of ours, and answered with a snapshot.
    fn begin(&mut self, seen: &[(session::Model, account::Model)], now: Timestamp) {
        let resumed = self.sequence > 0 && self.sequence <= (now + SKEW).micros();
        if !resumed {
            self.sequence = now.micros();
            self.known.extend(seen.iter().map(|(session, _)| session.id));
            let snapshot = Event::Snapshot(wire::session(&self.session, self.caller.session));
            self.ready.push_back(pb::WatchSessionResponse { sequence: self.sequence, event: Some(snapshot) });
            return;
        }
        let since = Timestamp::from_micros(self.sequence) - SKEW;
        let older = seen.iter().filter(|(session, _)| session.created_at < since);
        self.known.extend(older.map(|(session, _)| session.id));
        if seen.iter().any(|(_, account)| account.roles_changed_at.is_some_and(|at| at >= since)) {
            self.roles_version -= 1;
        }
        self.tell(seen);
    }

    async fn next(&mut self) -> Result<Option<pb::WatchSessionResponse>, Error> {
        loop {
            if let Some(revoked) = self.app.cache.revoked(self.caller.session) {
                self.end(revoked.cause);
            }
            if let Some(event) = self.ready.pop_front() {
                self.heartbeat_at = Instant::now() + HEARTBEAT;
                return Ok(Some(event));
            }
            if self.over || self.until.is_over() {
                return Ok(None);
            }
            if Instant::now() >= self.heartbeat_at {
                let server_time = Some(convert::timestamp(self.app.clock.now()));
                let event = Some(Event::Heartbeat(pb::Heartbeat { server_time }));
                self.ready.push_back(pb::WatchSessionResponse { sequence: self.sequence, event });
                continue;
            }
            if self.wait().await {
                self.look().await?;
            }
            self.mind_expiry().await?;
        }
    }

    /// Until it is time for something. `true` if the database has something new.
    async fn wait(&mut self) -> bool {
        let until = (Instant::now() + LOOK).min(self.heartbeat_at).min(self.until.at);
        let closing = self.until.closing.clone();
        let account = self.caller.account;
        let signalled = async {
            loop {
                match self.signals.recv().await {
                    Ok(Signal::SessionOpened(of) | Signal::RolesChanged(of)) if of == account => return true,
                    Ok(Signal::SessionEnded(id)) if id == self.caller.session => return false,
                    Ok(Signal::Missed) | Err(RecvError::Lagged(_)) => return true,
                    Ok(_) => {}
                    // Nobody will signal any more; the stream ends with its server.
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            look = signalled => look,
            () = closing.cancelled() => false,
            () = tokio::time::sleep_until(until) => false,
        }
    }

    /// Reads the account's live sessions and tells what is new.
    async fn look(&mut self) -> Result<(), Error> {
        let seen = store::list_live_with_account(&self.app.db, self.caller.account).await?;
        if !seen.iter().any(|(session, _)| session.id == self.caller.session) {
            let ended = store::find_of(&self.app.db, self.caller.account, self.caller.session).await?;
            self.end(ended.and_then(|session| session.end_cause).map_or("expired", cause_name));
        }
        self.tell(&seen);
        Ok(())
    }

    fn tell(&mut self, seen: &[(session::Model, account::Model)]) {
        // Newest first as read, oldest first as told.
        for (session, account) in seen.iter().rev() {
            if session.id == self.caller.session {
                self.session.clone_from(session);
            }
            if self.known.insert(session.id) {
                self.push(Event::Opened(wire::session(session, self.caller.session)));
            }
            if account.roles_version > self.roles_version {
                self.roles_version = account.roles_version;
                self.push(Event::RolesChanged(pb::RolesChanged { roles: accounts::proto(account).roles }));
            }
        }
    }

    /// Warns once of each expiry, and ends with it. A refresh may have put it off, so the row is read first.
    async fn mind_expiry(&mut self) -> Result<(), Error> {
        let now = self.app.clock.now();
        let expiry = self.expiry();
        let due = expiry.since(now) <= NOTICE && (expiry <= now || self.warned_of != Some(expiry));
        if self.over || !due {
            return Ok(());
        }
        self.look().await?;
        let expiry = self.expiry();
        if expiry <= now {
            self.end("expired");
        } else if expiry.since(now) <= NOTICE && self.warned_of != Some(expiry) {
            self.warned_of = Some(expiry);
            self.push(Event::Expiring(pb::SessionExpiring {
                expire_time: Some(convert::timestamp(expiry)),
                refreshable: expiry < self.session.absolute_expires_at,
            }));
        }
        Ok(())
    }

    fn expiry(&self) -> Timestamp {
        self.session.idle_expires_at.min(self.session.absolute_expires_at)
    }

    fn end(&mut self, cause: &str) {
        if !std::mem::replace(&mut self.over, true) {
            self.push(Event::Ended(pb::SessionEnded { cause: cause.to_owned() }));
        }
    }

    fn push(&mut self, event: Event) {
        if self.over && !matches!(event, Event::Ended(_)) {
            return;
        }
        self.sequence = (self.sequence + 1).max(self.app.clock.now().micros());
        self.ready.push_back(pb::WatchSessionResponse { sequence: self.sequence, event: Some(event) });
    }
}
