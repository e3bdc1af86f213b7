//! Refreshing: rotation, its grace, reuse, and how long sessions live.

use std::time::Duration;

use backline::entity::{login_attempt, registration, session};
use futures::future::join_all;
use sea_orm::EntityTrait;

use crate::harness::*;

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
