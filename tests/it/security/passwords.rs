//! Changing a password, and which are accepted.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn a_new_password_ends_every_other_session_here_and_elsewhere() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (phone, eva) = (ana.on_another_device("Phone").await, world.account("eva").await);
    let (second, channel) = world.second_server().await;
    let there = phone.through(channel.clone());
    there.whoami().await.unwrap();

    assert_eq!(change_password(&ana, PASSWORD, NEW).await.unwrap(), 1);
    let refused = phone.whoami().await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::SessionRevoked);
    assert_eq!(fact(&refused, "cause").as_deref(), Some("password_changed"));
    eventually_within(Duration::from_secs(2), async || there.whoami().await.is_err()).await;
    phone.refresh().await.unwrap_err();
    for stays in [&ana, &ana.through(channel), &eva] {
        stays.whoami().await.unwrap();
    }
    assert_shut_out(world.login(&ana.email, PASSWORD).await);
    world.login(&ana.email, NEW).await.unwrap();
    let letter = world.newest_letter_to(&ana.email).await;
    assert_eq!(letter.subject, "Your password was changed");
    assert!(letter.link().starts_with("http://backline.test/undo?token="));
    second.stop().await;
}

#[tokio::test]
async fn a_wrong_current_password_counts_as_a_guess() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let phone = ana.on_another_device("Phone").await;
    for _ in 0..5 {
        let refused = change_password(&phone, "not the right one", NEW).await.unwrap_err();
        assert_reason(&refused, Code::Unauthenticated, ErrorReason::InvalidCredentials);
    }
    let refused = change_password(&phone, PASSWORD, NEW).await.unwrap_err();
    assert_reason(&refused, Code::ResourceExhausted, ErrorReason::RateLimited);
    assert_eq!(fact(&refused, "scope").as_deref(), Some("current_password"));
    assert!(details(&refused).retry_info().is_some() && details(&refused).quota_failure().is_some());
    world.advance(Duration::from_mins(14));
    change_password(&phone, PASSWORD, NEW).await.unwrap_err();

    // The owner's other device has tries of its own, and the window passes.
    change_password(&ana, "wrong once more", NEW).await.unwrap_err();
    world.advance(Duration::from_mins(1));
    phone.refresh().await.unwrap();
    change_password(&phone, PASSWORD, NEW).await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn every_rule_that_a_password_breaks_is_told_at_once() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let rejected = async |actor: &Actor, current: &str, new: &str, why: &[&str]| {
        let refused = change_password(actor, current, new).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::PasswordRejected);
        assert_eq!(violations(&refused), ["new_password"]);
        let facts = details(&refused).error_info().unwrap().metadata.clone();
        let mut told: Vec<_> = facts.keys().map(String::as_str).collect();
        told.sort_unstable();
        assert_eq!(told, why, "{new}");
    };
    rejected(&ana, PASSWORD, "password", &["breached", "guessable", "too_short"]).await;
    rejected(&ana, PASSWORD, "PasswordPassword", &["breached", "guessable"]).await;
    rejected(&ana, PASSWORD, "ana@example.org", &["guessable", "similar"]).await;
    rejected(&ana, PASSWORD, &"word ".repeat(40), &["too_long"]).await;
    rejected(&ana, PASSWORD, PASSWORD, &["unchanged"]).await;
    // The right password each time: none was counted as a guess for long. The staff's must be longer.
    let sam = world.admin("sam").await;
    rejected(&sam, PASSWORD, "kx8Qzv!mWp4%tR", &["too_short"]).await;
    change_password(&ana, PASSWORD, "kx8Qzv!mWp4%tR").await.unwrap();

    let refused = change_password(&ana, "", "").await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["current_password", "new_password"]);
    world.run_jobs().await;
}

#[tokio::test]
async fn a_repeated_change_gives_the_first_reply() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    ana.on_another_device("Phone").await;
    let request = pb::ChangePasswordRequest {
        current_password: PASSWORD.into(),
        new_password: NEW.into(),
        request_id: request_id(1),
    };
    for _ in 0..2 {
        let reply = ana.accounts().change_password(request.clone()).await.unwrap().into_inner();
        assert_eq!(reply.ended_count, 1);
    }
    let other = pb::ChangePasswordRequest { new_password: "another good enough secret".into(), ..request };
    let refused = ana.accounts().change_password(other).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::RequestIdReused);
    world.run_jobs().await;
    assert_eq!(world.letters_to(&ana.email).len(), 3, "to verify, to welcome, about the change");
}

#[tokio::test]
async fn anyone_can_read_which_passwords_are_accepted() {
    let world = World::start().await;
    let reply = world.anonymous().accounts().get_password_policy(pb::GetPasswordPolicyRequest {}).await.unwrap();
    let policy = reply.into_inner().policy.unwrap();
    assert_eq!((policy.min_length, policy.staff_min_length, policy.max_length, policy.min_score), (12, 15, 128, 3));
    assert_eq!(policy.checks, ["too_short", "too_long", "monotonous", "similar", "guessable", "breached", "unchanged"]);
}

#[tokio::test]
async fn a_list_of_breached_passwords_is_replaced_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("breached");
    let put = |text: &str| {
        let new = folder.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, &path).unwrap();
    };
    put("violet submarines sing\n");
    let world = World::with(&[("passwords.breached_list", path.to_str().unwrap())]).await;
    let ana = world.account("ana").await;
    let refused = change_password(&ana, PASSWORD, "violet submarines sing").await.unwrap_err();
    assert_eq!(fact(&refused, "breached").as_deref(), Some("true"));

    world.expect_error("the list of breached passwords could not be read");
    put("");
    change_password(&ana, PASSWORD, "violet submarines sing").await.unwrap_err();
    put("green submarines sing\n");
    change_password(&ana, PASSWORD, "violet submarines sing").await.unwrap();
    world.run_jobs().await;
}

#[tokio::test]
async fn a_session_that_was_ended_elsewhere_sets_no_password() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let stolen = ana.on_another_device("Stolen").await;
    let (second, channel) = world.second_server().await;
    let there = stolen.through(channel);
    there.whoami().await.unwrap();
    let revoke = pb::RevokeSessionRequest { session_id: stolen.session_id().to_owned() };
    ana.sessions().revoke_session(revoke).await.unwrap();
    // The other instance hears of it within two seconds; the password is not changed even before that.
    let refused = change_password(&there, PASSWORD, NEW).await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::SessionRevoked);
    assert_eq!(fact(&refused, "cause").as_deref(), Some("revoked"));
    world.login(&ana.email, PASSWORD).await.unwrap();
    world.run_jobs().await;
    second.stop().await;
}

#[tokio::test]
async fn request_ids_of_new_passwords_are_uuids() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let request = pb::ChangePasswordRequest {
        current_password: PASSWORD.into(),
        new_password: NEW.into(),
        request_id: "not-a-uuid".into(),
    };
    let refused = ana.accounts().change_password(request).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["request_id"]);
}
