//! One command at a time: how long it may take, what it counts, and when it is not sent at all.

use std::{
    future::Future,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use fred::prelude::{Client, ClientLike, Error, LuaInterface, Options, Pool, PubsubInterface};
use tokio::time::{Instant, timeout_at};

use super::breaker::{Breaker, Outcome};
use crate::{
    cache::Limit,
    kernel::{Digest, deadline},
};

const TAKE: &str = include_str!("take.lua");
/// Slots that a window is cut into, as in one process.
const SLOTS: u128 = 32;

/// Redis was not asked, or did not answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cache) struct Away;

/// The connections for commands.
pub(super) struct Link {
    pub pool: Pool,
    pub breaker: Breaker,
    pub prefix: String,
    pub channel: String,
    take: fred::types::scripts::Script,
    timeout: Duration,
    round_trips: AtomicU64,
}

/// Where news are told.
pub(super) fn channel(prefix: &str) -> String {
    format!("{prefix}:news")
}

impl Link {
    pub fn new(pool: Pool, prefix: &str, timeout: Duration) -> Self {
        Self {
            pool,
            breaker: Breaker::open(),
            prefix: prefix.to_owned(),
            channel: channel(prefix),
            take: fred::types::scripts::Script::from_lua(TAKE),
            timeout,
            round_trips: AtomicU64::new(0),
        }
    }

    /// Commands that calls waited for, so far.
    pub fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// Counts one more under `key`, or says how long to wait.
    pub async fn take(&self, key: &Digest, limit: Limit) -> Result<Result<u32, Duration>, Away> {
        if !self.breaker.is_closed() {
            count("window", "skipped");
            return Err(Away);
        }
        let (counted, number) = self.ask("window", self.run_take(self.pool.next_connected(), key, limit)).await?;
        Ok(if counted == 1 {
            Ok(u32::try_from(number).unwrap_or(u32::MAX))
        } else {
            Err(Duration::from_micros(u64::try_from(number).unwrap_or(0)))
        })
    }

    /// Redis forgets scripts when it restarts: then the text itself is sent, once.
    pub async fn run_take(&self, client: &Client, key: &Digest, limit: Limit) -> Result<(i64, i64), Error> {
        let client = client.with_options(&self.options());
        let width = (limit.window.as_micros() / SLOTS).max(1);
        let key = format!("{}:window:{{{}}}", self.prefix, hex::encode(&key.as_bytes()[..16]));
        let numbers = || vec![limit.most.to_string(), width.to_string()];
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        match client.evalsha(self.take.sha1().clone(), key.clone(), numbers()).await {
            Err(error) if error.details().starts_with("NOSCRIPT") => {
                self.round_trips.fetch_add(1, Ordering::Relaxed);
                client.eval(TAKE, key, numbers()).await
            }
            outcome => outcome,
        }
    }

    /// Tells every instance. While Redis is away only whoever is `trying` asks, now and then.
    pub async fn publish(&self, message: Vec<u8>, trying: bool) -> Result<(), Away> {
        let may = if trying { self.breaker.may_try() } else { self.breaker.is_closed() };
        if !may {
            count("publish", "skipped");
            return Err(Away);
        }
        // Always the same connection: others could overtake.
        let client = self.pool.clients()[0].with_options(&self.options());
        self.ask("publish", client.publish::<i64, _, _>(self.channel.clone(), message.as_slice())).await.map(drop)
    }

    /// Nothing waits for a connection, and nothing is sent twice.
    fn options(&self) -> Options {
        Options { fail_fast: true, max_attempts: Some(1), timeout: Some(self.timeout), ..Options::default() }
    }

    async fn ask<T>(&self, command: &'static str, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Away> {
        let begun = Instant::now();
        let until = deadline::within(self.timeout);
        let answer = timeout_at(until, answer).await;
        let impatient = until < begun + self.timeout;
        metrics::histogram!("backline_redis_command_duration_seconds", "command" => command)
            .record(begun.elapsed().as_secs_f64());
        let (outcome, name) = match &answer {
            Ok(Ok(_)) => (Some(Outcome::Answered), "answered"),
            Ok(Err(error)) if *error.kind() == fred::error::ErrorKind::Timeout => {
                (Some(Outcome::TimedOut), "timed_out")
            }
            Ok(Err(_)) => (Some(Outcome::Failed), "failed"),
            // The caller had less time than Redis is given: that says nothing of Redis.
            Err(_) if impatient => (None, "abandoned"),
            Err(_) => (Some(Outcome::TimedOut), "timed_out"),
        };
        count(command, name);
        if let Ok(Err(error)) = &answer {
            tracing::debug!(%error, command, "Redis did not do it");
        }
        if let Some(is_open) = outcome.and_then(|outcome| self.breaker.note(outcome)) {
            metrics::gauge!("backline_redis_breaker_open").set(f64::from(u8::from(is_open)));
        }
        answer.map_err(|_| Away)?.map_err(|_| Away)
    }
}

fn count(command: &'static str, outcome: &'static str) {
    metrics::counter!("backline_redis_commands_total", "command" => command, "outcome" => outcome).increment(1);
}
