//! Being forgotten.

use std::{net::Ipv4Addr, path::Path, time::Duration};

use backline::{
    entity::{
        account, artist,
        artist_member::{self, MemberRole},
        erasure_receipt, letter, request_record, session,
    },
    kernel::{Principal, ids::AccountId},
    notifications, privacy,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::{
    deletion::delete,
    harness::{
        audio, closed, guests, rows,
        stages::{submitted, track},
        *,
    },
    security,
};

/// Where the person calls from.
const HOME: Ipv4Addr = Ipv4Addr::new(127, 77, 66, 55);

pub async fn assert_whole(root: &Actor) {
    let found = root.audit().verify_chain(pb::VerifyChainRequest::default()).await.unwrap().into_inner();
    assert_eq!((found.broken_sequence, found.verified_count), (0, found.head_sequence), "{found:?}");
}

/// Everything that a person in this test types has the word «canary» in it.
struct Canary {
    actor: Actor,
    track_id: String,
}

async fn canary(studio: &Studio, root: &Actor) -> Canary {
    let world = &studio.world;
    let registration = world.register("canary.former").await;
    world.verify(&registration).await.unwrap();
    let home = guests::channel_from(world, HOME, "canary-client/1");
    let mut actor = Actor::sign_in(home, &registration.email, PASSWORD, "Canary Laptop").await.unwrap();
    security::move_to(world, &actor, "canary@example.org").await;
    actor.email = "canary@example.org".into();
    let request = pb::UpdateAccountRequest {
        account: Some(pb::Account { display_name: "Canary Name".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
        request_id: request_id(7),
        ..Default::default()
    };
    actor.accounts().update_account(request).await.unwrap();
    Actor::sign_in(world.channel(), &actor.email, PASSWORD, "Canary Phone").await.unwrap();
    actor.login(&actor.email, "canary guesses wrong", "Canary Tablet").await.unwrap_err();
    let artist_id = admitted(&actor, &studio.rui).await;
    let file = audio::wav(0.05, 53);
    let request = pb::CreateUploadRequest {
        purpose: pb::UploadPurpose::TrackAudio.into(),
        size_bytes: i64::try_from(file.len()).unwrap(),
        media_type: "audio/wav".into(),
        file_name: "canary take.wav".into(),
        ..Default::default()
    };
    let announced = actor.storage().create_upload(request).await.unwrap().into_inner().upload.unwrap();
    actor.send(&announced.upload_id, &file).await;
    let draft = track(world, &actor, &artist_id, "Canary Draft", 51).await;
    let offered = track(world, &actor, &artist_id, "Canary Offer", 52).await;
    submitted(&actor, &offered.track_id).await;
    add_factors(world, &actor).await;
    let request = pb::SetTierRequest {
        account_id: actor.account_id().into(),
        tier: pb::AccountTier::Premium.into(),
        reason: "The canary has paid".into(),
        request_id: request_id(8),
    };
    root.admin().set_tier(request).await.unwrap();
    world.run_jobs().await;
    Canary { actor, track_id: draft.track_id }
}

/// Becomes an artist. Returns the artist's id.
async fn admitted(actor: &Actor, reviewer: &Actor) -> String {
    let request = pb::CreateApplicationRequest {
        stage_name: "Canary Stage".into(),
        biography: "A canary since childhood".into(),
        links: vec!["https://example.org/canary".into()],
        ..Default::default()
    };
    let made = actor.applications().create_application(request).await.unwrap().into_inner().application.unwrap();
    let request = pb::SubmitApplicationRequest { application_id: made.application_id.clone(), ..Default::default() };
    actor.applications().submit_application(request).await.unwrap();
    let request = pb::ApproveApplicationRequest {
        application_id: made.application_id,
        note: "What a canary".into(),
        ..Default::default()
    };
    let approved = reviewer.applications().approve_application(request).await.unwrap().into_inner();
    approved.application.unwrap().artist_id
}

async fn add_factors(world: &World, actor: &Actor) {
    let request = pb::BeginTotpEnrollmentRequest { name: "Canary App".into(), ..Default::default() };
    let begun = actor.factors().begin_totp_enrollment(request).await.unwrap().into_inner();
    let code = Authenticator::scan(&begun.otpauth_uri).code(world);
    let request = pb::FinishTotpEnrollmentRequest { factor_id: begun.factor_id, code, ..Default::default() };
    let finished = actor.factors().finish_totp_enrollment(request).await.unwrap().into_inner();
    actor.keep_access_token(&finished.change.unwrap().access_token);
    let request = pb::BeginPasskeyRegistrationRequest { name: "Canary Key".into(), ..Default::default() };
    let begun = actor.factors().begin_passkey_registration(request).await.unwrap().into_inner();
    let request = pb::FinishPasskeyRegistrationRequest {
        flow_id: begun.flow_id,
        passkey_credential: Device::new().make(&begun.passkey_options),
        ..Default::default()
    };
    let finished = actor.factors().finish_passkey_registration(request).await.unwrap().into_inner();
    actor.keep_access_token(&finished.change.unwrap().access_token);
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

/// In rows, in files to their last byte (the database's own among them), and in the log.
async fn assert_forgotten(world: &World) {
    let home = HOME.to_string();
    for (table, rows) in rows::all(&world.db().await).await {
        for row in rows {
            let text = row.to_lowercase();
            assert!(!text.contains("canary") && !text.contains(&hex::encode("anary")), "{table}: {row}");
            assert!(!text.contains(&home), "{table}: {row}");
        }
    }
    for (name, bytes) in files_below(world.folder.path()) {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        for word in ["canary", &home] {
            let near = text.find(word).map(|at| text[..at + word.len()].chars().rev().take(80).collect::<String>());
            assert_eq!(near.map(|near| near.chars().rev().collect::<String>()), None, "{name}");
        }
        assert!(!name.contains("canary"), "{name}");
    }
    for line in world.logged() {
        assert!(!line.to_lowercase().contains("canary") && !line.contains(&home), "{line}");
    }
}

/// How many letters there are to these addresses.
async fn letters_to(world: &World, addresses: [&str; 2]) -> usize {
    let macs = addresses.map(|address| notifications::recipient_mac(world.app(), &address.parse().unwrap()));
    let to_these = letter::Column::RecipientMac.is_in(macs);
    letter::Entity::find().filter(to_these).all(&world.db().await).await.unwrap().len()
}

const MAILBOXES: [&str; 2] = ["canary.former@example.org", "canary.proposed@example.org"];

#[tokio::test]
async fn a_person_who_is_erased_is_found_nowhere_and_the_chain_holds() {
    let studio = Studio::open().await;
    let world = &studio.world;
    let root = world.admin("root").await;
    let Canary { actor, track_id } = canary(&studio, &root).await;
    let request = pb::StartEmailChangeRequest { new_email: MAILBOXES[1].into(), ..Default::default() };
    actor.accounts().start_email_change(request).await.unwrap();
    assert!(letters_to(world, MAILBOXES).await > 3);
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
    assert_eq!(letters_to(world, MAILBOXES).await, 0);
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
    assert!(counts["session"].as_u64() >= Some(2) && counts["track"] == 2 && counts["file"] == 3, "{counts}");

    // The rows of the trail are there; what was personal in them is not.
    let filter = format!("person = \"{}\"", actor.account_id());
    let request = pb::ListEventsRequest { filter, ..Default::default() };
    let events = root.audit().list_events(request).await.unwrap().into_inner().events;
    assert!(events.iter().any(|event| event.action == "user_deletion_started" && event.shredded));
    assert!(events.iter().all(|event| event.reason.is_empty() && event.private_facts.is_empty()));
    // What staff did to the person is known with their own address.
    let staff = [studio.rui.account_id(), root.account_id()];
    let own = events.iter().filter(|event| !staff.contains(&event.actor_id.as_str()));
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
    let Canary { actor, .. } = canary(&studio, &root).await;
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
    // Staff were told of the person when they set the tier.
    assert_eq!(request_record::Entity::find().all(&db).await.unwrap(), []);
    let receipt = erasure_receipt::Entity::find_by_id(id).one(&db).await.unwrap().unwrap();
    assert_eq!((receipt.basis, receipt.state), (erasure_receipt::Basis::Staff, erasure_receipt::State::Done));
}

/// Erases somebody as the law wants it.
async fn erase(world: &World, actor: &Actor) {
    let app = world.app();
    let tx = app.db.begin_write().await.unwrap();
    let id = actor.account_id().parse().unwrap();
    privacy::erase(&tx, app, id, Principal::Operator, None, "By law").await.unwrap();
    tx.commit().await.unwrap();
    world.run_jobs().await;
}

async fn found(actor: &Actor) -> usize {
    let request = pb::SearchRequest { query: "night bus".into(), ..Default::default() };
    actor.search().search(request).await.unwrap().into_inner().results.len()
}

#[tokio::test]
async fn published_works_stay_withdrawn() {
    let studio = Studio::open().await;
    let world = &studio.world;
    studio.submission(pb::SubmissionState::Published, "Night Bus").await;
    assert_eq!(found(&studio.rui).await, 1);
    erase(world, &studio.ana).await;
    assert_eq!(found(&studio.rui).await, 0);
    let index = rows::all(&world.db().await).await.into_iter().filter(|(table, _)| table.starts_with("search_index"));
    for (table, rows) in index {
        let forgotten = |row: &String| !row.to_lowercase().contains(&hex::encode("ight"));
        assert!(rows.iter().all(forgotten), "{table}: {rows:?}");
    }
    let kept = backline::entity::track::Entity::find().all(&world.db().await).await.unwrap();
    let kept: Vec<_> = kept.iter().map(|track| (track.title.as_str(), track.state)).collect();
    assert_eq!(kept, [("Night Bus", backline::entity::track::State::Withdrawn)]);
}

#[tokio::test]
async fn an_artist_with_members_goes_on_with_the_manager_of_longest_standing() {
    let studio = Studio::open().await;
    let world = &studio.world;
    let (viewer, manager) = (world.account("vic").await, &studio.eva);
    studio.let_in(&viewer, MemberRole::Viewer).await;
    world.advance(Duration::from_secs(1));
    studio.let_in(manager, MemberRole::Manager).await;
    studio.submission(pb::SubmissionState::Published, "Night Bus").await;
    erase(world, &studio.ana).await;

    assert_eq!(found(&studio.rui).await, 1, "it is heard as before");
    let db = world.db().await;
    let artist = artist::Entity::find().one(&db).await.unwrap().unwrap();
    assert_eq!((artist.owner_id.to_string().as_str(), artist.state), (manager.account_id(), artist::State::Active));
    let members = artist_member::Entity::find().all(&db).await.unwrap();
    let mut members: Vec<_> = members.iter().map(|member| (member.account_id.to_string(), member.role)).collect();
    members.sort_by_key(|(id, _)| id.clone());
    let mut expected = vec![
        (viewer.account_id().to_owned(), MemberRole::Viewer),
        (manager.account_id().to_owned(), MemberRole::Owner),
    ];
    expected.sort_by_key(|(id, _)| id.clone());
    assert_eq!(members, expected);
}

#[tokio::test]
async fn an_erased_person_s_token_is_refused_where_nobody_had_looked_yet() {
    let mut world = World::start().await;
    let ana = world.account("ana").await;
    let (second, channel) = world.second_server().await;
    let elsewhere = ana.through(channel);
    elsewhere.whoami().await.unwrap();
    erase(&world, &ana).await;
    let row = session::Entity::find().one(&world.db().await).await.unwrap().unwrap();
    assert_eq!((row.device_name.as_str(), row.user_agent.as_str(), row.address.as_str()), ("", "", ""));

    eventually(async || elsewhere.whoami().await.is_err()).await;
    second.stop().await;
    world.restart().await;
    let refused = ana.whoami().await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::SessionRevoked);
    let refused = ana.refresh().await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);

    world.advance(Duration::from_hours(91 * 24));
    world.run_jobs().await;
    assert_eq!(session::Entity::find().all(&world.db().await).await.unwrap(), [], "the sweep has taken it");
}

#[tokio::test]
async fn staff_who_are_erased_leave_no_address_where_they_looked() {
    let world = World::start().await;
    let (ana, root) = (world.account("ana").await, world.admin("root").await);
    let request = pb::StartImpersonationRequest {
        account_id: ana.account_id().into(),
        reason: "They see no tracks".into(),
        ..Default::default()
    };
    root.admin().start_impersonation(request).await.unwrap();
    erase(&world, &root).await;
    let looks = session::Entity::find().filter(session::Column::ImpersonatorId.is_not_null());
    let look = looks.one(&world.db().await).await.unwrap().unwrap();
    assert_eq!((look.user_agent.as_str(), look.address.as_str(), look.address_prefix.as_str()), ("", "", ""));
    assert_ne!(look.account_id.to_string(), root.account_id());
}
