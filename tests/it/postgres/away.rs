//! The database goes, and comes back.

use std::time::{Duration, Instant};

use http::Method;
use tokio_stream::StreamExt;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::harness::{
    cable::Cable,
    database::{TestDatabase, is_postgres},
    postgres::PostgresServer,
    *,
};

async fn ask(world: &World, path: &str) -> Answer {
    raw::send(world.server().admin_address, Http::One, Method::GET, path, &[], "").await
}

#[track_caller]
fn assert_away(refused: &Status) {
    assert_reason(refused, Code::Unavailable, ErrorReason::DependencyDown);
    assert!(details(refused).retry_info().is_some(), "a client is told when to come again: {refused:?}");
}

#[tokio::test]
async fn readiness_follows_the_database_and_nothing_is_poisoned() {
    if !is_postgres() {
        return;
    }
    let Some(server) = PostgresServer::start() else { return };
    let database = TestDatabase::Own { url: server.migrated("backline").await };
    let world = World::on(tempfile::tempdir().unwrap(), database, &[]).await;
    world.expect_error("request failed");
    let ana = world.account("ana").await;
    let mut watch = HealthClient::new(world.channel()).watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let told = watch.next().await.unwrap().unwrap().status();
    assert_eq!(told, ServingStatus::Serving);

    server.stop();
    let gone = Instant::now();
    let flip = async {
        eventually_within(Duration::from_secs(10), async || ask(&world, "/readyz").await.status == 503).await;
        gone.elapsed()
    };
    // A call that wants the database is answered in time, again and again.
    let calls = async {
        let asked = Instant::now();
        assert_away(&ana.whoami().await.unwrap_err());
        assert!(asked.elapsed() < Duration::from_millis(2500), "{:?}", asked.elapsed());
        let asked = Instant::now();
        assert_away(&world.login(&ana.email, PASSWORD).await.err().expect("nobody can sign in"));
        assert!(asked.elapsed() < Duration::from_millis(2500), "{:?}", asked.elapsed());
    };
    let (flipped, ()) = tokio::join!(flip, calls);
    eprintln!("not ready {flipped:?} after the server was gone");
    assert_eq!(ask(&world, "/livez").await.status, 200, "alive all the same");
    assert!(ask(&world, "/readyz").await.text().contains("\"database\":\"down\""));
    let told = tokio::time::timeout(Duration::from_secs(10), watch.next()).await.unwrap().unwrap().unwrap().status();
    assert_eq!(told, ServingStatus::NotServing);

    server.start_again();
    let back = Instant::now();
    eventually_within(Duration::from_secs(5), async || ask(&world, "/readyz").await.status == 200).await;
    eprintln!("ready {:?} after the server was back", back.elapsed());
    let told = tokio::time::timeout(Duration::from_secs(5), watch.next()).await.unwrap().unwrap().unwrap().status();
    assert_eq!(told, ServingStatus::Serving);
    let calls = (0..20).map(async |_| ana.whoami().await.unwrap());
    futures::future::join_all(calls).await;
    world.account("bea").await;
}

#[tokio::test]
async fn a_quick_restart_costs_the_calls_under_way_and_no_more() {
    if !is_postgres() {
        return;
    }
    let Some(server) = PostgresServer::start() else { return };
    let database = TestDatabase::Own { url: server.migrated("backline").await };
    let world = World::on(tempfile::tempdir().unwrap(), database, &[]).await;
    world.expect_error("request failed");
    let ana = world.account("ana").await;
    // Every connection of the pool is open, and idle.
    let calls = (0..20).map(async |_| ana.whoami().await.unwrap());
    futures::future::join_all(calls).await;

    server.stop();
    server.start_again();
    // Nobody noticed: the first to come stumbles over a dead connection, and the others are warned.
    let mut failed = 0;
    for _ in 0..20 {
        if let Err(refused) = ana.whoami().await {
            assert_away(&refused);
            failed += 1;
        }
    }
    assert!(failed <= 1, "{failed} calls stumbled");
    assert_eq!(ask(&world, "/readyz").await.status, 200, "ridden out");
}

#[tokio::test]
async fn a_network_that_swallows_everything_is_waited_for_no_longer_than_a_call_may_take() {
    if !is_postgres() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::make(folder.path());
    let direct = database.url();
    let (role, place) = direct.rsplit_once('@').unwrap();
    let (server, name) = place.split_once('/').unwrap();
    let cable = Cable::to(server.parse().unwrap()).await;
    let url = format!("{role}@127.0.0.1:{}/{name}", cable.port);
    // What is lost is given up after a statement's time and a little more.
    let world = World::on(folder, database, &[("database.url", &url), ("database.statement_timeout", "1s")]).await;
    world.expect_error("request failed");
    let ana = world.account("ana").await;
    futures::future::join_all((0..20).map(async |_| ana.whoami().await.unwrap())).await;

    cable.pull();
    let gone = Instant::now();
    for _ in 0..3 {
        let asked = Instant::now();
        let refused = ana.whoami().await.unwrap_err();
        assert!([Code::Unavailable, Code::DeadlineExceeded].contains(&refused.code()), "{refused:?}");
        assert!(asked.elapsed() < Duration::from_millis(2500), "{:?}", asked.elapsed());
    }
    eventually_within(Duration::from_secs(10), async || ask(&world, "/readyz").await.status == 503).await;
    assert!(gone.elapsed() < Duration::from_secs(10), "{:?}", gone.elapsed());

    cable.mend();
    let back = Instant::now();
    eventually_within(Duration::from_secs(5), async || ask(&world, "/readyz").await.status == 200).await;
    eventually_within(Duration::from_secs(30), async || ana.whoami().await.is_ok()).await;
    eprintln!("calls are answered {:?} after the network was back", back.elapsed());
    futures::future::join_all((0..20).map(async |_| ana.whoami().await.unwrap())).await;
}

#[tokio::test]
async fn callers_of_a_full_pool_are_refused_in_time_and_health_goes_on() {
    let world = World::with(&[("database.max_connections", "2")]).await;
    world.expect_error("request failed");
    let ana = world.account("ana").await;
    let mut held = Vec::new();
    for _ in 0..if is_postgres() { 2 } else { 1 } {
        held.push(world.app().db.begin_write().await.unwrap());
    }
    let begun = Instant::now();
    let update = || pb::UpdateAccountRequest {
        account: Some(pb::Account { display_name: "Ana Sol".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
        ..Default::default()
    };
    let calls = (0..50).map(async |_| ana.accounts().update_account(update()).await.unwrap_err());
    for refused in futures::future::join_all(calls).await {
        assert_away(&refused);
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    eprintln!("50 callers of a full pool were refused after {:?}", begun.elapsed());
    assert_eq!(ask(&world, "/readyz").await.status, 200, "busy is not away");
    for tx in held {
        tx.rollback().await.unwrap();
    }
    ana.accounts().update_account(update()).await.unwrap();
}
