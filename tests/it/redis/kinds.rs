//! The kinds of Redis there are, and those that refuse us.

use super::{AT_ONCE, PATIENT, let_through, until_shared, world_on};
use crate::harness::{
    database::is_postgres,
    program,
    redis::{Cluster, Redis, Watched},
    *,
};

async fn limits_and_news_are_shared(url: &str) {
    let world = world_on(url, &[PATIENT, ("limits.reads_per_minute", "20")]).await;
    let ana = world.account("ana").await;
    let (second, channel) = world.second_server().await;
    until_shared(&[world.server(), &second]).await;
    let channels = [world.channel(), channel.clone()];
    assert_eq!(let_through(&ana, &channels, 60).await, 20);
    // Windows of many people, so that each member of a cluster has some.
    for name in ["bea", "cem", "dan", "eva", "fay"] {
        assert_eq!(let_through(&world.account(name).await, &channels, 30).await, 20, "{name}");
    }
    for number in 0..5 {
        let phone = ana.on_another_device(&format!("Phone {number}")).await;
        let session = phone.session_id().parse().unwrap();
        phone.sessions().logout(pb::LogoutRequest::default()).await.unwrap();
        eventually_within(AT_ONCE, async || second.app.cache.revoked(session).is_some()).await;
    }
    second.stop().await;
}

#[tokio::test]
async fn a_cluster_serves_as_one_server_does() {
    let Some(cluster) = Cluster::start() else { return };
    Box::pin(limits_and_news_are_shared(&cluster.url())).await;
    assert!(cluster.0.iter().all(|node| node.ask(&["DBSIZE"]) != "0"), "each member holds windows");
}

#[tokio::test]
async fn a_sentinel_says_where_the_server_is() {
    let Some(watched) = Watched::start() else { return };
    Box::pin(limits_and_news_are_shared(&watched.url())).await;
    assert_ne!(watched.redis.ask(&["DBSIZE"]), "0");
}

#[tokio::test]
async fn a_password_opens_and_a_wrong_one_stops_the_start_with_one_sentence() {
    let secret = "canary-redis-password-8123";
    let Some(redis) = Redis::with(&["--requirepass", secret]) else { return };
    let at = |user: &str| format!("redis://{user}127.0.0.1:{}", redis.port);
    Box::pin(limits_and_news_are_shared(&at(&format!(":{secret}@")))).await;
    if is_postgres() {
        return;
    }
    for user in [":canary-wrong-9967@", "", "nobody:canary-wrong-9967@"] {
        let folder = tempfile::tempdir().unwrap();
        let stopped = program::backline(folder.path(), &[]).env("BACKLINE_REDIS_URL", at(user)).output().unwrap();
        let said = program::stderr(&stopped);
        let sentence = said.lines().last().unwrap_or_default();
        assert!(!stopped.status.success(), "{said}");
        assert!(sentence.starts_with("backline: Redis refuses the user or the password of redis.url ("), "{said}");
        assert!(!said.contains("canary-wrong"), "{said}");
    }
}

#[tokio::test]
async fn what_the_url_promises_must_be_what_answers() {
    let Some(redis) = Redis::start() else { return };
    if is_postgres() {
        return;
    }
    let start = |url: &str| {
        let folder = tempfile::tempdir().unwrap();
        let stopped = program::backline(folder.path(), &["migrate"]).env("BACKLINE_REDIS_URL", url).output().unwrap();
        (stopped.status.success(), program::stderr(&stopped))
    };
    let (went, said) = start(&format!("redis-cluster://127.0.0.1:{}", redis.port));
    assert!(!went && said.contains("redis.url names another kind of Redis than answers there"), "{said}");
    let (went, said) = start("redis://127.0.0.1:nowhere");
    assert!(!went && said.contains("redis.url: must be redis://host:port/database"), "{said}");
    redis.ask(&["ACL", "SETUSER", "weak", "on", ">weak-password", "+ping", "+hello", "+client", "~*"]);
    let (went, said) = start(&format!("redis://weak:weak-password@127.0.0.1:{}", redis.port));
    assert!(!went && said.contains("Redis refuses the user") && !said.contains("weak-password"), "{said}");
}
