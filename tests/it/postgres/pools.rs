//! What is measured of the pools.

use std::time::Duration;

use backline::{
    config::{self, Source},
    db,
};
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::harness::{
    database::{TestDatabase, is_postgres},
    *,
};

#[tokio::test]
async fn connections_waiting_callers_and_time_outs_are_measured() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let figures = recorder.handle();
    let _here = metrics::set_default_local_recorder(&recorder);
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::make(folder.path());
    let flags = [("database.max_connections", "3"), ("database.acquire_timeout", "300ms")];
    let mut flags: std::collections::BTreeMap<String, String> =
        flags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    flags.insert("data_dir".into(), folder.path().display().to_string());
    if let Some((key, url)) = database.setting() {
        flags.insert(key.into(), url);
    }
    let db = db::connect(&config::load(&Source { file: None, flags }).unwrap()).await.unwrap();
    let (pool, size) = if is_postgres() { ("shared", 3) } else { ("writer", 1) };
    let reads = |line: String| {
        db.measure();
        let text = figures.render();
        assert!(text.lines().any(|known| known == line), "«{line}» is not in:\n{text}");
    };
    let connections = |state: &str, count: usize| {
        reads(format!("backline_db_pool_connections{{pool=\"{pool}\",state=\"{state}\"}} {count}"));
    };
    connections("used", 0);
    connections("max", size);
    if !is_postgres() {
        reads("backline_db_pool_connections{pool=\"reader\",state=\"max\"} 3".into());
    }

    let mut held = Vec::new();
    for _ in 0..size {
        held.push(db.begin_write().await.unwrap());
    }
    connections("used", size);
    connections("idle", 0);
    let (late, ()) = tokio::join!(db.begin_write(), async {
        tokio::task::yield_now().await;
        reads(format!("backline_db_pool_waiting{{pool=\"{pool}\"}} 1"));
    });
    assert!(late.is_err(), "nobody gives one back");
    reads(format!("backline_db_pool_waiting{{pool=\"{pool}\"}} 0"));
    reads(format!("backline_db_acquire_timeouts_total{{pool=\"{pool}\"}} 1"));
    reads(format!("backline_db_acquire_duration_seconds_count{{pool=\"{pool}\"}} {}", size + 1));
    for tx in held {
        tx.rollback().await.unwrap();
    }
    eventually_within(Duration::from_secs(5), async || {
        db.measure();
        figures.render().contains(&format!("pool=\"{pool}\",state=\"used\"}} 0"))
    })
    .await;
    db.close().await;
    database.remove();
}

#[tokio::test]
async fn the_pools_stand_among_the_metrics() {
    let world = World::start().await;
    let answer = raw::send(world.server().admin_address, Http::One, http::Method::GET, "/metrics", &[], "").await;
    for name in
        ["backline_db_pool_connections{", "backline_db_acquire_duration_seconds_bucket{", "backline_dependency_up{"]
    {
        assert!(answer.text().contains(name), "{name}");
    }
}
