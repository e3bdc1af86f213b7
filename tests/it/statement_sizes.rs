//! What the costs of calls do not depend on: the size of a page, and what a request id adds.

use std::collections::BTreeMap;

use crate::{harness::*, statements::Meter};

#[tokio::test]
async fn lists_cost_the_same_whatever_the_size_of_the_page() {
    let studio = Studio::open().await;
    let (ana, rui) = (&studio.ana, &studio.rui);
    let sam = studio.world.admin("sam").await;
    for number in 0..6 {
        studio.submission(pb::SubmissionState::Published, &format!("Song {number}")).await;
        studio.submitted(&format!("Waiting {number}")).await;
        let other = studio.world.account(&format!("other{number}")).await;
        other.found_artist(&format!("Song Writers {number}"), rui).await;
        ana.on_another_device(&format!("Device {number}")).await;
    }
    studio.world.run_jobs().await;

    for page_size in [1, 50] {
        let mut meter = Meter { world: &studio.world, seen: BTreeMap::new() };
        macro_rules! pages {
            ($($cost:literal $who:ident.$service:ident.$call:ident($request:ident { $($field:ident: $value:expr),* }) -> $rows:ident;)*) => {$(
                let request = pb::$request { page_size, $($field: $value,)* ..Default::default() };
                let page = meter.of(stringify!($call), $who.$service().$call(request)).await.into_inner();
                let rows = page.$rows.len();
                assert!(if page_size == 1 { rows == 1 } else { rows >= 6 }, "{}: {rows} rows", stringify!($call));
                assert_eq!(meter.seen[stringify!($call)], $cost, "{} by {page_size}", stringify!($call));
            )*};
        }
        pages! {
            1 ana.sessions.list_sessions(ListSessionsRequest {}) -> sessions;
            1 rui.applications.list_applications(ListApplicationsRequest { filter: "state = APPROVED".into() }) -> applications;
            1 ana.artists.list_artists(ListArtistsRequest {}) -> artists;
            2 ana.tracks.list_tracks(ListTracksRequest { artist_id: studio.artist_id.clone() }) -> tracks;
            1 ana.submissions.list_submissions(ListSubmissionsRequest {}) -> submissions;
            3 rui.review.list_queue(ListQueueRequest {}) -> items;
            2 ana.search.search(SearchRequest { query: "song".into(), kinds: vec![pb::SearchKind::Track.into()] }) -> results;
            1 sam.admin.list_accounts(ListAccountsRequest {}) -> accounts;
        }
    }
}

#[tokio::test]
async fn a_request_id_costs_a_look_and_a_record_and_a_repeat_one_look() {
    let studio = Studio::open().await;
    let mut meter = Meter { world: &studio.world, seen: BTreeMap::new() };
    let plain = studio.track("Song");
    let named = pb::CreateTrackRequest { request_id: request_id(1), ..plain.clone() };
    meter.of("plain", studio.ana.new_track(plain)).await;
    meter.of("named", studio.ana.new_track(named.clone())).await;
    meter.of("repeated", studio.ana.new_track(named)).await;
    assert_eq!((meter.seen["named"], meter.seen["repeated"]), (meter.seen["plain"] + 2, 1));
}
