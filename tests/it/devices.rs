//! Known devices: remembered, listed, forgotten; and the letter about one that is not known.

use std::time::Duration;

use backline::{
    entity::{device, session},
    kernel::{Digest, ids::AccountId},
    sessions::devices,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use crate::harness::{
    guests::{address, caller_from, right_words, signed_in, words},
    *,
};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);
const ANA: &str = "ana@example.org";

async fn list(actor: &Actor, page_size: i32, page_token: &str) -> Result<pb::ListDevicesResponse, Status> {
    let request = pb::ListDevicesRequest { page_size, page_token: page_token.to_owned() };
    Ok(actor.sessions().list_devices(request).await?.into_inner())
}

async fn forget(actor: &Actor, device_id: &str, request_id: &str) -> Result<(), Status> {
    let request = pb::ForgetDeviceRequest { device_id: device_id.to_owned(), request_id: request_id.to_owned() };
    actor.sessions().forget_device(request).await.map(drop)
}

fn with_token(token: &str) -> pb::LoginRequest {
    pb::LoginRequest { device_token: token.to_owned(), ..right_words(ANA) }
}

/// Signs in and asks to be remembered.
async fn remembered(world: &World, name: &str, token: &str) -> (Actor, pb::SignedIn) {
    let request = pb::LoginRequest { remember_device: true, device_name: name.into(), ..with_token(token) };
    let actor = world.anonymous();
    let reply = signed_in(actor.try_login(request).await);
    actor.keep(reply.tokens.clone().unwrap());
    (actor, reply)
}

#[tokio::test]
async fn a_device_is_remembered_when_the_person_asks_for_it() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    assert_eq!(list(&ana, 0, "").await.unwrap().devices, []);

    let (laptop, first) = remembered(&world, "Laptop", "").await;
    assert!(first.device_token.starts_with("bldt_"));
    assert_eq!(first.session.unwrap().device_id, first.device_id);
    world.advance(DAY);
    let (again, second) = remembered(&world, "", &first.device_token).await;
    assert_eq!((second.device_token.as_str(), &second.device_id), ("", &first.device_id), "shown once");

    let listed = list(&again, 0, "").await.unwrap().devices;
    assert_eq!(listed.len(), 1);
    let device = &listed[0];
    assert_eq!((device.name.as_str(), device.current), ("Laptop", true), "an empty name renames nothing");
    let seconds = |time: &Option<prost_types::Timestamp>| time.as_ref().unwrap().seconds;
    assert_eq!(seconds(&device.last_used_time) - seconds(&device.create_time), 24 * 60 * 60);
    assert_eq!(seconds(&device.expire_time) - seconds(&device.last_used_time), 180 * 24 * 60 * 60);
    assert_eq!(device.trusted_until_time, None, "no second factor was passed");
    laptop.refresh().await.unwrap();
    assert!(list(&laptop, 0, "").await.unwrap().devices[0].current);

    // Stored as a hash, as every token.
    let rows = device::Entity::find().all(&world.db().await).await.unwrap();
    assert!(rows[0].token_sha256 == Digest::sha256(first.device_token.as_bytes()));
}

#[tokio::test]
async fn a_token_that_is_not_a_known_device_s_counts_as_none() {
    let world = World::start().await;
    world.account("ana").await;
    let (_, laptop) = remembered(&world, "Laptop", "").await;
    let token = &laptop.device_token;
    let bea = world.account("bea").await;
    let request = pb::LoginRequest { remember_device: true, ..right_words(&bea.email) };
    let of_bea = signed_in(world.anonymous().try_login(request).await).device_token;
    for other in ["nonsense", "bldt_AAAA", &tampered(token, 20), &tampered(token, token.len() - 5), &of_bea] {
        let reply = signed_in(world.anonymous().try_login(with_token(other)).await);
        assert!(reply.device_id.is_empty(), "{other}");
    }
    let refused = world.anonymous().try_login(with_token(&"b".repeat(300))).await.unwrap_err();
    assert_eq!(violations(&refused), ["device_token"]);

    // Unused for too long.
    world.advance(180 * DAY);
    let reply = signed_in(world.anonymous().try_login(with_token(token)).await);
    assert!(reply.device_id.is_empty());
    let ana = world.login(ANA, PASSWORD).await.unwrap();
    assert_eq!(list(&ana, 0, "").await.unwrap().devices, []);
}

#[tokio::test]
async fn devices_are_listed_newest_first_page_by_page_and_forgotten_one_by_one() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let mut ids = Vec::new();
    let mut tokens = Vec::new();
    for name in ["Laptop", "Phone", "Tablet"] {
        world.advance(MINUTE);
        let (_, reply) = remembered(&world, name, "").await;
        ids.insert(0, reply.device_id);
        tokens.insert(0, reply.device_token);
    }
    let first = list(&ana, 2, "").await.unwrap();
    let rest = list(&ana, 2, &first.next_page_token).await.unwrap();
    let listed = first.devices.iter().chain(&rest.devices).map(|device| device.device_id.clone());
    assert_eq!(listed.collect::<Vec<_>>(), ids);
    assert_eq!(rest.next_page_token, "");
    let bea = world.account("bea").await;
    for (who, token) in [(&bea, first.next_page_token.as_str()), (&ana, "nonsense")] {
        assert_reason(&list(who, 2, token).await.unwrap_err(), Code::InvalidArgument, ErrorReason::PageTokenInvalid);
    }
    assert_eq!(violations(&list(&ana, -1, "").await.unwrap_err()), ["page_size"]);

    forget(&ana, &ids[1], &request_id(1)).await.unwrap();
    forget(&ana, &ids[1], &request_id(1)).await.unwrap();
    forget(&ana, &ids[1], "").await.unwrap();
    let left = list(&ana, 0, "").await.unwrap().devices;
    assert_eq!(left.iter().map(|device| &device.device_id).collect::<Vec<_>>(), [&ids[0], &ids[2]]);
    let reply = signed_in(world.anonymous().try_login(with_token(&tokens[1])).await);
    assert!(reply.device_id.is_empty(), "its token is worth nothing");
    let refused = forget(&ana, &ids[0], &request_id(1)).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::RequestIdReused);

    // Foreign, absent and malformed ids: the same answer.
    let foreign = forget(&bea, &ids[0], "").await.unwrap_err();
    assert_reason(&foreign, Code::NotFound, ErrorReason::ResourceNotFound);
    for id in ["dev_01h455vb4pex5vsknk084sn02q", "dev_1", ana.session_id(), "nonsense", ""] {
        assert_alike(&foreign, &forget(&bea, id, "").await.unwrap_err());
    }
    let refused = forget(&ana, &ids[0], "not a uuid").await.unwrap_err();
    assert_eq!(violations(&refused), ["request_id"]);

    world.advance(11 * MINUTE);
    let stale = forget(&ana, &ids[0], "").await.unwrap_err();
    assert_reason(&stale, Code::FailedPrecondition, ErrorReason::StepUpRequired);
}

#[tokio::test]
async fn the_least_recently_used_device_makes_room() {
    let world = World::with(&[("devices.max_devices", "2")]).await;
    let ana = world.account("ana").await;
    let (_, laptop) = remembered(&world, "Laptop", "").await;
    world.advance(MINUTE);
    let (_, phone) = remembered(&world, "Phone", "").await;
    world.advance(MINUTE);
    remembered(&world, "Laptop", &laptop.device_token).await;
    world.advance(MINUTE);
    let (_, tablet) = remembered(&world, "Tablet", "").await;
    let left = list(&ana, 0, "").await.unwrap().devices;
    let left: Vec<&str> = left.iter().map(|device| device.device_id.as_str()).collect();
    assert_eq!(left, [&tablet.device_id, &laptop.device_id]);
    let reply = signed_in(world.anonymous().try_login(with_token(&phone.device_token)).await);
    assert!(reply.device_id.is_empty());
}

#[tokio::test]
async fn trust_is_taken_from_all_devices_and_all_can_be_forgotten() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    remembered(&world, "Laptop", "").await;
    let (app, db) = (world.app(), world.db().await);
    let until = world.now() + 30 * DAY;
    let trust = device::Entity::update_many().col_expr(device::Column::TrustedUntil, Expr::value(until));
    trust.filter(device::Column::ForgottenAt.is_null()).exec(&db).await.unwrap();
    assert!(list(&ana, 0, "").await.unwrap().devices[0].trusted_until_time.is_some());
    let row = device::Entity::find().one(&db).await.unwrap().unwrap();
    assert!(devices::is_trusted(&row, world.now()) && !devices::is_trusted(&row, until));

    let id: AccountId = ana.account_id().parse().unwrap();
    let tx = app.db.begin_write().await.unwrap();
    devices::distrust(&tx, id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(list(&ana, 0, "").await.unwrap().devices[0].trusted_until_time, None);
    let tx = app.db.begin_write().await.unwrap();
    assert_eq!(devices::forget_all(&tx, app, id).await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert_eq!(list(&ana, 0, "").await.unwrap().devices, []);
}

#[tokio::test]
async fn a_sign_in_from_nowhere_known_is_told_to_the_owner() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let told = || world.letters_to(ANA).iter().filter(|letter| letter.subject.contains("new device")).count();
    world.run_jobs().await;
    assert_eq!(told(), 0, "the first sign-in of all is no news");
    // The same program on the same network.
    ana.on_another_device("Laptop").await;
    world.run_jobs().await;
    assert_eq!(told(), 0);

    let elsewhere = caller_from(&world, address(0));
    let request = pb::LoginRequest { device_name: "Kiosk".into(), remember_device: true, ..right_words(ANA) };
    let kiosk = signed_in(elsewhere.try_login(request).await);
    let letter = world.newest_letter_to(ANA).await;
    assert_eq!(told(), 1);
    assert!(letter.text.contains("Kiosk") && letter.text.contains("127.10.0.1/32"), "{}", letter.text);
    assert!(letter.text.contains("2026-03-01 00:00 UTC"), "{}", letter.text);
    assert!(letter.link().starts_with("http://backline.test/undo?token="));

    // A known device is at home everywhere, and a wrong password is no sign-in.
    let moved = caller_from(&world, address(1));
    signed_in(moved.try_login(with_token(&kiosk.device_token)).await);
    moved.try_login(words(ANA, "wrong")).await.unwrap_err();
    world.run_jobs().await;
    assert_eq!(told(), 1);
    let sessions = session::Entity::find().filter(session::Column::DeviceId.is_not_null());
    assert_eq!(sessions.all(&world.db().await).await.unwrap().len(), 2);
}

#[tokio::test]
async fn forgotten_and_expired_devices_are_swept() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (_, laptop) = remembered(&world, "Laptop", "").await;
    remembered(&world, "Phone", "").await;
    forget(&ana, &laptop.device_id, "").await.unwrap();
    world.advance(91 * DAY);
    world.run_jobs().await;
    let left = async || device::Entity::find().all(&world.db().await).await.unwrap().len();
    assert_eq!(left().await, 1);
    world.advance(180 * DAY);
    world.run_jobs().await;
    assert_eq!(left().await, 0);
}
