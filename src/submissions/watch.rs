//! Following one submission.
//!
//! The stream holds no connection and no transaction: each look is one statement. It is woken by this process's own
//! signal and looks each second as well, because the change may have been made by another instance.

use std::{collections::VecDeque, pin::Pin};

use futures::{Stream, stream};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::Instant,
};
use tonic::Status;

use super::{Error, read, store, wire};
use crate::{
    app::App,
    cache::Signal,
    kernel::ids::SubmissionId,
    pb::{self, watch_submission_response::Event},
    rpc::{
        auth::Standing,
        convert,
        watch::{HEARTBEAT, LOOK, Until},
    },
};

/// Changes read at once.
const BATCH: u64 = 100;

/// What a watcher receives.
pub type Watch = Pin<Box<dyn Stream<Item = Result<pb::WatchSubmissionResponse, Status>> + Send>>;

struct Watcher {
    app: App,
    standing: Standing,
    submission: SubmissionId,
    signals: Receiver<Signal>,
    /// Of the last event sent.
    sequence: i64,
    ready: VecDeque<pb::WatchSubmissionResponse>,
    heartbeat_at: Instant,
    until: Until,
}

/// Opens the stream: a snapshot and what follows it, or what follows `resume_after`. It ends cleanly, `until` says when.
///
/// A sequence that was never reached is answered with a snapshot, too: it is of no history of ours.
///
/// # Errors
/// [`Error::NotFound`] for those who may not see the submission.
pub async fn open(
    app: App,
    standing: Standing,
    submission: SubmissionId,
    resume_after: i64,
    until: Until,
) -> Result<Watch, Error> {
    // Listening comes before reading, so that no change falls between.
    let signals = app.cache.listen();
    let now = read::get(&app, standing.caller(), submission).await?.submission;
    let mut watcher = Watcher {
        app,
        standing,
        submission,
        signals,
        sequence: resume_after,
        ready: VecDeque::new(),
        heartbeat_at: Instant::now() + HEARTBEAT,
        until,
    };
    if resume_after == 0 || resume_after > now.sequence {
        watcher.sequence = now.sequence;
        watcher.ready.push_back(event(now.sequence, Event::Snapshot(wire::proto(&now))));
    } else {
        watcher.look().await?;
    }
    Ok(Box::pin(stream::unfold(Some(watcher), |state| async {
        let mut watcher = state?;
        match watcher.next().await {
            Ok(Some(event)) => Some((Ok(event), Some(watcher))),
            Ok(None) => None,
            Err(status) => Some((Err(status), None)),
        }
    })))
}

impl Watcher {
    async fn next(&mut self) -> Result<Option<pb::WatchSubmissionResponse>, Status> {
        loop {
            self.standing.check().await?;
            if let Some(event) = self.ready.pop_front() {
                self.heartbeat_at = Instant::now() + HEARTBEAT;
                return Ok(Some(event));
            }
            if self.until.is_over() {
                return Ok(None);
            }
            if Instant::now() >= self.heartbeat_at {
                let server_time = Some(convert::timestamp(self.app.clock.now()));
                self.ready.push_back(event(self.sequence, Event::Heartbeat(pb::Heartbeat { server_time })));
                continue;
            }
            self.wait().await;
            // Whoever may see it has perhaps changed meanwhile.
            self.standing.check().await?;
            self.look().await?;
        }
    }

    /// Until this submission may have changed, or it is time for something else.
    async fn wait(&mut self) {
        let until = (Instant::now() + LOOK).min(self.heartbeat_at).min(self.until.at);
        let closing = self.until.closing.clone();
        let signalled = async {
            loop {
                match self.signals.recv().await {
                    Ok(Signal::SubmissionChanged(id)) if id == self.submission => return,
                    Ok(Signal::Missed) | Err(RecvError::Lagged(_)) => return,
                    Ok(_) => {}
                    // Nobody will signal any more; the look each second remains.
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            () = signalled => {}
            () = closing.cancelled() => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }

    async fn look(&mut self) -> Result<(), Error> {
        let rows = store::list_history(&self.app.db, self.submission, self.sequence, BATCH).await?;
        if !rows.is_empty() {
            read::get(&self.app, self.standing.caller(), self.submission).await?;
        }
        for row in rows {
            self.sequence = row.sequence;
            self.ready.push_back(event(row.sequence, Event::Change(wire::change(&row))));
        }
        Ok(())
    }
}

fn event(sequence: i64, event: Event) -> pb::WatchSubmissionResponse {
    pb::WatchSubmissionResponse { sequence, event: Some(event) }
}
