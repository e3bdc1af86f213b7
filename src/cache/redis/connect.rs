//! Connecting: what stops the start, what does not, and how connections are kept.

use std::time::Duration;

use fred::{
    clients::SubscriberClient,
    prelude::{
        Builder, ClientLike, Config as FredConfig, ConnectionConfig, Error, ErrorKind, PerformanceConfig, Pool,
        PubsubInterface, ReconnectPolicy,
    },
    types::config::UnresponsiveConfig,
};
use secrecy::ExposeSecret;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{fanout, link::Link};
use crate::{cache::Limit, config::RedisConfig, kernel::Digest};

/// How long the start waits for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a connection may take to open, and to greet.
const OPENING: Duration = Duration::from_secs(2);
/// Commands that wait for a connection; those of calls never do.
const BUFFER: usize = 1024;
/// Messages that may wait to be applied.
const UNREAD: usize = 4096;

/// Why a start is refused. That Redis is away is no reason.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("redis.url cannot be used ({0}); look at the README's table of settings")]
    Url(String),
    #[error("Redis refuses the user or the password of redis.url ({0}); correct them, or the user's rights in Redis")]
    Refused(String),
    #[error(
        "redis.url names another kind of Redis than answers there ({0}); write redis://, redis-sentinel:// or redis-cluster://"
    )]
    Kind(String),
}

/// The clients, not yet connected.
pub(super) struct Clients {
    pub pool: Pool,
    pub subscriber: SubscriberClient,
}

pub(super) fn parse(config: &RedisConfig) -> Result<Option<FredConfig>, ConnectError> {
    let Some(url) = &config.url else { return Ok(None) };
    FredConfig::from_url(url.expose_secret()).map(Some).map_err(|error| ConnectError::Url(error.details().to_owned()))
}

fn builder(config: FredConfig, timeout: Duration) -> Builder {
    let mut builder = Builder::from_config(config);
    builder
        .set_connection_config(ConnectionConfig {
            connection_timeout: OPENING,
            internal_command_timeout: OPENING,
            max_command_attempts: 1,
            max_command_buffer_len: BUFFER,
            reconnect_on_auth_error: true,
            // A peer that is gone without a word; shorter silences are the time-out's.
            unresponsive: UnresponsiveConfig {
                max_timeout: Some(Duration::from_secs(3)),
                interval: Duration::from_secs(1),
            },
            ..ConnectionConfig::default()
        })
        .set_performance_config(PerformanceConfig {
            default_command_timeout: timeout,
            broadcast_channel_capacity: UNREAD,
            ..PerformanceConfig::default()
        });
    builder
}

/// Without end, from 100 ms to 1 s apart, and not all instances in step.
fn policy() -> ReconnectPolicy {
    let mut policy = ReconnectPolicy::new_exponential(0, 100, 1000, 2);
    policy.set_jitter(100);
    policy
}

/// # Errors
/// When the library refuses its settings.
pub(super) fn clients(parsed: FredConfig, config: &RedisConfig) -> Result<Clients, ConnectError> {
    let url = |error: Error| ConnectError::Url(error.details().to_owned());
    // The first connection is tried as all others are: without end.
    let mut builder = builder(FredConfig { fail_fast: false, ..parsed }, config.command_timeout);
    builder.set_policy(policy());
    let pool = builder.build_pool(config.connections).map_err(url)?;
    let subscriber = builder.build_subscriber_client().map_err(url)?;
    Ok(Clients { pool, subscriber })
}

/// Asks once, with connections of its own, for everything that is needed later. Returns whether Redis is there.
///
/// # Errors
/// When it is there and refuses us: waiting would not help.
pub(super) async fn probe(parsed: FredConfig, config: &RedisConfig) -> Result<bool, ConnectError> {
    let builder = builder(FredConfig { fail_fast: true, ..parsed }, OPENING);
    let pool = builder.build_pool(1).map_err(|error| ConnectError::Url(error.details().to_owned()))?;
    let link = Link::new(pool, &config.prefix, OPENING);
    let outcome = timeout(PATIENCE, try_everything(&link)).await;
    drop(timeout(PATIENCE, link.pool.quit()).await);
    match outcome {
        Ok(Ok(())) => Ok(true),
        Ok(Err(error)) => judge(&error).map_or_else(
            || {
                warn!(%error, "Redis is away; limits are counted here alone, and stricter, until it answers");
                Ok(false)
            },
            Err,
        ),
        Err(_) => {
            warn!("Redis does not answer; limits are counted here alone, and stricter, until it does");
            Ok(false)
        }
    }
}

async fn try_everything(link: &Link) -> Result<(), Error> {
    link.pool.init().await?;
    let client = link.pool.next();
    let limit = Limit { most: 1, window: Duration::from_millis(1) };
    link.run_take(client, &Digest::from_bytes([0; 32]), limit).await?;
    client.publish::<i64, _, _>(format!("{}:probe", link.prefix), "").await.map(drop)
}

fn judge(error: &Error) -> Option<ConnectError> {
    let details = error.details();
    let refused = ["NOAUTH", "WRONGPASS", "NOPERM"].iter().any(|word| details.contains(word))
        || details.contains("AUTH <password> called without any password configured");
    if refused || *error.kind() == ErrorKind::Auth {
        return Some(ConnectError::Refused(details.to_owned()));
    }
    (*error.kind() == ErrorKind::Config).then(|| ConnectError::Kind(details.to_owned()))
}

/// Keeps a client connected until `stop`. The library tries again by itself; should it give up, it is told to go on.
pub(super) fn keep<C: ClientLike + Send + Sync + 'static>(client: C, stop: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let connection = client.connect();
            let abort = connection.abort_handle();
            tokio::select! {
                () = stop.cancelled() => {
                    drop(timeout(Duration::from_millis(500), client.quit()).await);
                    abort.abort();
                    return;
                }
                ended = connection => {
                    let why = match ended {
                        Ok(Ok(())) => "closed".to_owned(),
                        Ok(Err(error)) => error.to_string(),
                        Err(error) => error.to_string(),
                    };
                    warn!(why, "a connection to Redis was given up; it is opened anew");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    })
}

/// Waits, not for long, until the clients are connected and listening: so the first beat comes back at once.
pub(super) async fn until_open(clients: &Clients, channel: &str) {
    let open = async {
        // A connection that opens between the library's look and its waiting would not be noticed; so it looks again.
        let look = Duration::from_millis(50);
        while !matches!(timeout(look, clients.pool.wait_for_connect()).await, Ok(Ok(()))) {}
        while !matches!(timeout(look, clients.subscriber.wait_for_connect()).await, Ok(Ok(()))) {}
        fanout::subscribe(&clients.subscriber, channel).await;
    };
    drop(timeout(OPENING, open).await);
}
