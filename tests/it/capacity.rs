//! More passwords than the machine can hash at once.

use backline::kernel::Password;
use tokio::task::JoinHandle;

use crate::harness::*;

/// One hash at a time, each of half a second: nobody waits through a whole queue of them within a test's first calls.
const SLOW: [(&str, &str); 3] =
    [("passwords.permits", "1"), ("passwords.memory_kib", "65536"), ("passwords.passes", "10")];

/// Passwords that fill the queue: one is hashed, four wait.
async fn crowd(world: &World) -> Vec<JoinHandle<()>> {
    let hashes = (0..5).map(|_| {
        let hasher = world.app().hasher.clone();
        tokio::spawn(async move { drop(hasher.hash(&Password::new("one of the crowd")).await) })
    });
    let hashes = hashes.collect();
    // Everyone takes their place.
    tokio::task::yield_now().await;
    hashes
}

async fn disperse(crowd: Vec<JoinHandle<()>>) {
    for hash in crowd {
        hash.await.unwrap();
    }
}

#[track_caller]
fn assert_crowded<T: std::fmt::Debug>(outcome: Result<T, Status>) {
    let refused = outcome.unwrap_err();
    assert_reason(&refused, Code::ResourceExhausted, ErrorReason::LoginCapacity);
    let wait = details(&refused).retry_info().and_then(|info| info.retry_delay).unwrap();
    assert!((1000..=3000).contains(&wait.as_millis()), "{wait:?}");
}

#[tokio::test]
async fn whoever_comes_to_a_full_queue_is_told_when_to_come_again() {
    let world = World::with(&SLOW).await;
    let (ana, anyone) = (world.account("ana").await, world.anonymous());
    let start = pb::StartPasswordResetRequest { email: ana.email.clone(), ..Default::default() };
    anyone.accounts().start_password_reset(start).await.unwrap();
    let reset = pb::CompletePasswordResetRequest {
        token: world.newest_letter_to(&ana.email).await.token().to_owned(),
        new_password: "eleven loud oceans rest".into(),
        ..Default::default()
    };
    let register = pb::RegisterRequest {
        email: "bea@example.org".into(),
        password: PASSWORD.into(),
        display_name: "Bea".into(),
        ..Default::default()
    };
    let crowd = crowd(&world).await;
    assert_crowded(anyone.login(&ana.email, PASSWORD, "").await);
    assert_crowded(anyone.accounts().register(register).await);
    assert_crowded(anyone.accounts().complete_password_reset(reset.clone()).await);
    disperse(crowd).await;
    // Nothing was spent.
    anyone.accounts().complete_password_reset(reset).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn a_password_that_was_not_judged_costs_no_try() {
    let world = World::with(&SLOW).await;
    let ana = world.account("ana").await;
    let password = || Some(pb::step_up_request::Proof::Password(PASSWORD.into()));
    let change = || pb::ChangePasswordRequest {
        current_password: PASSWORD.into(),
        new_password: "eleven loud oceans rest".into(),
        ..Default::default()
    };
    let crowd = crowd(&world).await;
    for _ in 0..6 {
        assert_crowded(ana.step_up(password()).await);
        assert_crowded(ana.accounts().change_password(change()).await);
    }
    disperse(crowd).await;
    ana.step_up(password()).await.unwrap();
    ana.accounts().change_password(change()).await.unwrap();
    world.run_jobs().await;
}
