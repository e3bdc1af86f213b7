//! Finding tracks: from their publication on, by everyone, and only what everyone may see.

use std::time::Duration;

use backline::{
    entity::track::{ActiveModel, State},
    kernel::ids::TrackId,
};
use pb::search_result::Item;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
};

use crate::{
    artists::suspend,
    harness::{
        stages::{artist, published, submitted, track},
        *,
    },
};

async fn search(actor: &Actor, query: &str, kinds: &[pb::SearchKind]) -> Vec<pb::SearchResult> {
    let kinds = kinds.iter().map(|kind| (*kind).into()).collect();
    let request = pb::SearchRequest { query: query.into(), kinds, ..Default::default() };
    actor.search().search(request).await.unwrap().into_inner().results
}

/// The titles and stage names found, in order.
async fn names(actor: &Actor, query: &str, kinds: &[pb::SearchKind]) -> Vec<String> {
    let name = |result: pb::SearchResult| match result.item.unwrap() {
        Item::Artist(artist) => format!("artist {}", artist.stage_name),
        Item::Track(track) => format!("track {}", track.title),
    };
    search(actor, query, kinds).await.into_iter().map(name).collect()
}

/// A track from its draft to its publication.
async fn release(world: &World, owner: &Actor, reviewer: &Actor, artist_id: &str, title: &str, seed: u32) -> String {
    let track_id = track(world, owner, artist_id, title, seed).await.track_id;
    published(world, reviewer, &submitted(owner, &track_id).await).await;
    track_id
}

/// Changes what no method of the API changes yet.
async fn change(world: &World, track_id: &str, change: impl FnOnce(&mut ActiveModel)) {
    let id: TrackId = track_id.parse().unwrap();
    let mut row = ActiveModel { id: Unchanged(id), ..Default::default() };
    change(&mut row);
    row.update(world.app().db.for_migrations()).await.unwrap();
}

#[tokio::test]
async fn a_track_is_found_from_its_publication_on_and_not_before() {
    let world = World::start().await;
    let (ana, eva, rui) = (world.account("ana").await, world.account("eva").await, world.reviewer("rui").await);
    let artist_id = artist(&world, &ana, &rui, "Night Bus").await;
    let track_id = track(&world, &ana, &artist_id, "Moon Tide", 1).await.track_id;
    // Neither its owner nor staff find what is not out yet, though both may see it.
    let hidden = async || {
        for actor in [&ana, &eva, &rui] {
            assert_eq!(search(actor, "moon tide", &[]).await, []);
        }
    };
    hidden().await;
    let submission_id = submitted(&ana, &track_id).await;
    hidden().await;
    published(&world, &rui, &submission_id).await;

    let request = pb::GetTrackRequest { track_id };
    let track = eva.tracks().get_track(request).await.unwrap().into_inner().track.unwrap();
    for query in ["moon tide", "MOON", "tid", "night moon"] {
        let results = search(&eva, query, &[pb::SearchKind::Track]).await;
        let items: Vec<_> = results.into_iter().map(|result| result.item.unwrap()).collect();
        assert_eq!(items, [Item::Track(track.clone())], "{query}");
    }
    assert_eq!(search(&eva, "moon bus company", &[]).await, []);
}

#[tokio::test]
async fn tracks_and_artists_are_found_together_or_apart() {
    let world = World::start().await;
    let (ana, rui) = (world.account("ana").await, world.reviewer("rui").await);
    let tides = artist(&world, &ana, &rui, "Tide").await;
    release(&world, &ana, &rui, &tides, "Moon", 1).await;
    release(&world, &ana, &rui, &tides, "Tide", 2).await;
    artist(&world, &ana, &rui, "Tidal").await;
    // The whole name before a whole word before a beginning; then the newest.
    assert_eq!(names(&rui, "tide", &[]).await, ["track Tide", "artist Tide", "track Moon"]);
    assert_eq!(names(&rui, "tid", &[]).await, ["artist Tidal", "track Tide", "track Moon", "artist Tide"]);
    assert_eq!(names(&rui, "tide", &[pb::SearchKind::Track]).await, ["track Tide", "track Moon"]);
    assert_eq!(names(&rui, "tide", &[pb::SearchKind::Artist]).await, ["artist Tide"]);
    let both = [pb::SearchKind::Artist, pb::SearchKind::Track, pb::SearchKind::Artist];
    assert_eq!(names(&rui, "tide", &both).await, ["track Tide", "artist Tide", "track Moon"]);
    world.run_jobs().await;
}

#[tokio::test]
async fn what_is_taken_from_the_public_is_found_by_nobody() {
    let world = World::start().await;
    let (ana, eva, rui) = (world.account("ana").await, world.account("eva").await, world.reviewer("rui").await);
    let artist_id = artist(&world, &ana, &rui, "Night Bus").await;
    let mut tracks = Vec::new();
    for (seed, title) in [(1, "Moon One"), (2, "Moon Two"), (3, "Moon Three"), (4, "Moon Four")] {
        tracks.push(release(&world, &ana, &rui, &artist_id, title, seed).await);
    }
    let moons = ["track Moon Four", "track Moon Three", "track Moon Two", "track Moon One"];
    assert_eq!(names(&eva, "moon", &[]).await, moons);
    change(&world, &tracks[0], |row| row.state = Set(State::TakenDown)).await;
    change(&world, &tracks[1], |row| row.state = Set(State::Withdrawn)).await;
    let now = world.now();
    change(&world, &tracks[2], |row| {
        row.state = Set(State::Withdrawn);
        row.deleted_at = Set(Some(now));
    })
    .await;
    for actor in [&ana, &eva, &rui] {
        assert_eq!(names(actor, "moon", &[]).await, ["track Moon Four"]);
    }
    // Pages are full although hits fell away.
    let request = pb::SearchRequest { query: "moon".into(), page_size: 1, ..Default::default() };
    let reply = eva.search().search(request).await.unwrap().into_inner();
    assert_eq!((reply.results.len(), reply.next_page_token.as_str()), (1, ""));

    suspend(&world, &artist_id).await;
    assert_eq!(names(&eva, "night bus", &[pb::SearchKind::Artist]).await, Vec::<String>::new());
}

#[tokio::test]
async fn pages_of_tracks_and_artists_follow_each_other_without_gap_or_repeat() {
    let world = World::start().await;
    let (ana, rui) = (world.account("ana").await, world.reviewer("rui").await);
    let mut artist_id = String::new();
    for name in ["Moon", "Moon Bus", "Moonlight"] {
        artist_id = artist(&world, &ana, &rui, name).await;
    }
    for (seed, title) in [(1, "Moon"), (2, "New Moon"), (3, "Moonshine"), (4, "Sun")] {
        release(&world, &ana, &rui, &artist_id, title, seed).await;
    }
    world.advance(Duration::from_secs(1));
    let whole = search(&rui, "moon", &[]).await;
    assert_eq!(whole.len(), 7);
    for page_size in [1, 2, 3, 6, 7] {
        let (mut walked, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = pb::SearchRequest { query: "moon".into(), page_size, page_token, kinds: Vec::new() };
            let reply = rui.search().search(request).await.unwrap().into_inner();
            walked.extend(reply.results);
            page_token = reply.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(walked, whole, "{page_size}");
    }
}
