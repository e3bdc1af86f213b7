//! What the command line makes of an account that exists: an administrator's, and nobody else's.

use std::time::Duration;

use backline::{
    admin::{self, NewStaff},
    kernel::Password,
};

use crate::{
    harness::{
        guests::{WRONG, words},
        world::email_of,
        *,
    },
    staff::told_of,
};

const NEW: &str = "eleven loud oceans rest";

async fn create(world: &World, email: &str) -> Result<(), String> {
    let new = NewStaff {
        email: email.parse().unwrap(),
        password: Password::new(NEW),
        display_name: "Administrator".to_owned(),
    };
    admin::create_administrator(world.app(), new).await.map(drop).map_err(|error| error.to_string())
}

async fn is_administrator(world: &World, email: &str) -> bool {
    let signed_in = world.login(email, NEW).await.unwrap();
    signed_in.admin().list_accounts(pb::ListAccountsRequest::default()).await.is_ok()
}

#[tokio::test]
async fn whoever_was_signed_in_before_is_out_on_every_server() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let device = ana.remember(&ana.email).await;
    let request = pb::StartPasswordResetRequest { email: ana.email.clone(), ..Default::default() };
    world.anonymous().accounts().start_password_reset(request).await.unwrap();
    let token = world.newest_letter_to(&ana.email).await.token().to_owned();
    let (second, channel) = world.second_server().await;
    let elsewhere = ana.through(channel);
    elsewhere.whoami().await.unwrap();

    create(&world, &ana.email).await.unwrap();
    eventually_within(Duration::from_secs(2), async || elsewhere.whoami().await.is_err()).await;
    let refused = ana.whoami().await.unwrap_err();
    assert_eq!(fact(&refused, "cause").as_deref(), Some("password_changed"));
    ana.refresh().await.unwrap_err();
    world.login(&ana.email, PASSWORD).await.err().unwrap();
    let letter = world.newest_letter_to(&ana.email).await;
    assert!(letter.subject.contains("password"), "{}", letter.subject);
    let request = pb::CompletePasswordResetRequest {
        token,
        new_password: "nine patient lanterns glow".into(),
        ..Default::default()
    };
    let refused = world.anonymous().accounts().complete_password_reset(request).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    let request = pb::LoginRequest { device_token: device, ..words(&ana.email, NEW) };
    assert!(world.anonymous().login_solving(request).await.is_ok(), "the device is known, if not trusted");
    assert!(is_administrator(&world, &ana.email).await);
    second.stop().await;
}

#[tokio::test]
async fn what_shut_the_owner_out_is_over() {
    let world = World::start().await;
    let (root, ana, eva) = (world.admin("root").await, world.account("ana").await, world.account("eva").await);
    for _ in 0..5 {
        world.anonymous().login_solving(words(&ana.email, WRONG)).await.unwrap_err();
    }
    world.run_jobs().await;
    let request = pb::SuspendAccountRequest {
        account_id: ana.account_id().into(),
        reason: "A mistake".into(),
        until_time: Some(prost_types::Timestamp { seconds: world.now().micros() / 1_000_000 + 3600, nanos: 0 }),
        ..Default::default()
    };
    root.admin().suspend_account(request.clone()).await.unwrap();
    eva.accounts().delete_account(pb::DeleteAccountRequest::default()).await.unwrap();
    // Shut out while it waits, besides.
    let request = pb::SuspendAccountRequest { account_id: eva.account_id().into(), until_time: None, ..request };
    root.admin().suspend_account(request).await.unwrap();
    world.run_jobs().await;
    world.advance(Duration::from_secs(1));
    for person in [&ana, &eva] {
        create(&world, &person.email).await.unwrap();
        world.run_jobs().await;
        assert!(is_administrator(&world, &person.email).await);
        let request = pb::GetAccountDetailsRequest { account_id: person.account_id().into() };
        let details = root.admin().get_account_details(request).await.unwrap().into_inner().details.unwrap();
        assert_eq!(details.account.unwrap().status(), pb::AccountStatus::Active);
        assert_eq!((details.suspend_until_time, details.delete_time, details.purge_time), (None, None, None));
        let told = told_of(&world, person.account_id()).await;
        assert!(told.iter().any(|(action, _)| action == "privilege_permissions_changed"), "{told:?}");
    }
    // The day on which eva was to be erased.
    world.advance(Duration::from_hours(15 * 24));
    world.run_jobs().await;
    assert!(is_administrator(&world, &eva.email).await);
}

#[tokio::test]
async fn neither_a_tool_nor_who_is_being_erased_becomes_one() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let request = pb::CreateServiceAccountRequest {
        display_name: "Nightly report".into(),
        reason: "For the report".into(),
        ..Default::default()
    };
    root.admin().create_service_account(request).await.unwrap();
    let request = pb::ListAccountsRequest { filter: "kind = SERVICE".into(), ..Default::default() };
    let tool = root.admin().list_accounts(request).await.unwrap().into_inner().accounts.remove(0).email;
    assert!(create(&world, &tool).await.unwrap_err().contains("internal tool"));
    let request = pb::EraseAccountRequest {
        account_id: ana.account_id().into(),
        reason: "Asked for by letter".into(),
        ..Default::default()
    };
    root.admin().erase_account(request).await.unwrap();
    assert!(create(&world, &ana.email).await.unwrap_err().contains("DELETED"));
    world.run_jobs().await;
    // Nothing is left of her, and the address is anybody's.
    create(&world, &email_of("ana")).await.unwrap();
    assert!(is_administrator(&world, &email_of("ana")).await);
}
