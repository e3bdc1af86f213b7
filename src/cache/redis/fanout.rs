//! News on their way: out by a bounded queue and one publisher, in by one listener.
//!
//! Every message is numbered by its instance and sealed with a key that all instances share, so that nobody else who can
//! reach Redis makes an administrator. A beat goes out twice a second and comes back: it proves the way there and back,
//! tries a Redis that was away, and lets the others notice a number that they never got. What was missed makes listeners
//! look for themselves.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use fred::{
    clients::SubscriberClient,
    interfaces::{EventInterface, PubsubInterface},
    prelude::ClientLike,
};
use futures::future::join_all;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Notify, broadcast::error::RecvError, mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::link::Link;
use crate::{
    cache::{News, known::Known},
    kernel::Digest,
};

/// How often a beat goes out.
const BEAT: Duration = Duration::from_millis(500);
/// Without its own beat for this long an instance is cut off.
const CUT_OFF: Duration = Duration::from_secs(2);
/// How long an instance counts that is not heard of.
const GONE: Duration = Duration::from_secs(10);
/// News that may wait to be sent.
pub(super) const QUEUE: usize = 4096;
/// Messages under way at once.
const BATCH: usize = 64;
const SEAL: usize = 32;

/// What the publisher is asked for.
pub(super) enum Order {
    Tell(News),
    /// To say when all that was ordered before is sent, or lost.
    Flush(oneshot::Sender<()>),
}

/// One message, after its seal.
#[derive(Serialize, Deserialize)]
struct Message {
    /// Which instance.
    from: u64,
    /// Of the message, counted by its instance.
    number: u64,
    /// A beat has none. Kept loose: a newer release may tell what we cannot read.
    news: Option<serde_json::Value>,
}

/// What both directions share.
pub(super) struct Fanout {
    key: [u8; 32],
    /// This instance, as long as it runs.
    me: u64,
    /// News that did not fit into the queue.
    dropped: AtomicU64,
    heard: Mutex<Option<Instant>>,
    pub first_heard: Notify,
    /// Instances that were heard of lately, this one among them.
    instances: AtomicU32,
}

impl Fanout {
    pub fn new(key: [u8; 32], me: u64) -> Self {
        Self {
            key,
            me,
            dropped: AtomicU64::new(0),
            heard: Mutex::new(None),
            first_heard: Notify::new(),
            instances: AtomicU32::new(1),
        }
    }

    pub fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("backline_redis_news_lost_total").increment(1);
    }

    /// Whether this instance hears what is told.
    pub fn hears(&self) -> bool {
        self.silence() < CUT_OFF
    }

    pub fn instances(&self) -> u32 {
        self.instances.load(Ordering::Relaxed)
    }

    fn silence(&self) -> Duration {
        self.heard.lock().map_or(Duration::MAX, |at| at.elapsed())
    }

    fn seal(&self, number: u64, news: Option<&News>) -> Vec<u8> {
        let news = news.and_then(|news| serde_json::to_value(news).ok());
        let text = serde_json::to_vec(&Message { from: self.me, number, news }).unwrap_or_default();
        let seal = Digest::mac(&self.key, &[&text]);
        [seal.as_bytes(), text.as_slice()].concat()
    }

    fn open(&self, bytes: &[u8]) -> Option<Message> {
        let (seal, text) = bytes.split_at_checked(SEAL)?;
        let sealed = Digest::try_from(seal).ok()? == Digest::mac(&self.key, &[text]);
        sealed.then(|| serde_json::from_slice(text).ok())?
    }

    /// Sends what is ordered, in order, until `stop`.
    pub async fn publish(self: Arc<Self>, link: Arc<Link>, mut orders: mpsc::Receiver<Order>, stop: CancellationToken) {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut number, mut batch) = (0_u64, Vec::with_capacity(BATCH));
        loop {
            let beats = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = beat.tick() => true,
                count = orders.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    false
                }
            };
            number += self.dropped.swap(0, Ordering::Relaxed);
            let (mut messages, mut waiting) = (Vec::new(), Vec::new());
            for order in batch.drain(..) {
                match order {
                    Order::Tell(news) => {
                        number += 1;
                        messages.push(self.seal(number, Some(&news)));
                    }
                    Order::Flush(done) => waiting.push(done),
                }
            }
            if beats {
                number += 1;
                messages.push(self.seal(number, None));
            }
            let sent = join_all(messages.into_iter().map(|message| link.publish(message, beats))).await;
            let lost = sent.iter().filter(|sent| sent.is_err()).count();
            if !beats && lost > 0 {
                metrics::counter!("backline_redis_news_lost_total").increment(lost as u64);
            }
            for done in waiting {
                // Whoever asked may have given up.
                done.send(()).ok();
            }
        }
    }

    /// Applies what others tell until `stop`.
    pub async fn listen(
        self: Arc<Self>,
        link: Arc<Link>,
        subscriber: SubscriberClient,
        known: Known,
        stop: CancellationToken,
    ) {
        let (mut messages, mut connections) = (subscriber.message_rx(), subscriber.reconnect_rx());
        let mut look = interval(BEAT * 2);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut peers = Peers::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                message = messages.recv() => match message {
                    Ok(message) => {
                        if let Some(bytes) = message.value.as_bytes() {
                            self.hear(bytes, &mut peers, &known);
                        }
                    }
                    Err(RecvError::Lagged(_)) => known.missed(),
                    Err(RecvError::Closed) => return,
                },
                Ok(_) = connections.recv() => {
                    subscribe(&subscriber, &link.channel).await;
                    known.missed();
                }
                _ = look.tick() => {
                    self.instances.store(peers.count(), Ordering::Relaxed);
                    self.mend(&link, &subscriber).await;
                }
            }
        }
    }

    /// Commands are answered and no beat comes back: the connection that listens is at fault.
    async fn mend(&self, link: &Link, subscriber: &SubscriberClient) {
        if !link.breaker.is_closed() || self.silence() < CUT_OFF {
            return;
        }
        if self.silence() > CUT_OFF * 2 {
            drop(timeout(CUT_OFF, subscriber.force_reconnection()).await);
        }
        subscribe(subscriber, &link.channel).await;
    }

    fn hear(&self, bytes: &[u8], peers: &mut Peers, known: &Known) {
        let Some(message) = self.open(bytes) else {
            metrics::counter!("backline_redis_news_refused_total").increment(1);
            peers.refuse();
            return;
        };
        let missed = peers.note(message.from, message.number);
        if message.from == self.me {
            let before = self.heard.lock().replace(Instant::now());
            if before.is_none() {
                self.first_heard.notify_one();
            }
        } else if let Some(news) = message.news {
            match serde_json::from_value(news) {
                Ok(news) => known.hear(news),
                Err(_) => known.missed(),
            }
        }
        if missed {
            known.missed();
        }
    }
}

pub(super) async fn subscribe(subscriber: &SubscriberClient, channel: &str) {
    match timeout(CUT_OFF, subscriber.subscribe(channel)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(%error, "news of other instances cannot be heard"),
        Err(_) => warn!("news of other instances cannot be heard: Redis does not answer"),
    }
}

/// Who was heard of, and up to which number.
#[derive(Default)]
struct Peers {
    all: HashMap<u64, (u64, Instant)>,
    warned: Option<Instant>,
}

impl Peers {
    /// Returns whether numbers before this one never came.
    fn note(&mut self, from: u64, number: u64) -> bool {
        let before = self.all.insert(from, (number, Instant::now()));
        before.is_some_and(|(before, _)| number > before + 1)
    }

    /// How many there are, after forgetting those that are gone.
    fn count(&mut self) -> u32 {
        self.all.retain(|_, (_, heard)| heard.elapsed() < GONE);
        u32::try_from(self.all.len()).unwrap_or(u32::MAX).max(1)
    }

    fn refuse(&mut self) {
        if self.warned.is_none_or(|at| at.elapsed() > Duration::from_mins(1)) {
            self.warned = Some(Instant::now());
            warn!(
                "news came that are not sealed with our key; do all instances share their keys, and redis.prefix with nobody else?"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_of_other_keys_are_refused() {
        let (ours, theirs) = (Fanout::new([1; 32], 7), Fanout::new([2; 32], 7));
        let sealed = ours.seal(5, Some(&News::RowsChanged));
        let message = ours.open(&sealed).unwrap();
        assert_eq!((message.from, message.number), (7, 5));
        assert!(theirs.open(&sealed).is_none());
        assert!(ours.open(&sealed[..20]).is_none());
        let mut bent = sealed;
        *bent.last_mut().unwrap() ^= 1;
        assert!(ours.open(&bent).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_gap_is_noticed_and_the_silent_are_forgotten() {
        let mut peers = Peers::default();
        let missed = [(1, 9), (1, 10), (2, 3), (1, 12), (1, 11), (2, 4)].map(|(from, number)| peers.note(from, number));
        assert_eq!(missed, [false, false, false, true, false, false]);
        assert_eq!(peers.count(), 2);
        tokio::time::advance(GONE / 2).await;
        peers.note(1, 13);
        tokio::time::advance(GONE / 2).await;
        assert_eq!(peers.count(), 1);
    }
}
