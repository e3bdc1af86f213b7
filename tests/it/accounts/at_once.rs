//! Registrations and proofs that come twice, or at the same time.

use futures::future::join_all;

use super::*;

#[tokio::test]
async fn two_who_register_one_address_at_once_wait_side_by_side() {
    let world = World::start().await;
    let anyone = world.anonymous();
    let ask = async || {
        let request = registering("ana@example.org", PASSWORD, "");
        anyone.accounts().register(request).await.unwrap().into_inner()
    };
    let (one, other) = tokio::join!(ask(), ask());
    assert_ne!(one.registration_id, other.registration_id);
    world.run_jobs().await;
    assert_eq!(world.letters_to("ana@example.org").len(), 2);
}

#[tokio::test]
async fn one_registration_sent_twice_at_once_is_one() {
    let world = World::start().await;
    let anyone = world.anonymous();
    let ask = async || {
        let request = registering("ana@example.org", PASSWORD, &request_id(1));
        anyone.accounts().register(request).await.unwrap().into_inner()
    };
    let (one, other) = tokio::join!(ask(), ask());
    assert_eq!(one, other);
    world.run_jobs().await;
    assert_eq!(world.letters_to("ana@example.org").len(), 1);
}

#[tokio::test]
async fn a_link_pressed_twice_at_once_opens_one_account() {
    let world = World::start().await;
    let ana = world.register("ana").await;
    let token = world.newest_letter_to(&ana.email).await.token().to_owned();
    let outcomes = join_all((0..4).map(|_| verify_by_token(&world, &token))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for refused in outcomes.into_iter().filter_map(Result::err) {
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    }
}

#[tokio::test]
async fn of_two_proofs_of_one_address_at_once_one_opens_it() {
    let world = World::start().await;
    let mut proofs = Vec::new();
    for _ in 0..4 {
        let waiting = world.register("ana").await;
        proofs.push((waiting.id, world.newest_letter_to(&waiting.email).await.code().to_owned()));
    }
    let outcomes = join_all(proofs.iter().map(|(id, code)| verify_by_code(&world, id, code))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for refused in outcomes.into_iter().filter_map(Result::err) {
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    }
    world.login("ana@example.org", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn an_answer_without_a_letter_is_kept_like_any_other() {
    let world = World::start().await;
    let ana = world.register("ana").await;
    world.run_jobs().await;
    for (number, id) in (1..).zip([ana.id.as_str(), "reg_01h455vb4pex5vsknk084sn02q"]) {
        let request = pb::ResendVerificationRequest { registration_id: id.to_owned(), request_id: request_id(number) };
        let ask = async || {
            let reply = world.anonymous().accounts().resend_verification(request.clone()).await.unwrap();
            reply.into_inner().resend_after.unwrap().seconds
        };
        let first = ask().await;
        world.advance(MINUTE);
        assert_eq!(ask().await, first);
    }
    assert_eq!(world.run_jobs().await, 0, "no letter went out later");
}
