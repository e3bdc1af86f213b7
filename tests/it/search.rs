//! Finding by words. The golden answers are the same on every database.

use backline::{
    artists::{self, NewArtist},
    search::{self, Document, Kind},
};
use pb::search_result::Item;
use serde::Deserialize;

use crate::{
    artists::suspend,
    harness::{stages::artist, *},
};

#[derive(Deserialize)]
struct Golden {
    /// Stage names, the oldest first.
    artists: Vec<String>,
    queries: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    query: String,
    /// Stage names and classes of match, in order.
    found: Vec<(String, String)>,
}

async fn page(actor: &Actor, query: &str, page_size: i32, page_token: &str) -> Result<pb::SearchResponse, Status> {
    let request =
        pb::SearchRequest { query: query.into(), kinds: Vec::new(), page_size, page_token: page_token.into() };
    Ok(actor.search().search(request).await?.into_inner())
}

/// What every page together holds: names and classes.
async fn found(actor: &Actor, query: &str, page_size: i32) -> Vec<(String, String)> {
    let (mut walked, mut page_token) = (Vec::new(), String::new());
    loop {
        let reply = page(actor, query, page_size, &page_token).await.unwrap();
        for result in reply.results {
            let class = result.match_class().as_str_name().trim_start_matches("MATCH_CLASS_").to_owned();
            let name = match result.item.unwrap() {
                Item::Artist(artist) => artist.stage_name,
                Item::Track(track) => track.title,
            };
            walked.push((name, class));
        }
        page_token = reply.next_page_token;
        if page_token.is_empty() {
            return walked;
        }
    }
}

/// Makes findable artists behind the back of the API, all in one transaction and each a microsecond younger.
async fn publish(world: &World, owner: &Actor, names: impl IntoIterator<Item = &str>) {
    let app = world.app();
    let owner = owner.account.account_id.parse().unwrap();
    let tx = app.db.begin_write().await.unwrap();
    for name in names {
        world.advance(std::time::Duration::from_micros(1));
        let new = NewArtist { owner, stage_name: name.into(), biography: String::new(), links: "[]".into() };
        let artist = artists::found(&tx, app, new).await.unwrap();
        let document = Document {
            kind: Kind::Artist,
            subject: artist.id.into(),
            display: name,
            also: &[],
            published_at: artist.created_at,
        };
        search::put(&tx, document).await.unwrap();
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn every_database_gives_the_golden_answers() {
    let golden: Golden = serde_json::from_str(include_str!("search_golden.json")).unwrap();
    let world = World::start().await;
    let ana = world.account("ana").await;
    publish(&world, &ana, golden.artists.iter().map(String::as_str)).await;
    for Case { query, found: expected } in golden.queries {
        assert_eq!(found(&ana, &query, 0).await, expected, "{query}");
    }
}

#[tokio::test]
async fn an_approved_artist_is_found_at_once_and_a_suspended_one_no_more() {
    let world = World::start().await;
    let (ana, rui, eva) = (world.account("ana").await, world.reviewer("rui").await, world.account("eva").await);
    assert_eq!(found(&eva, "night bus", 0).await, []);
    let id = artist(&world, &ana, &rui, "Night Bus").await;
    let reply = page(&eva, "night bus", 0, "").await.unwrap();
    let read = eva.artists().get_artist(pb::GetArtistRequest { artist_id: id.clone() }).await.unwrap().into_inner();
    assert_eq!(reply.results[0].item, Some(Item::Artist(read.artist.unwrap())));

    let tracks =
        pb::SearchRequest { query: "night".into(), kinds: vec![pb::SearchKind::Track.into()], ..Default::default() };
    assert_eq!(eva.search().search(tracks).await.unwrap().into_inner().results, []);
    suspend(&world, &id).await;
    assert_eq!(found(&ana, "night bus", 0).await, []);
    world.run_jobs().await;
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    publish(&world, &ana, (0..30).map(|place| ["Night", "Night Bus", "Nightingale"][place % 3])).await;
    let all = found(&ana, "night", 200).await;
    let classes: Vec<&str> = all.iter().map(|(_, class)| class.as_str()).collect();
    assert_eq!(classes, [["EXACT"; 10], ["WORDS"; 10], ["PREFIX"; 10]].concat());
    assert_eq!(found(&ana, "night", 7).await, all);

    let page_token = page(&ana, "night", 7, "").await.unwrap().next_page_token;
    let refused = page(&ana, "nights", 7, &page_token).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::PageTokenInvalid);
}

#[tokio::test]
async fn a_name_is_found_however_many_newer_names_contain_it() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    publish(&world, &ana, std::iter::once("Love").chain(std::iter::repeat_n("Love Affair", 1_100))).await;
    let all = found(&ana, "love", 200).await;
    assert_eq!(all[0], ("Love".to_owned(), "EXACT".to_owned()));
    assert_eq!(all.len(), 1_001, "the name, and the newest thousand that contain it");
}

#[tokio::test]
async fn a_document_follows_its_subject() {
    let world = World::start().await;
    let (ana, rui) = (world.account("ana").await, world.reviewer("rui").await);
    let id = artist(&world, &ana, &rui, "Night Bus").await;
    let subject = id.parse::<backline::kernel::ids::ArtistId>().unwrap().into();
    let app = world.app();
    let tx = app.db.begin_write().await.unwrap();
    let renamed =
        Document { kind: Kind::Artist, subject, display: "Day Bus", also: &["Lisboa"], published_at: world.now() };
    search::put(&tx, renamed.clone()).await.unwrap();
    // A document whose subject is not there shows nothing.
    search::put(&tx, Document { kind: Kind::Track, ..renamed }).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(found(&ana, "night", 0).await, []);
    assert_eq!((found(&ana, "day bus", 0).await.len(), found(&ana, "lisboa", 0).await.len()), (1, 1));

    let tx = app.db.begin_write().await.unwrap();
    search::remove(&tx, Kind::Artist, subject).await.unwrap();
    search::remove(&tx, Kind::Artist, subject).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(found(&ana, "lisboa", 0).await, []);
    world.run_jobs().await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let many: Vec<String> = (0..21).map(|number| number.to_string()).collect();
    for query in ["", "   ", "!?", "\u{7}", &"a".repeat(201), &many.join(" ")] {
        let refused = page(&ana, query, 0, "").await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
        assert_eq!(violations(&refused), ["query"]);
    }
    let request = pb::SearchRequest { query: "night".into(), kinds: vec![2, 0, 9], ..Default::default() };
    let refused = ana.search().search(request).await.unwrap_err();
    assert_eq!(violations(&refused), ["kinds[1]", "kinds[2]"]);
    let refused = page(&world.anonymous(), "night", 0, "").await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::AccessTokenMissing);
    // Neither database takes any of this for an operator.
    for query in ["\"", "a\" OR \"b", "col:a", "^a", "a*", "(a", "a & !b", "a <-> b", "NEAR(a b)", "'; DROP", "%_\\"] {
        if query.contains(char::is_alphanumeric) {
            page(&ana, query, 0, "").await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_search_costs_one_statement_for_the_hits_and_one_for_each_kind() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (_, nothing) = world.statements(async || page(&ana, "night", 0, "").await.unwrap()).await;
    publish(&world, &ana, ["Night", "Night Bus", "Nightingale"]).await;
    let (_, three) = world.statements(async || page(&ana, "night", 0, "").await.unwrap()).await;
    assert_eq!((nothing, three), (1, 2));
}
