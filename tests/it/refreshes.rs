//! Refreshing: rotation, its grace, reuse, and how long sessions live.

use std::time::Duration;

use backline::{
    entity::{login_attempt, registration, session},
    kernel::Clock,
};
use futures::future::join_all;
use sea_orm::EntityTrait;

use crate::harness::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn a_refresh_gives_a_new_pair_and_a_lost_reply_can_be_fetched_again() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let first = ana.refresh_token();

    let reply = ana.refresh_with(&first).await.unwrap();
    assert!(!reply.replayed);
    assert_eq!(reply.session_id, ana.session_id());
    world.advance(Duration::from_secs(29));
    let again = ana.refresh_with(&first).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.tokens, reply.tokens, "the very same pair");

    // Once the new pair is in use nobody who is honest has the old token.
    ana.keep(again.tokens.unwrap());
    ana.whoami().await.unwrap();
    let refused = ana.refresh_with(&first).await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::RefreshTokenReused);

    // The session is over for the thief and for the owner, who is told.
    let refused = ana.whoami().await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::SessionRevoked);
    assert_eq!(fact(&refused, "cause").as_deref(), Some("refresh_reuse"));
    let refused = ana.refresh().await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::RefreshTokenReused);
    let letter = world.newest_letter_to(&ana.email).await;
    assert_eq!(letter.subject, "A device was signed out for your safety");
    assert!(letter.text.contains("Laptop"));
    world.login(&ana.email, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn the_grace_for_lost_replies_ends_after_thirty_seconds() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let first = ana.refresh_token();
    ana.refresh().await.unwrap();
    world.advance(Duration::from_secs(30));
    let refused = ana.refresh_with(&first).await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::RefreshTokenReused);
    world.run_jobs().await;
}

#[tokio::test]
async fn a_token_two_generations_old_is_never_in_grace() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let first = ana.refresh_token();
    ana.refresh().await.unwrap();
    ana.refresh().await.unwrap();
    let refused = ana.refresh_with(&first).await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::RefreshTokenReused);
    world.run_jobs().await;
}

#[tokio::test]
async fn refreshes_at_the_same_moment_give_one_generation() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let token = ana.refresh_token();
    let replies = join_all((0..12).map(|_| ana.refresh_with(&token))).await;
    let pairs: Vec<pb::Tokens> = replies.into_iter().map(|reply| reply.unwrap().tokens.unwrap()).collect();
    assert!(pairs.iter().all(|pair| pair == &pairs[0]), "all got the same pair");

    let row = session::Entity::find().one(&world.db().await).await.unwrap().unwrap();
    assert_eq!((row.generation, row.ended_at), (1, None));
    ana.keep(pairs[0].clone());
    ana.whoami().await.unwrap();
}

/// As a client refreshes: again, when a busy server did not answer in time. Any other refusal fails the test.
async fn refresh_patiently(who: &Actor, token: &str) -> pb::RefreshSessionResponse {
    loop {
        match who.refresh_with(token).await {
            Ok(reply) => return reply,
            Err(late) => assert!(matches!(late.code(), Code::DeadlineExceeded | Code::Unavailable), "{late:?}"),
        }
    }
}

#[tokio::test]
async fn a_thousand_refreshes_at_once_on_two_instances_sign_nobody_out() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (other, channel) = world.second_server().await;
    let there = ana.through(channel);
    let token = ana.refresh_token();
    let calls = (0..1000).map(|number| refresh_patiently(if number % 2 == 0 { &ana } else { &there }, &token));
    let pairs: Vec<pb::RefreshSessionResponse> = join_all(calls).await;
    assert!(pairs.iter().all(|pair| pair.tokens == pairs[0].tokens), "all got the same pair");
    assert!(pairs.iter().filter(|pair| !pair.replayed).count() <= 1, "one refresh, and repeats of its reply");
    let row = session::Entity::find().one(&world.db().await).await.unwrap().unwrap();
    assert_eq!((row.generation, row.ended_at), (1, None));

    ana.keep(pairs[0].tokens.clone().unwrap());
    ana.refresh().await.unwrap();
    there.whoami().await.unwrap();
    let refused = there.refresh_with(&token).await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::RefreshTokenReused);
    let refused = ana.refresh().await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::RefreshTokenReused);
    assert_eq!(world.newest_letter_to(&ana.email).await.subject, "A device was signed out for your safety");
    other.stop().await;
}

#[tokio::test]
async fn a_reply_lost_after_the_commit_is_fetched_from_another_instance() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let first = ana.refresh_token();
    let reply = ana.refresh_with(&first).await.unwrap();
    let (other, channel) = world.second_server().await;
    let again = ana.through(channel.clone()).refresh_with(&first).await.unwrap();
    assert_eq!((again.replayed, &again.tokens), (true, &reply.tokens));

    // The pair's first use, wherever it is, ends the grace everywhere.
    ana.keep(again.tokens.unwrap());
    ana.through(channel).whoami().await.unwrap();
    let refused = ana.refresh_with(&first).await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::RefreshTokenReused);
    other.stop().await;
    world.run_jobs().await;
}

#[tokio::test]
async fn instances_whose_clocks_are_two_seconds_apart_honour_each_other_s_tokens() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    for (name, clock) in
        [("ahead", Clock::fixed(world.now() + 2 * SECOND)), ("behind", Clock::fixed(world.now() - 2 * SECOND))]
    {
        let (other, channel) = world.second_server_by(clock).await;
        let there = ana.through(channel);
        there.whoami().await.unwrap_or_else(|refused| panic!("{name}: {refused:?}"));
        let phone = there.on_another_device("Phone").await;
        let here = phone.through(world.channel());
        here.whoami().await.unwrap_or_else(|refused| panic!("{name}: {refused:?}"));
        // A reply lost there is given again here, and the session goes on both sides.
        let first = phone.refresh_token();
        let reply = phone.refresh_with(&first).await.unwrap();
        assert_eq!(here.refresh_with(&first).await.unwrap().tokens, reply.tokens, "{name}");
        phone.keep(reply.tokens.unwrap());
        here.refresh().await.unwrap();
        phone.refresh().await.unwrap();
        other.stop().await;
    }
    // Expired is expired, to the second.
    let life = ana.refresh().await.unwrap().tokens.unwrap().access_token_lifetime.unwrap();
    world.advance(Duration::from_secs(u64::try_from(life.seconds - 1).unwrap()));
    ana.whoami().await.unwrap();
    world.advance(2 * SECOND);
    let refused = ana.whoami().await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::AccessTokenExpired);
}

#[tokio::test]
async fn a_client_whose_clock_is_ten_minutes_wrong_stays_signed_in() {
    let world = World::start().await;
    for (name, offset) in [("ana", -600), ("bea", 600)] {
        let person = world.account(name).await;
        let own_clock = || world.now().micros() / 1_000_000 + offset;
        let mut tokens = person.refresh().await.unwrap().tokens.unwrap();
        // A day of calls, refreshed by the lifetime alone: no moment of the server is compared with the client's clock.
        let mut refresh_at = own_clock() + tokens.access_token_lifetime.unwrap().seconds - 60;
        for _ in 0..24 * 12 {
            world.advance(5 * MINUTE);
            if own_clock() + 300 >= refresh_at {
                let reply = person.refresh().await.unwrap();
                assert_eq!(reply.server_time.unwrap().seconds, world.now().micros() / 1_000_000, "the clock to go by");
                tokens = reply.tokens.unwrap();
                refresh_at = own_clock() + tokens.access_token_lifetime.unwrap().seconds - 60;
            }
            person.whoami().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_forged_refresh_token_ends_nothing() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let damaged = tampered(&ana.refresh_token(), 40);
    for forged in [damaged.as_str(), "", "blrt_", "blrt_AAAA", "ééé", &ana.access_token()] {
        let refused = ana.refresh_with(forged).await.unwrap_err();
        assert_reason(&refused, Code::Unauthenticated, ErrorReason::RefreshTokenInvalid);
    }
    ana.refresh().await.unwrap();
}

#[tokio::test]
async fn a_session_lives_thirty_days_unused_and_half_a_year_at_most() {
    let world = World::start().await;
    let (ana, bea) = (world.account("ana").await, world.account("bea").await);
    for _ in 0..8 {
        world.advance(20 * DAY);
        ana.refresh().await.unwrap();
    }
    let refused = bea.refresh().await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::RefreshTokenExpired);

    let left = ana.refresh().await.unwrap().tokens.unwrap().refresh_token_lifetime.unwrap();
    assert_eq!(left.seconds, 20 * 24 * 60 * 60, "no longer than the session");
    world.advance(20 * DAY);
    let refused = ana.refresh().await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::RefreshTokenExpired);
    world.login(&ana.email, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn staff_are_signed_out_sooner() {
    let world = World::start().await;
    let (rui, root) = (world.reviewer("rui").await, world.admin("root").await);
    for _ in 0..24 {
        world.advance(29 * MINUTE);
        rui.refresh().await.unwrap();
    }
    let refused = root.refresh().await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::RefreshTokenExpired);
    world.advance(29 * MINUTE);
    let refused = rui.refresh().await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::RefreshTokenExpired);
}

#[tokio::test]
async fn what_is_over_is_swept() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    world.register("bea").await;
    world.run_jobs().await;
    world.advance(31 * DAY);
    world.run_jobs().await;
    let row = session::Entity::find().one(&world.db().await).await.unwrap().unwrap();
    assert_eq!(row.end_cause, Some(session::EndCause::Expired));
    let refused = ana.refresh().await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::RefreshTokenExpired);

    world.advance(91 * DAY + HOUR);
    world.run_jobs().await;
    assert!(session::Entity::find().one(&world.db().await).await.unwrap().is_none());
    assert!(login_attempt::Entity::find().one(&world.db().await).await.unwrap().is_none());
    let left = registration::Entity::find().all(&world.db().await).await.unwrap();
    assert!(left.is_empty());
}

#[tokio::test]
async fn whoever_was_shut_out_hears_why_the_session_ended() {
    let world = World::start().await;
    let (root, ana, bea) = (world.admin("root").await, world.account("ana").await, world.account("bea").await);
    let suspend = pb::SuspendAccountRequest {
        account_id: ana.account_id().into(),
        reason: "Asked for by letter".into(),
        ..Default::default()
    };
    root.admin().suspend_account(suspend).await.unwrap();
    bea.accounts().delete_account(pb::DeleteAccountRequest::default()).await.unwrap();
    for (who, cause) in [(&ana, "suspended"), (&bea, "deleted")] {
        let refused = who.refresh().await.unwrap_err();
        assert_reason(&refused, Code::Unauthenticated, ErrorReason::SessionRevoked);
        assert_eq!(fact(&refused, "cause").as_deref(), Some(cause));
    }
    world.run_jobs().await;
}
