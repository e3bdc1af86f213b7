//! Closing an account, coming back, and being forgotten.

use std::{path::Path, time::Duration};

use backline::{
    entity::{account, erasure_receipt},
    kernel::{Principal, ids::AccountId},
    privacy,
};
use sea_orm::EntityTrait;

use crate::harness::{
    closed, rows,
    stages::{submitted, track},
    *,
};

async fn delete(actor: &Actor, reason: &str) -> Result<pb::DeleteAccountResponse, Status> {
    let request = pb::DeleteAccountRequest { reason: reason.into(), ..Default::default() };
    Ok(actor.accounts().delete_account(request).await?.into_inner())
}

async fn cancel(world: &World, token: &str) -> Result<(), Status> {
    let request = pb::CancelDeletionRequest { token: token.into(), ..Default::default() };
    world.anonymous().accounts().cancel_deletion(request).await.map(drop)
}

async fn assert_whole(root: &Actor) {
    let found = root.audit().verify_chain(pb::VerifyChainRequest::default()).await.unwrap().into_inner();
    assert_eq!((found.broken_sequence, found.verified_count), (0, found.head_sequence), "{found:?}");
}

#[tokio::test]
async fn a_deleted_account_is_nobody_s_until_its_owner_comes_back() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let phone = ana.on_another_device("Phone").await;
    let reply = delete(&ana, "I have had enough").await.unwrap();
    let grace = reply.purge_time.unwrap().seconds - world.now().micros() / 1_000_000;
    assert_eq!(grace, 14 * 24 * 3600);
    for device in [&ana, &phone] {
        let refused = device.whoami().await.unwrap_err();
        assert_reason(&refused, Code::Unauthenticated, ErrorReason::SessionRevoked);
        assert_eq!(fact(&refused, "cause").as_deref(), Some("deleted"));
    }
    let refused = world.login(&ana.email, PASSWORD).await.err().unwrap();
    let unknown = world.login("nobody@example.org", PASSWORD).await.err().unwrap();
    assert_alike(&refused, &unknown);

    let letter = world.newest_letter_to(&ana.email).await;
    assert!(letter.text.contains("2026-03-15"), "{}", letter.text);
    world.advance(Duration::from_hours(13 * 24));
    world.run_jobs().await;
    for wrong in ["wrong", &tampered(letter.token(), 5)] {
        let refused = cancel(&world, wrong).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    }
    let refused = cancel(&world, "").await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    cancel(&world, letter.token()).await.unwrap();
    let refused = cancel(&world, letter.token()).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::TokenInvalidOrExpired);
    let ana = world.login(&ana.email, PASSWORD).await.unwrap();
    assert_eq!(ana.whoami().await.unwrap().status(), pb::AccountStatus::Active);
    world.advance(Duration::from_hours(10 * 24));
    world.run_jobs().await;
    world.login(&ana.email, PASSWORD).await.unwrap();
    let root = world.login(&root.email, PASSWORD).await.unwrap();
    assert_whole(&root).await;
}

#[tokio::test]
async fn deleting_wants_a_fresh_proof_and_leaves_an_administrator() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let refused = delete(&root, "").await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::LastAdmin);
    let refused = delete(&ana, "two\nlines").await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["reason"]);
    world.advance(Duration::from_mins(11));
    let refused = delete(&ana, "").await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::StepUpRequired);

    let second = world.admin("second").await;
    delete(&second, "").await.unwrap();
    let ana = world.login(&ana.email, PASSWORD).await.unwrap();
    let request = pb::DeleteAccountRequest { request_id: request_id(1), ..Default::default() };
    ana.accounts().delete_account(request).await.unwrap();
    world.run_jobs().await;
}

/// Everything that a person in this test types has the word «canary» in it.
struct Canary {
    actor: Actor,
    track_id: String,
}

async fn canary(studio: &Studio) -> Canary {
    let world = &studio.world;
    let actor = world.account("canary").await;
    let request = pb::UpdateAccountRequest {
        account: Some(pb::Account { display_name: "Canary Name".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
        request_id: request_id(7),
        ..Default::default()
    };
    actor.accounts().update_account(request).await.unwrap();
    Actor::sign_in(world.channel(), &actor.email, PASSWORD, "Canary Phone").await.unwrap();
    actor.login(&actor.email, "canary guesses wrong", "Canary Tablet").await.unwrap_err();
    let artist_id = actor.found_artist("Canary Stage", &studio.rui).await;
    let draft = track(world, &actor, &artist_id, "Canary Draft", 51).await;
    let offered = track(world, &actor, &artist_id, "Canary Offer", 52).await;
    submitted(&actor, &offered.track_id).await;
    world.run_jobs().await;
    Canary { actor, track_id: draft.track_id }
}

fn files_below(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found
}

async fn assert_forgotten(world: &World) {
    for (table, rows) in rows::all(&world.db().await).await {
        for row in rows {
            let text = row.to_lowercase();
            assert!(!text.contains("canary") && !text.contains(&hex::encode("anary")), "{table}: {row}");
        }
    }
    for (name, bytes) in files_below(world.folder.path()) {
        // What the database wrote over is its own business until it is vacuumed; its rows were searched.
        if name.contains("backline.db") {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        assert!(!text.contains("canary") && !name.contains("canary"), "{name}");
    }
}

#[tokio::test]
async fn a_person_who_is_erased_is_found_nowhere_and_the_chain_holds() {
    let studio = Studio::open().await;
    let world = &studio.world;
    let root = world.admin("root").await;
    let Canary { actor, track_id } = canary(&studio).await;
    let export = actor.accounts().start_data_export(pb::StartDataExportRequest::default()).await.unwrap();
    world.run_jobs().await;
    let export_id = export.into_inner().export.unwrap().export_id;
    let sounds = files_below(world.folder.path()).len();

    delete(&actor, "The canary has sung").await.unwrap();
    world.run_jobs().await;
    world.advance(Duration::from_hours(14 * 24 + 1));
    world.run_jobs().await;
    world.advance(Duration::from_hours(2));
    world.run_jobs().await;
    world.advance(Duration::from_mins(2));
    world.run_jobs().await;

    assert_forgotten(world).await;
    assert!(files_below(world.folder.path()).len() < sounds, "files are gone");
    let root = world.login(&root.email, PASSWORD).await.unwrap();
    assert_whole(&root).await;

    let id = actor.account_id().parse().unwrap();
    let db = world.db().await;
    let tombstone =
        account::Entity::find_by_id::<backline::kernel::ids::AccountId>(id).one(&db).await.unwrap().unwrap();
    assert!(tombstone.email.expose().ends_with("@erased.invalid"));
    assert_eq!(tombstone.status, account::Status::Deleted);
    let receipt = erasure_receipt::Entity::find_by_id(id).one(&db).await.unwrap().unwrap();
    assert_eq!((receipt.basis, receipt.state), (erasure_receipt::Basis::Owner, erasure_receipt::State::Done));
    let counts: serde_json::Value = serde_json::from_str(&receipt.counts).unwrap();
    assert!(counts["session"].as_u64() >= Some(2) && counts["track"] == 2 && counts["file"] == 2, "{counts}");

    // The rows of the trail are there; what was personal in them is not.
    let filter = format!("person = \"{}\"", actor.account_id());
    let request = pb::ListEventsRequest { filter, ..Default::default() };
    let events = root.audit().list_events(request).await.unwrap().into_inner().events;
    assert!(events.iter().any(|event| event.action == "user_deletion_started" && event.shredded));
    assert!(events.iter().all(|event| event.reason.is_empty() && event.private_facts.is_empty()));
    // What a reviewer did to the person is known with the reviewer's own address.
    let own = events.iter().filter(|event| event.actor_id != studio.rui.account_id());
    assert!(own.clone().count() > 5);
    own.for_each(|event| assert_eq!(event.address_prefix, "", "{event:?}"));

    // The address is free again, and whoever takes it is somebody else.
    let again = world.account("canary").await;
    assert_ne!(again.account_id(), actor.account_id());
    for id in [&track_id, &export_id] {
        again.tracks().get_track(pb::GetTrackRequest { track_id: id.clone() }).await.unwrap_err();
    }
}

#[tokio::test]
async fn staff_erase_at_once_and_an_interrupted_erasure_goes_on() {
    let studio = Studio::open().await;
    let world = &studio.world;
    let root = world.admin("root").await;
    let Canary { actor, .. } = canary(&studio).await;
    let id: AccountId = actor.account_id().parse().unwrap();
    let erase = async |account_id: &str| {
        let request = pb::EraseAccountRequest {
            account_id: account_id.into(),
            reason: "Asked by letter".into(),
            ..Default::default()
        };
        root.admin().erase_account(request).await
    };
    let refused = erase(root.account_id()).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::TargetIsStaff);
    erase(actor.account_id()).await.unwrap();
    erase(actor.account_id()).await.unwrap();
    actor.whoami().await.unwrap_err();

    // The second run finds half of it done.
    let db = world.db().await;
    closed::close(&db, "erasure_receipt").await;
    world.run_jobs().await;
    closed::open(&db, "erasure_receipt").await;
    for _ in 0..3 {
        world.advance(Duration::from_mins(5));
        world.run_jobs().await;
    }
    assert_forgotten(world).await;
    assert_whole(&world.login(&root.email, PASSWORD).await.unwrap()).await;
    let receipt = erasure_receipt::Entity::find_by_id(id).one(&db).await.unwrap().unwrap();
    assert_eq!((receipt.basis, receipt.state), (erasure_receipt::Basis::Staff, erasure_receipt::State::Done));
}

#[tokio::test]
async fn published_works_stay_withdrawn_and_shared_artists_go_on() {
    let studio = Studio::open().await;
    let (world, app) = (&studio.world, studio.world.app());
    studio.submission(pb::SubmissionState::Published, "Night Bus").await;
    let id = studio.ana.account_id().parse().unwrap();
    let found = async |actor: &Actor| {
        let request = pb::SearchRequest { query: "night bus".into(), ..Default::default() };
        actor.search().search(request).await.unwrap().into_inner().results.len()
    };
    assert_eq!(found(&studio.rui).await, 1);
    let tx = app.db.begin_write().await.unwrap();
    privacy::erase(&tx, app, id, Principal::Operator, None, "By law").await.unwrap();
    tx.commit().await.unwrap();
    world.run_jobs().await;
    assert_eq!(found(&studio.rui).await, 0);
    let kept = backline::entity::track::Entity::find().all(&world.db().await).await.unwrap();
    let kept: Vec<_> = kept.iter().map(|track| (track.title.as_str(), track.state)).collect();
    assert_eq!(kept, [("Night Bus", backline::entity::track::State::Withdrawn)]);
}
