//! What instances share through Redis: windows, and news of what changed.
//!
//! Redis is never the truth and on no path that cannot do without it. It promises that
//!
//! - no call waits longer for it than `redis.command_timeout`, nor than the call's own deadline, and a Redis that hangs is
//!   felt by the calls of one moment only (`breaker`);
//! - telling never waits: news that do not fit into the queue are dropped and counted, and make the others look for
//!   themselves (`fanout`);
//! - nothing personal lies in it: keys are keyed hashes, news hold ids and end with their delivery.
//!
//! Single servers, Sentinel and Cluster are the library's business; each command touches one key. Redis 5 or newer: the
//! script writes after it asked the time.

mod breaker;
mod connect;
mod fanout;
mod link;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::connect::ConnectError;
use self::{
    fanout::{Fanout, Order, QUEUE},
    link::{Away, Link},
};
use super::{Limit, News, known::Known};
use crate::{
    config::RedisConfig,
    kernel::{Dice, Digest},
};

/// How long the start waits for its own first beat, of a Redis that is there.
const FIRST_BEAT: Duration = Duration::from_secs(2);
/// How long the end waits for what is still to be told.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What hangs on Redis. Connections and tasks end when it is dropped.
pub(super) struct Redis {
    link: Arc<Link>,
    fanout: Arc<Fanout>,
    orders: mpsc::Sender<Order>,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redis")
    }
}

impl Redis {
    /// Connects, or goes on trying in the background. `None` if there is none to connect to.
    ///
    /// # Errors
    /// When it refuses us.
    pub async fn connect(
        config: &RedisConfig,
        key: [u8; 32],
        dice: &Dice,
        known: &Known,
    ) -> Result<Option<Self>, ConnectError> {
        let Some(parsed) = connect::parse(config)? else { return Ok(None) };
        let is_there = connect::probe(parsed.clone(), config).await?;
        let clients = connect::clients(parsed, config)?;
        let stop = CancellationToken::new();
        connect::keep(clients.pool.clone(), stop.clone());
        connect::keep(clients.subscriber.clone(), stop.clone());
        if is_there {
            connect::until_open(&clients, &link::channel(&config.prefix)).await;
        }
        let link = Arc::new(Link::new(clients.pool, &config.prefix, config.command_timeout));
        let fanout = Arc::new(Fanout::new(key, u64::from_le_bytes(dice.bytes())));
        let (orders, queue) = mpsc::channel(QUEUE);
        let listener = Arc::clone(&fanout).listen(Arc::clone(&link), clients.subscriber, known.clone(), stop.clone());
        tokio::spawn(listener);
        tokio::spawn(Arc::clone(&fanout).publish(Arc::clone(&link), queue, stop.clone()));
        if is_there {
            drop(timeout(FIRST_BEAT, fanout.first_heard.notified()).await);
        }
        Ok(Some(Self { link, fanout, orders, _stop_on_drop: stop.clone().drop_guard(), stop }))
    }

    /// Whether commands are answered and news heard.
    pub fn is_up(&self) -> bool {
        self.link.breaker.is_closed() && self.fanout.hears()
    }

    pub async fn take(&self, key: &Digest, limit: Limit) -> Result<Result<u32, Duration>, Away> {
        self.link.take(key, limit).await
    }

    /// What one instance lets through while none can ask: its share, so that all together at most double the limit.
    /// With less than one each, everybody keeps one.
    pub fn share(&self, limit: Limit) -> Limit {
        metrics::counter!("backline_redis_fallbacks_total").increment(1);
        Limit { most: (limit.most / self.fanout.instances().max(2)).max(1), ..limit }
    }

    /// Tells the other instances, soon.
    pub fn tell(&self, news: News) {
        if self.orders.try_send(Order::Tell(news)).is_err() {
            self.fanout.drop_one();
        }
    }

    pub fn round_trips(&self) -> u64 {
        self.link.round_trips()
    }

    /// Waits, not for long, until everything is told, and lets the connections go.
    pub async fn close(&self) {
        let (done, told) = oneshot::channel();
        let flush = async {
            if self.orders.send(Order::Flush(done)).await.is_ok() {
                drop(told.await);
            }
        };
        drop(timeout(LAST_WORDS, flush).await);
        self.stop.cancel();
    }
}
