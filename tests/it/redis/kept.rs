//! Rows that are kept for quick reading: as cheap as nothing, and never older than what was heard.

use std::time::Duration;

use backline::{
    cache::{Row, Shared},
    kernel::ids::TrackId,
};

use super::until_shared;
use crate::harness::{redis::Redis, *};

/// A published track of ana's, and its id.
async fn published(studio: &Studio) -> String {
    let draft = studio.submission(pb::SubmissionState::Published, "Song").await;
    studio.world.run_jobs().await;
    draft.track_id
}

#[tokio::test]
async fn what_everybody_reads_costs_no_statement_the_second_time() {
    let Some(redis) = Redis::start() else { return };
    let studio = Studio::with(&[("redis.url", &redis.url())]).await;
    let (world, eva) = (&studio.world, &studio.eva);
    let track_id = published(&studio).await;
    let draft = studio.draft("Draft").await;
    until_shared(&[world.server()]).await;

    let (first, cold) = world.statements(async || eva.read_track(&track_id).await.unwrap()).await;
    let (again, warm) = world.statements(async || eva.read_track(&track_id).await.unwrap()).await;
    assert_eq!((cold, warm), (1, 0));
    assert_eq!(first, again);
    let get = pb::GetArtistRequest { artist_id: studio.artist_id.clone() };
    let (first, cold) = world.statements(async || eva.artists().get_artist(get.clone()).await.unwrap()).await;
    let (again, warm) = world.statements(async || eva.artists().get_artist(get.clone()).await.unwrap()).await;
    assert_eq!((cold, warm), (1, 0));
    assert_eq!(first.into_inner(), again.into_inner());

    // What not everybody may see is asked for each time, and refused each time.
    for _ in 0..2 {
        let (_, cost) = world.statements(async || studio.ana.read_track(&draft.track_id).await.unwrap()).await;
        assert_eq!(cost, 1);
        assert_reason(
            &eva.read_track(&draft.track_id).await.unwrap_err(),
            Code::NotFound,
            ErrorReason::ResourceNotFound,
        );
    }
}

#[tokio::test]
async fn what_one_instance_takes_away_no_other_shows() {
    let Some(redis) = Redis::start() else { return };
    let studio = Studio::with(&[("redis.url", &redis.url())]).await;
    let (world, eva) = (&studio.world, &studio.eva);
    let root = world.admin("root").await;
    let track_id = published(&studio).await;
    let (second, channel) = world.second_server().await;
    until_shared(&[world.server(), &second]).await;
    let there = eva.through(channel);
    let get = pb::GetArtistRequest { artist_id: studio.artist_id.clone() };
    for reader in [eva, &there] {
        reader.read_track(&track_id).await.unwrap();
        reader.artists().get_artist(get.clone()).await.unwrap();
    }

    let erase = pb::EraseAccountRequest {
        account_id: studio.ana.account_id().to_owned(),
        reason: "A test.".into(),
        ..Default::default()
    };
    root.admin().erase_account(erase).await.unwrap();
    world.run_jobs().await;
    eventually_within(Duration::from_millis(500), async || there.read_track(&track_id).await.is_err()).await;
    for reader in [eva, &there] {
        assert_reason(&reader.read_track(&track_id).await.unwrap_err(), Code::NotFound, ErrorReason::ResourceNotFound);
        let gone = reader.artists().get_artist(get.clone()).await.unwrap_err();
        assert_reason(&gone, Code::NotFound, ErrorReason::ResourceNotFound);
    }
    second.stop().await;
}

#[tokio::test]
async fn nothing_kept_is_served_while_redis_is_away() {
    let Some(mut redis) = Redis::start() else { return };
    let studio = Studio::with(&[("redis.url", &redis.url())]).await;
    let (world, eva) = (&studio.world, &studio.eva);
    let track_id = published(&studio).await;
    until_shared(&[world.server()]).await;
    eva.read_track(&track_id).await.unwrap();
    redis.kill();
    eventually_within(Duration::from_secs(3), async || world.app().cache.shared() == Shared::Away).await;
    for _ in 0..2 {
        let (_, cost) = world.statements(async || eva.read_track(&track_id).await.unwrap()).await;
        assert_eq!(cost, 1);
    }
    // Back again, it does not remember what it may have missed.
    redis.start_again();
    until_shared(&[world.server()]).await;
    let (_, cost) = world.statements(async || eva.read_track(&track_id).await.unwrap()).await;
    assert_eq!(cost, 1);
}

#[tokio::test]
async fn a_lost_message_makes_the_others_forget() {
    let Some(redis) = Redis::start() else { return };
    let studio = Studio::with(&[("redis.url", &redis.url())]).await;
    let (world, eva) = (&studio.world, &studio.eva);
    let track: TrackId = published(&studio).await.parse().unwrap();
    let (second, channel) = world.second_server().await;
    until_shared(&[world.server(), &second]).await;
    let there = eva.through(channel);
    let is_kept = || second.app.cache.recall::<backline::tracks::Track>(Row::Track(track)).is_ok();
    there.read_track(&track.to_string()).await.unwrap();
    assert!(is_kept());
    world.app().cache.forget(&[Row::Track(track)]);
    eventually_within(Duration::from_millis(500), async || !is_kept()).await;
    // More at once than the queue holds: some are lost, and the next beat shows the gap.
    there.read_track(&track.to_string()).await.unwrap();
    assert!(is_kept());
    let others: Vec<Row> = vec![Row::Artist(studio.artist_id.parse().unwrap()); 64];
    for _ in 0..80 {
        world.app().cache.forget(&others);
    }
    eventually_within(Duration::from_secs(2), async || !is_kept()).await;
    second.stop().await;
}
