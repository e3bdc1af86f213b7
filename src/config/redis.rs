use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Mode, Problems, Section, secret::hidden};
use crate::kernel::net::is_this_machine;

/// Redis, through which instances share limits and tell each other what changed. Without it an instance is on its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedisConfig {
    /// `redis://[user:password@]host[:port][/database]`, or `rediss://…` with TLS. `redis-sentinel://…` wants
    /// `?sentinelServiceName=…`, `redis-cluster://…` takes further nodes as `?node=host:port`. May hold a password.
    #[serde(serialize_with = "hidden")]
    pub url: Option<SecretString>,
    /// Whether production may speak in the clear to a Redis on another machine: the network between is closed.
    pub allow_plaintext: bool,
    /// Longest wait for one command, before a call goes on without it. Between 10 ms and 2 s.
    #[serde(with = "humantime_serde")]
    pub command_timeout: Duration,
    /// What keys and channels begin with: whoever shares a Redis with others takes a name of its own.
    pub prefix: String,
    /// Connections for commands, between 1 and 32; one more listens.
    pub connections: usize,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: None,
            allow_plaintext: false,
            command_timeout: Duration::from_millis(100),
            prefix: "backline".to_owned(),
            connections: 2,
        }
    }
}

const SCHEMES: [&str; 6] = ["redis", "rediss", "redis-sentinel", "rediss-sentinel", "redis-cluster", "rediss-cluster"];

/// Whether the library behind [`crate::cache`] can read this, with every part it needs.
fn is_redis_url(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let plain = text.replacen("rediss", "redis", 1);
    SCHEMES.contains(&url.scheme()) && url.has_host() && fred::types::config::Config::from_url(&plain).is_ok()
}

/// Whether commands would travel over a network as they are.
fn in_the_clear(url: &SecretString) -> bool {
    let url = Url::parse(url.expose_secret()).ok();
    // Members of a cluster, and whom a Sentinel names, may be anywhere.
    let near = |url: &Url| url.scheme() == "redis" && url.host_str().is_some_and(is_this_machine);
    url.is_some_and(|url| !url.scheme().starts_with("rediss") && !near(&url))
}

impl Section for RedisConfig {
    const NAME: &'static str = "redis";
    const SECRETS: &'static [&'static str] = &["url"];

    fn check(&self, mode: Mode, problems: &mut Problems) {
        if mode == Mode::Production && !self.allow_plaintext && self.url.as_ref().is_some_and(in_the_clear) {
            problems.add(
                "redis.url",
                "must begin with rediss:// in production, for a server on another machine; on a closed network set \
                 redis.allow_plaintext",
            );
        }
        if self.url.as_ref().is_some_and(|url| !is_redis_url(url.expose_secret())) {
            problems.add(
                "redis.url",
                "must be redis://host:port/database or rediss://… with TLS; redis-sentinel://… wants \
                 ?sentinelServiceName=…, redis-cluster://… takes ?node=host:port; special characters of a password are \
                 written as %XX",
            );
        }
        if self.command_timeout < Duration::from_millis(10) || self.command_timeout > Duration::from_secs(2) {
            problems.add("redis.command_timeout", "must be between 10ms and 2s: calls wait that long when Redis hangs");
        }
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.:".contains(letter);
        if self.prefix.is_empty() || self.prefix.len() > 32 || !self.prefix.chars().all(fits) {
            problems.add("redis.prefix", "must be 1 to 32 letters, digits or any of - _ . :");
        }
        if !(1..=32).contains(&self.connections) {
            problems.add("redis.connections", "must be between 1 and 32");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(config: &RedisConfig) -> Vec<String> {
        let mut problems = Problems::default();
        config.check(Mode::Test, &mut problems);
        problems.iter().map(|problem| problem.key.clone()).collect()
    }

    #[test]
    fn every_kind_of_url_is_read_and_nonsense_is_not() {
        let of = |url: &str| RedisConfig { url: Some(url.into()), ..RedisConfig::default() };
        for url in [
            "redis://cache.example",
            "rediss://user:secret@cache.example:6380/2",
            "redis-sentinel://cache.example:26379?sentinelServiceName=main&node=other.example:26379",
            "redis-cluster://one.example:7000?node=two.example:7001",
            "rediss-cluster://one.example:7000",
        ] {
            assert_eq!(problems(&of(url)), [""; 0], "{url}");
        }
        for url in [
            "cache.example",
            "http://cache.example",
            "redis:///1",
            "redis://cache.example/first",
            "redis-sentinel://cache.example",
            "redis-cluster://one.example?node=two.example",
            "redis://cache.example:port",
        ] {
            assert_eq!(problems(&of(url)), ["redis.url"], "{url}");
        }
        assert!(!format!("{:?}", of("redis://:hunter2@cache.example")).contains("hunter2"));
    }

    #[test]
    fn numbers_out_of_range_are_told() {
        let config = RedisConfig {
            command_timeout: Duration::from_secs(5),
            prefix: "a b".to_owned(),
            connections: 0,
            ..RedisConfig::default()
        };
        assert_eq!(problems(&config), ["redis.command_timeout", "redis.prefix", "redis.connections"]);
    }
}
