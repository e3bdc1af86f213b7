//! Redis killed, frozen, or not there yet: calls go on, against stricter limits.

use std::time::{Duration, Instant};

use backline::{
    cache::{Limit, Pool, Shared},
    kernel::Digest,
};
use futures::future::join_all;

use super::{PATIENT, let_through, until_shared, world_on};
use crate::harness::{raw, redis::Redis, *};

async fn readiness(world: &World) -> (http::StatusCode, serde_json::Value) {
    let address = world.server().admin_address;
    let answer = raw::send(address, Http::One, http::Method::GET, "/readyz", &[], "").await;
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

async fn until_it_says(world: &World, state: &str, redis: &str) {
    eventually_within(Duration::from_secs(5), async || {
        let (status, said) = readiness(world).await;
        assert_eq!(status, 200, "{said}");
        said["state"] == state && said["dependencies"]["redis"] == redis
    })
    .await;
}

#[tokio::test]
async fn without_redis_calls_go_on_and_each_instance_keeps_its_share_of_a_limit() {
    let Some(mut redis) = Redis::start() else { return };
    // Patient, and well within the deadline of a call: those under way when Redis dies wait this long.
    let patient = ("redis.command_timeout", "500ms");
    let world = world_on(&redis.url(), &[patient, ("limits.reads_per_minute", "20")]).await;
    let (ana, bea) = (world.account("ana").await, world.account("bea").await);
    let (second, channel) = world.second_server().await;
    let channels = [world.channel(), channel];
    until_it_says(&world, "ready", "up").await;
    assert_eq!(let_through(&ana, &channels, 50).await, 20);

    redis.kill();
    // Half of it on each: with what was used before, at most twice the limit, and never none.
    assert_eq!(let_through(&bea, &channels, 60).await, 20);
    assert_eq!(let_through(&bea, &channels[..1], 5).await, 0);
    until_it_says(&world, "degraded", "down").await;
    world.login(&ana.email, PASSWORD).await.unwrap().refresh().await.unwrap();

    redis.start_again();
    let back = Instant::now();
    until_shared(&[world.server(), &second]).await;
    println!("shared again after {:?}", back.elapsed());
    until_it_says(&world, "ready", "up").await;
    assert_eq!(let_through(&bea, &channels, 50).await, 20, "Redis forgot, and counts for all again");
    second.stop().await;
}

#[tokio::test]
async fn a_redis_that_hangs_costs_a_call_little_and_only_once() {
    let Some(redis) = Redis::start() else { return };
    let world = world_on(&redis.url(), &[]).await;
    let ana = world.account("ana").await;
    let timed = async || {
        let begun = Instant::now();
        ana.whoami().await.unwrap();
        begun.elapsed()
    };
    let usual = join_all((0..20).map(|_| timed())).await.into_iter().max().unwrap();
    redis.freeze();
    let slowest = join_all((0..20).map(|_| timed())).await.into_iter().max().unwrap();
    println!("20 calls at once took {usual:?} each at most, and {slowest:?} with Redis frozen");
    assert!(slowest < usual + Duration::from_millis(400), "{slowest:?}");
    // From here on nobody asks but the beat.
    let trips = world.app().cache.round_trips();
    let (begun, mut took) = (Instant::now(), Vec::new());
    while begun.elapsed() < Duration::from_secs(3) {
        took.push(timed().await);
    }
    took.sort();
    assert!(took[took.len() / 2] < Duration::from_millis(90), "{took:?}");
    assert_eq!(world.app().cache.round_trips(), trips, "a second would have been enough to forget");
    assert_eq!(world.app().cache.shared(), Shared::Away);

    redis.thaw();
    until_shared(&[world.server()]).await;
    ana.whoami().await.unwrap();
    assert!(world.app().cache.round_trips() > trips);
}

#[tokio::test]
async fn a_letter_costs_three_questions_and_waits_for_one() {
    let Some(redis) = Redis::start() else { return };
    let world = world_on(&redis.url(), &[]).await;
    let ana = world.account("ana").await;
    redis.freeze();
    let trips = world.app().cache.round_trips();
    let reset = pb::StartPasswordResetRequest { email: ana.email.clone(), ..Default::default() };
    world.anonymous().accounts().start_password_reset(reset).await.unwrap();
    assert!(world.app().cache.round_trips() <= trips + 1, "it was asked again after it had not answered");
    redis.thaw();
    world.run_jobs().await;
}

#[tokio::test]
async fn a_server_starts_without_its_redis_and_finds_it_later() {
    let Some(mut redis) = Redis::start() else { return };
    redis.kill();
    let world = world_on(&redis.url(), &[PATIENT, ("limits.reads_per_minute", "20")]).await;
    let ana = world.account("ana").await;
    assert_eq!(let_through(&ana, &[world.channel()], 30).await, 10);
    until_it_says(&world, "degraded", "down").await;
    redis.start_again();
    until_shared(&[world.server()]).await;
    assert_eq!(let_through(&ana, &[world.channel()], 30).await, 20);
}

#[tokio::test]
async fn a_call_in_a_hurry_does_not_wait_for_redis() {
    let Some(redis) = Redis::start() else { return };
    let world = world_on(&redis.url(), &[("redis.command_timeout", "2s")]).await;
    let cache = &world.app().cache;
    let limit = Limit { most: 10, window: Duration::from_mins(1) };
    redis.freeze();
    let begun = Instant::now();
    let soon = tokio::time::Instant::now() + Duration::from_millis(50);
    let key = Digest::sha256(b"a key");
    let taken = backline::kernel::deadline::until(soon, cache.take(Pool::Accounts, &key, limit, world.now())).await;
    assert_eq!(taken, Ok(1));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    redis.thaw();
}

#[tokio::test]
async fn what_was_told_while_redis_was_away_is_looked_up_after_it() {
    let Some(mut redis) = Redis::start() else { return };
    let world = world_on(&redis.url(), &[]).await;
    let ana = world.account("ana").await;
    let (second, channel) = world.second_server().await;
    let mut signals = second.app.cache.listen();
    redis.kill();
    let phone = ana.on_another_device("Phone").await;
    phone.sessions().logout(pb::LogoutRequest::default()).await.unwrap();
    // The database is the safety net.
    let there = phone.through(channel);
    eventually_within(Duration::from_secs(3), async || there.whoami().await.is_err()).await;
    redis.start_again();
    until_shared(&[world.server(), &second]).await;
    let missed = async { while signals.recv().await.unwrap() != backline::cache::Signal::Missed {} };
    tokio::time::timeout(Duration::from_secs(5), missed).await.expect("listeners are told to look for themselves");
    second.stop().await;
}
