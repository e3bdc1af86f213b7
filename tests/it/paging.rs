//! Long lists, walked to their ends, and page tokens that are not what they should be.

use std::time::Duration;

use backline::{
    entity::artist_application::{Entity, Model, State},
    kernel::ids::{AccountId, ApplicationId, Id},
};
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};

use crate::harness::{
    stages::{applied, artist, crowd},
    *,
};

/// A list of the API, and which part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Accounts(&'static str),
    Applications(&'static str),
    Artists { mine: bool },
    Attempts(&'static str),
    Tools,
    Found(&'static str),
}

/// One page: ids and the token of the next.
async fn page(actor: &Actor, list: List, page_size: i32, token: &str) -> Result<(Vec<String>, String), Status> {
    let page_token = token.to_owned();
    Ok(match list {
        List::Accounts(filter) => {
            let request = pb::ListAccountsRequest { page_size, page_token, filter: filter.into() };
            let reply = actor.admin().list_accounts(request).await?.into_inner();
            (reply.accounts.into_iter().map(|account| account.account_id).collect(), reply.next_page_token)
        }
        List::Applications(filter) => {
            let request = pb::ListApplicationsRequest { page_size, page_token, filter: filter.into() };
            let reply = actor.applications().list_applications(request).await?.into_inner();
            let ids = reply.applications.into_iter().map(|application| application.application_id);
            (ids.collect(), reply.next_page_token)
        }
        List::Artists { mine } => {
            let request = pb::ListArtistsRequest { mine, page_size, page_token };
            let reply = actor.artists().list_artists(request).await?.into_inner();
            (reply.artists.into_iter().map(|artist| artist.artist_id).collect(), reply.next_page_token)
        }
        List::Attempts(filter) => {
            let request = pb::ListLoginAttemptsRequest { page_size, page_token, filter: filter.into() };
            let reply = actor.admin().list_login_attempts(request).await?.into_inner();
            (reply.attempts.into_iter().map(|attempt| attempt.attempt_id).collect(), reply.next_page_token)
        }
        List::Tools => {
            let request = pb::ListServiceAccountsRequest { page_size, page_token };
            let reply = actor.admin().list_service_accounts(request).await?.into_inner();
            let ids = reply.service_accounts.into_iter().map(|tool| tool.account_id);
            (ids.collect(), reply.next_page_token)
        }
        List::Found(query) => {
            let request = pb::SearchRequest { query: query.into(), page_size, page_token, kinds: Vec::new() };
            let reply = actor.search().search(request).await?.into_inner();
            let id = |result: pb::SearchResult| match result.item.unwrap() {
                pb::search_result::Item::Artist(artist) => artist.artist_id,
                pb::search_result::Item::Track(track) => track.track_id,
            };
            (reply.results.into_iter().map(id).collect(), reply.next_page_token)
        }
    })
}

/// The sizes of all pages, and all ids.
async fn walk(actor: &Actor, list: List, page_size: i32) -> (Vec<usize>, Vec<String>) {
    let (mut sizes, mut walked, mut token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let (ids, next) = page(actor, list, page_size, &token).await.unwrap();
        sizes.push(ids.len());
        walked.extend(ids);
        if next.is_empty() {
            return (sizes, walked);
        }
        token = next;
    }
}

/// One application of each of these people, handed in at this moment, behind the back of the API.
async fn hand_in(world: &World, people: &[AccountId]) -> Vec<ApplicationId> {
    let (app, now) = (world.app(), world.now());
    let application = |applicant: &AccountId| Model {
        id: ApplicationId::new(now, &app.dice),
        applicant_id: *applicant,
        stage_name: "Night Bus".into(),
        biography: String::new(),
        links: "[]".into(),
        state: State::Submitted,
        artist_id: None,
        decided_by: None,
        decision_reason: None,
        decision_note: None,
        submitted_at: Some(now),
        decided_at: None,
        created_at: now,
        updated_at: now,
        row_version: 1,
    };
    let applications: Vec<Model> = people.iter().map(application).collect();
    let ids = applications.iter().map(|application| application.id).collect();
    let rows = applications.into_iter().map(|application| application.into_active_model().reset_all());
    Entity::insert_many(rows).exec_without_returning(app.db.for_migrations()).await.unwrap();
    ids
}

/// Newest first; of the same moment, the greater id first.
fn newest_first<T: Ord + ToString>(mut ids: Vec<T>) -> Vec<String> {
    ids.sort();
    ids.iter().rev().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_long_list_is_walked_without_gap_or_repeat_by_pages_of_any_size() {
    let world = World::start().await;
    let root = world.admin("root").await;
    world.advance(Duration::from_secs(1));
    let people = crowd(&world, 0..120).await;
    let applications = newest_first(hand_in(&world, &people).await);
    let mut accounts = newest_first(people);
    accounts.push(root.account_id().to_owned());

    assert_eq!(walk(&root, List::Accounts(""), 0).await, (vec![50, 50, 21], accounts.clone()));
    assert_eq!(walk(&root, List::Applications(""), 0).await, (vec![50, 50, 20], applications.clone()));
    for page_size in [7, 40, 120, 121, 1_000_000] {
        assert_eq!(walk(&root, List::Accounts("status = ACTIVE"), page_size).await.1, accounts, "{page_size}");
        let list = List::Applications("state = SUBMITTED");
        assert_eq!(walk(&root, list, page_size).await.1, applications, "{page_size}");
    }
    assert_eq!(walk(&root, List::Accounts("role = ADMIN"), 1).await, (vec![1], vec![root.account_id().to_owned()]));

    // Two hundred is the most that one page holds.
    world.advance(Duration::from_secs(1));
    crowd(&world, 120..200).await;
    assert_eq!(walk(&root, List::Accounts(""), 1_000_000).await.0, [200, 1]);
}

#[tokio::test]
async fn who_comes_while_a_list_is_read_does_not_shift_it() {
    let world = World::start().await;
    let root = world.admin("root").await;
    world.advance(Duration::from_secs(1));
    let people = crowd(&world, 0..10).await;
    let (first, token) = page(&root, List::Accounts(""), 5, "").await.unwrap();
    world.advance(Duration::from_secs(1));
    let late = world.account("late").await;
    let (second, token) = page(&root, List::Accounts(""), 5, &token).await.unwrap();
    assert_eq!([first, second].concat(), newest_first(people));
    let (last, token) = page(&root, List::Accounts(""), 5, &token).await.unwrap();
    assert_eq!((last, token), (vec![root.account_id().to_owned()], String::new()));
    assert_eq!(page(&root, List::Accounts(""), 1, "").await.unwrap().0, [late.account_id()]);
}

#[tokio::test]
async fn a_page_token_opens_for_its_own_caller_and_query_only() {
    let world = World::start().await;
    let (root, eva) = (world.admin("root").await, world.admin("eva").await);
    for name in ["Night Bus", "Night Coach"] {
        artist(&world, &eva, &root, name).await;
    }
    let ana = world.account("ana").await;
    for (actor, name) in [(&eva, "Three"), (&ana, "Four")] {
        applied(actor, name).await;
    }
    for display_name in ["Report", "Board"] {
        let (display_name, reason) = (display_name.to_owned(), "For the house".to_owned());
        let request = pb::CreateServiceAccountRequest { display_name, reason, ..Default::default() };
        root.admin().create_service_account(request).await.unwrap();
    }
    let lists = [
        List::Attempts(""),
        List::Attempts("outcome = SUCCEEDED"),
        List::Tools,
        List::Accounts(""),
        List::Accounts("role = ADMIN"),
        List::Applications(""),
        List::Applications("state = APPROVED"),
        List::Artists { mine: false },
        List::Artists { mine: true },
        List::Found("night"),
        List::Found("nigh"),
    ];
    for list in lists {
        let (first, token) = page(&eva, list, 1, "").await.unwrap();
        let (second, _) = page(&eva, list, 1, &token).await.unwrap();
        assert!(first.len() == 1 && second.len() == 1 && first != second, "{list:?}");
        // Another size on the way is fine.
        assert_eq!(page(&eva, list, 2, &token).await.unwrap().0[..1], second);

        let mut refused = vec![(page(&root, list, 1, &token).await, "another caller".to_owned())];
        for other in lists.into_iter().filter(|other| *other != list) {
            refused.push((page(&eva, other, 1, &token).await, format!("{other:?}")));
        }
        for at in 0..token.len() {
            refused.push((page(&eva, list, 1, &tampered(&token, at)).await, format!("changed at {at}")));
        }
        for nonsense in
            [&token[1..], &token[..token.len() - 1], &token.repeat(2), "A", "%%%", "\u{1f941}", &"A".repeat(10_000)]
        {
            refused.push((page(&eva, list, 1, nonsense).await, nonsense.to_owned()));
        }
        for (outcome, why) in refused {
            let refused = outcome.err().unwrap_or_else(|| panic!("{list:?} takes the token of {why}"));
            assert_reason(&refused, Code::InvalidArgument, ErrorReason::PageTokenInvalid);
        }
        let refused = page(&eva, list, -1, "").await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
        assert_eq!(violations(&refused), ["page_size"]);
    }
    world.run_jobs().await;
}
