//! Artists, as everyone sees them.

use backline::{
    entity::artist::{ActiveModel, State},
    kernel::ids::ArtistId,
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
};

use crate::harness::{stages::artist, *};

/// Suspends an artist: what staff will do by a method of its own.
pub async fn suspend(world: &World, artist_id: &str) {
    let id: ArtistId = artist_id.parse().unwrap();
    let row = ActiveModel { id: Unchanged(id), state: Set(State::Suspended), ..Default::default() };
    row.update(&world.app().db.write_one()).await.unwrap();
}

async fn read(actor: &Actor, artist_id: &str) -> Result<pb::Artist, Status> {
    let request = pb::GetArtistRequest { artist_id: artist_id.into() };
    Ok(actor.artists().get_artist(request).await?.into_inner().artist.unwrap())
}

async fn listed(actor: &Actor, mine: bool) -> Vec<String> {
    let (mut walked, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListArtistsRequest { mine, page_size: 2, page_token };
        let reply = actor.artists().list_artists(request).await.unwrap().into_inner();
        walked.extend(reply.artists.into_iter().map(|artist| artist.stage_name));
        page_token = reply.next_page_token;
        if page_token.is_empty() {
            return walked;
        }
    }
}

#[tokio::test]
async fn artists_are_listed_newest_first() {
    let world = World::start().await;
    let (ana, eva, rui) = (world.account("ana").await, world.account("eva").await, world.reviewer("rui").await);
    for (owner, name) in [(&ana, "One"), (&eva, "Two"), (&ana, "Three"), (&ana, "Four"), (&eva, "Five")] {
        artist(&world, owner, &rui, name).await;
    }
    assert_eq!(listed(&rui, false).await, ["Five", "Four", "Three", "Two", "One"]);
    assert_eq!(listed(&ana, true).await, ["Four", "Three", "One"]);
    assert_eq!(listed(&rui, true).await, Vec::<String>::new());
    world.run_jobs().await;
}

#[tokio::test]
async fn a_suspended_artist_exists_for_its_members_and_staff_only() {
    let world = World::start().await;
    let (ana, eva, rui) = (world.account("ana").await, world.account("eva").await, world.reviewer("rui").await);
    let id = artist(&world, &ana, &rui, "Night Bus").await;
    assert_eq!(read(&eva, &id).await.unwrap().state(), pb::ArtistState::Active);
    suspend(&world, &id).await;

    let suspended = read(&eva, &id).await.unwrap_err();
    let absent = read(&eva, "art_01h455vb4pex5vsknk084sn02q").await.unwrap_err();
    let malformed = read(&eva, "Night Bus").await.unwrap_err();
    for refused in [&suspended, &absent, &malformed] {
        assert_reason(refused, Code::NotFound, ErrorReason::ResourceNotFound);
        assert_eq!(refused.message(), absent.message());
    }
    for sees in [&ana, &rui] {
        assert_eq!(read(sees, &id).await.unwrap().state(), pb::ArtistState::Suspended);
    }
    assert_eq!((listed(&ana, false).await.len(), listed(&ana, true).await.len()), (0, 1));
    let refused = read(&world.anonymous(), &id).await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::AccessTokenMissing);
    world.run_jobs().await;
}

#[tokio::test]
async fn a_page_token_stays_with_its_query() {
    let world = World::start().await;
    let (ana, eva, rui) = (world.account("ana").await, world.account("eva").await, world.reviewer("rui").await);
    for name in ["One", "Two"] {
        artist(&world, &ana, &rui, name).await;
    }
    let first = pb::ListArtistsRequest { mine: true, page_size: 1, page_token: String::new() };
    let page_token = ana.artists().list_artists(first).await.unwrap().into_inner().next_page_token;
    let damaged = tampered(&page_token, page_token.len() - 1);
    for (actor, mine, page_token) in [(&ana, false, &page_token), (&eva, true, &page_token), (&ana, true, &damaged)] {
        let request = pb::ListArtistsRequest { mine, page_size: 1, page_token: page_token.clone() };
        let refused = actor.artists().list_artists(request).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::PageTokenInvalid);
    }
    let negative = pb::ListArtistsRequest { page_size: -1, ..Default::default() };
    let refused = ana.artists().list_artists(negative).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    world.run_jobs().await;
}
