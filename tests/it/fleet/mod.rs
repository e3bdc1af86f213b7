//! Many instances: three servers and a worker of its own on one PostgreSQL, one Redis and one object store, behind an
//! ordinary proxy. Every process is the real binary; nothing but the proxy's port is known to the people here.

mod members;
mod proxy;
mod rolling;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use parking_lot::Mutex;
use pb::watch_session_response::Event;

use self::{
    members::{Fleet, SERVERS},
    proxy::Proxy,
};
use crate::harness::{
    people::{Artist, enrol, letters},
    program::NOWHERE,
    world::channel_to,
    *,
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn the_story_runs_with_every_call_on_any_of_three_servers() {
    let Some(fleet) = Fleet::start(&[]).await else { return };
    let (channel, mail) = (fleet.channel(), fleet.mail());
    let root = fleet.root().await;
    let artists: Vec<Artist> = join_all((0..3).map(|number| Artist::let_in(&channel, &mail, &root, number))).await;
    // Each sends one song: announced, sent, completed, checked, made a track, handed in.
    join_all(artists.iter().map(|artist| artist.send_songs(2))).await;
    join_all(artists.iter().map(Artist::check_all)).await;
    join_all(artists.iter().map(Artist::repeat)).await;

    let listener = enrol(&channel, &mail, "listener", 50).await;
    for submission_id in artists.iter().flat_map(Artist::submissions) {
        publish(&root, &submission_id).await;
    }
    let request = pb::SearchRequest { query: "song".to_owned(), page_size: 50, ..Default::default() };
    let found = listener.search().search(request).await.unwrap().into_inner();
    assert_eq!(found.results.len(), 6, "a listener finds every song");

    // Four workers looked for jobs, and each was done once: nobody got a letter twice.
    eventually(async || letters(&mail).len() >= 4 * 2 + 3 + 3 * 4).await;
    let mut copies = BTreeMap::new();
    for letter in letters(&mail) {
        *copies.entry((letter.to, letter.subject, letter.text)).or_insert(0) += 1;
    }
    let doubled: Vec<_> = copies.iter().filter(|(_, count)| **count > 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");

    let served = fleet.proxy.served();
    assert_eq!(served.len(), SERVERS, "every server had a part in it: {served:?}");
    fleet.remove();
}

async fn publish(staff: &Actor, submission_id: &str) {
    let id = || submission_id.to_owned();
    let mut review = staff.review();
    review.start_review(pb::StartReviewRequest { submission_id: id(), ..Default::default() }).await.unwrap();
    let approval = pb::ApproveSubmissionRequest { submission_id: id(), ..Default::default() };
    review.approve_submission(approval).await.unwrap();
    review
        .publish_submission(pb::PublishSubmissionRequest { submission_id: id(), ..Default::default() })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_limit_holds_exactly_over_three_servers() {
    let Some(fleet) = Fleet::start(&[("limits.open_reads_per_minute", "20")]).await else { return };
    let direct: Vec<Actor> = (0..SERVERS).map(|server| Actor::anonymous(fleet.direct(server))).collect();
    let calls = (0..100).map(|number| {
        let mut client = direct[number % SERVERS].server();
        async move { client.get_server_info(pb::GetServerInfoRequest {}).await }
    });
    let answers = join_all(calls).await;
    let passed = answers.iter().filter(|answer| answer.is_ok()).count();
    for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_reason(refused, Code::ResourceExhausted, ErrorReason::RateLimited);
    }
    assert_eq!(passed, 20);
    fleet.remove();
}

#[tokio::test]
async fn what_ends_or_begins_on_one_server_is_felt_on_the_others() {
    const TIMES: u32 = 40;
    let Some(fleet) = Fleet::start(&[("sessions.max_sessions", "100")]).await else { return };
    let ana = enrol(&fleet.channel(), &fleet.mail(), "ana", 1).await;
    let watching = ana.through(fleet.direct(0));
    let mut watch = watching.sessions().watch_session(pb::WatchSessionRequest::default()).await.unwrap().into_inner();
    watch.message().await.unwrap();

    let (mut heard, mut refused) = (Vec::new(), Vec::new());
    for number in 0..TIMES {
        // A sign-in at the second server is told to a watch at the first.
        let begun = Instant::now();
        let name = format!("Device {number}");
        let elsewhere = Actor::sign_in(fleet.direct(1), &ana.email, PASSWORD, &name);
        let (device, told) = tokio::join!(elsewhere, tokio::time::timeout(10 * SECOND, watch.message()));
        let device = device.unwrap();
        let Some(Event::Opened(opened)) = told.expect("the watch hears of it").unwrap().unwrap().event else {
            panic!("something else happened")
        };
        assert_eq!(opened.session_id, device.session_id());
        heard.push(begun.elapsed());

        // A sign-out at the third holds at the first and the second.
        let logout = pb::LogoutRequest { scope: pb::LogoutScope::This.into() };
        device.through(fleet.direct(2)).sessions().logout(logout).await.unwrap();
        let begun = Instant::now();
        for server in 0..2 {
            let there = device.through(fleet.direct(server));
            eventually_within(2 * SECOND, async || there.whoami().await.is_err()).await;
        }
        refused.push(begun.elapsed());
    }
    heard.sort();
    refused.sort();
    let (middle, last) = (heard.len() / 2, heard.len() - 1);
    println!(
        "a watch on another server heard of a sign-in, the sign-in itself included, after {:?} (median), {:?} (most); \
         a sign-out held on two others after {:?}, {:?}",
        heard[middle], heard[last], refused[middle], refused[last]
    );
    assert!(heard[last] < SECOND, "{heard:?}");
    fleet.remove();
}

#[tokio::test]
async fn with_no_server_left_the_proxy_says_unavailable_as_grpc_does() {
    let Some(proxy) = Proxy::before(&[NOWHERE; SERVERS]) else { return };
    let nobody = Actor::anonymous(channel_to(Arc::new(Mutex::new(proxy.address))));
    let refused = nobody.server().get_server_info(pb::GetServerInfoRequest {}).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Unavailable, "no instance answers; try again shortly"));
}
