//! Several instances that share a Redis: limits hold for all of them together, and what one does the others hear at once.

mod away;
mod kept;
mod kinds;

use std::time::{Duration, Instant};

use backline::{
    accounts,
    cache::Shared,
    kernel::{Role, Roles},
};
use futures::future::join_all;
use tonic::transport::Channel;

use crate::harness::{instance::Instance, redis::Redis, *};

/// Faster than anybody who reads the database each second, ten times in a row.
const AT_ONCE: Duration = Duration::from_millis(500);

/// A crowded machine may stop for longer than calls wait for Redis; where a count is to be exact, they wait longer.
const PATIENT: (&str, &str) = ("redis.command_timeout", "2s");

/// A world on this Redis.
async fn world_on(url: &str, settings: &[(&str, &str)]) -> World {
    let mut all = vec![("redis.url", url)];
    all.extend_from_slice(settings);
    World::with(&all).await
}

/// How many of `calls` calls by one account, spread over these servers, were let through.
async fn let_through(who: &Actor, channels: &[Channel], calls: usize) -> usize {
    let actors: Vec<Actor> = channels.iter().map(|channel| who.through(channel.clone())).collect();
    let answers = join_all((0..calls).map(|number| {
        let actor = actors[number % actors.len()].clone();
        async move { actor.whoami().await }
    }))
    .await;
    for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_reason(refused, Code::ResourceExhausted, ErrorReason::RateLimited);
    }
    answers.iter().filter(|answer| answer.is_ok()).count()
}

async fn until_shared(servers: &[&Instance]) {
    eventually_within(Duration::from_secs(5), async || {
        servers.iter().all(|server| server.app.cache.shared() == Shared::Up)
    })
    .await;
}

#[tokio::test]
async fn a_limit_is_exact_over_all_instances() {
    let Some(redis) = Redis::start() else { return };
    let mut world = world_on(&redis.url(), &[PATIENT, ("limits.reads_per_minute", "20")]).await;
    let ana = world.account("ana").await;
    let (second, second_channel) = world.second_server().await;
    let (third, third_channel) = world.second_server().await;
    let channels = [world.channel(), second_channel, third_channel];
    assert_eq!(let_through(&ana, &channels, 100).await, 20);

    // Nor does a restart forget, as long as Redis does not; and another's window is another.
    world.restart().await;
    assert_eq!(let_through(&ana, &channels, 3).await, 0);
    assert_eq!(let_through(&world.account("bea").await, &channels, 30).await, 20);
    // Redis may forget: its scripts with everything else.
    redis.ask(&["FLUSHALL"]);
    redis.ask(&["SCRIPT", "FLUSH"]);
    assert_eq!(let_through(&ana, &channels, 30).await, 20);
    second.stop().await;
    third.stop().await;
}

#[tokio::test]
async fn a_refusal_tells_when_there_is_room_and_there_is() {
    let Some(redis) = Redis::start() else { return };
    let world = world_on(&redis.url(), &[]).await;
    let limit = backline::cache::Limit { most: 3, window: Duration::from_millis(320) };
    let (cache, key) = (&world.app().cache, backline::kernel::Digest::sha256(b"a key"));
    let take = async || cache.take(backline::cache::Pool::Accounts, &key, limit, world.now()).await;
    let begun = Instant::now();
    for count in 1..=3 {
        assert_eq!(take().await, Ok(count));
    }
    let wait = take().await.unwrap_err();
    assert!(wait > Duration::from_millis(200) && wait <= Duration::from_millis(330), "{wait:?}");
    // This world's own clock stands still: Redis has its own.
    eventually_within(wait + Duration::from_millis(300), async || take().await.is_ok()).await;
    assert!(begun.elapsed() >= limit.window, "never more than the limit in any window");
    assert_eq!(cache.shared(), Shared::Up);
}

#[tokio::test]
async fn a_revocation_on_one_instance_is_felt_on_another_at_once() {
    let Some(redis) = Redis::start() else { return };
    let world = world_on(&redis.url(), &[]).await;
    let ana = world.account("ana").await;
    let (second, channel) = world.second_server().await;
    // The database is read each second: ten times in a row luck is no explanation.
    for number in 0..10 {
        let phone = ana.on_another_device(&format!("Phone {number}")).await;
        let there = phone.through(channel.clone());
        there.whoami().await.unwrap();
        phone.sessions().logout(pb::LogoutRequest::default()).await.unwrap();
        eventually_within(AT_ONCE, async || there.whoami().await.is_err()).await;
        let refused = there.whoami().await.unwrap_err();
        assert_reason(&refused, Code::Unauthenticated, ErrorReason::SessionRevoked);
        assert_eq!(fact(&refused, "cause").as_deref(), Some("logout"));
    }
    second.stop().await;
}

#[tokio::test]
async fn new_roles_are_felt_on_another_instance_at_once() {
    let Some(redis) = Redis::start() else { return };
    let world = world_on(&redis.url(), &[]).await;
    let ana = world.account("ana").await;
    let (second, channel) = world.second_server().await;
    let there = ana.through(channel);
    let may_list =
        async || there.applications().list_applications(pb::ListApplicationsRequest::default()).await.is_ok();
    for number in 0..10 {
        let office = number % 2 == 0;
        let tx = world.app().db.begin_write().await.unwrap();
        let change = |roles: Roles| if office { roles.with(Role::Reviewer) } else { roles.without_staff() };
        accounts::set_roles(&tx, world.app(), ana.account_id().parse().unwrap(), change).await.unwrap();
        tx.commit().await.unwrap();
        eventually_within(AT_ONCE, async || may_list().await == office).await;
    }
    second.stop().await;
}

#[tokio::test]
async fn a_watch_on_one_instance_sees_what_another_does_at_once() {
    let Some(redis) = Redis::start() else { return };
    let studio = Studio::with(&[("redis.url", &redis.url())]).await;
    let (second, channel) = studio.world.second_server().await;
    let there = studio.ana.through(channel);
    let mut slowest = Duration::ZERO;
    for number in 0..10 {
        let draft = studio.draft(&format!("Song {number}")).await;
        let request = pb::WatchSubmissionRequest { submission_id: draft.submission_id.clone(), ..Default::default() };
        let mut stream = there.submissions().watch_submission(request).await.unwrap().into_inner();
        stream.message().await.unwrap().expect("a snapshot");
        let mut sessions =
            there.sessions().watch_session(pb::WatchSessionRequest::default()).await.unwrap().into_inner();
        sessions.message().await.unwrap().expect("a snapshot");

        let begun = Instant::now();
        studio.ana.hand_in(&draft.submission_id).await.unwrap();
        tokio::time::timeout(Duration::from_secs(5), stream.message()).await.unwrap().unwrap().expect("a change");
        let opened = Instant::now();
        studio.ana.on_another_device(&format!("Phone {number}")).await;
        tokio::time::timeout(Duration::from_secs(5), sessions.message()).await.unwrap().unwrap().expect("a sign-in");
        slowest = slowest.max(opened - begun).max(opened.elapsed());
    }
    assert!(slowest < AT_ONCE, "a change took {slowest:?}");
    second.stop().await;
    studio.world.run_jobs().await;
}

#[tokio::test]
async fn nothing_personal_lies_in_redis() {
    let Some(redis) = Redis::start() else { return };
    let world = world_on(&redis.url(), &[("redis.prefix", "tunes")]).await;
    let ana = world.account("ana").await;
    ana.whoami().await.unwrap();
    let reset = pb::StartPasswordResetRequest { email: ana.email.clone(), ..Default::default() };
    world.anonymous().accounts().start_password_reset(reset).await.unwrap();
    world.run_jobs().await;
    let keys = redis.ask(&["--scan"]);
    assert!(keys.lines().count() > 5, "{keys}");
    for key in keys.lines() {
        let name = key.strip_prefix("tunes:window:{").and_then(|rest| rest.strip_suffix('}'));
        let name = name.unwrap_or_else(|| panic!("what is {key}?"));
        assert!(name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
        let life: i64 = redis.ask(&["PTTL", key]).parse().unwrap();
        assert!(life > 0 && life <= 3_825_000, "{key} lives for {life} ms");
        let fields = redis.ask(&["HGETALL", key]);
        assert!(fields.lines().all(|line| line.parse::<i64>().is_ok()), "{key} holds {fields}");
    }
}

/// Commands that each call waits for.
#[tokio::test]
async fn a_call_waits_for_redis_as_often_as_the_table_says() {
    let Some(redis) = Redis::start() else { return };
    let studio = Studio::with(&[("redis.url", &redis.url())]).await;
    let (world, ana) = (&studio.world, &studio.ana);
    let draft = studio.draft("Song").await;
    let mut costs = Vec::new();
    let mut trips = world.app().cache.round_trips();
    let mut note = |name: &'static str| {
        let now = world.app().cache.round_trips();
        costs.push((name, now - std::mem::replace(&mut trips, now)));
    };
    world.login("ana@example.org", PASSWORD).await.unwrap();
    note("Login");
    ana.refresh().await.unwrap();
    note("RefreshSession");
    ana.read_track(&draft.track_id).await.unwrap();
    note("GetTrack");
    ana.hand_in(&draft.submission_id).await.unwrap();
    note("SubmitSubmission");
    let reset = pb::StartPasswordResetRequest { email: ana.email.clone(), ..Default::default() };
    world.anonymous().accounts().start_password_reset(reset).await.unwrap();
    note("StartPasswordReset");
    ana.sessions().logout(pb::LogoutRequest::default()).await.unwrap();
    note("Logout");
    println!("{costs:?}");
    let known = [
        ("Login", 1),
        ("RefreshSession", 1),
        ("GetTrack", 1),
        ("SubmitSubmission", 1),
        ("StartPasswordReset", 3),
        ("Logout", 1),
    ];
    assert_eq!(costs, known);
    world.run_jobs().await;
}
