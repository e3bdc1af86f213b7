//! Data of earlier releases, on the schema of this one: nobody is locked out, nothing is lost.

use std::time::Duration;

use backline::entity::{
    account, artist_application, audit_event,
    login_attempt::{self, Verdict},
    registration, session, upload,
};
use sea_orm::{ActiveEnum, EntityTrait, PaginatorTrait, QueryOrder};

use crate::harness::{database::is_postgres, *};

/// Migrations of the first release.
pub const FIRST: u32 = 14;
pub const OLD_PASSWORD: &str = "rivers under old bridges";

/// What the first release had stored when it was stopped, on 2026-11-23.
pub fn first_release() -> &'static str {
    if is_postgres() { include_str!("first_postgres.sql") } else { include_str!("first_sqlite.sql") }
}

async fn upgraded() -> World {
    let mut world = World::start().await;
    world.upgrade_from(FIRST, first_release()).await;
    world.advance(Duration::from_hours(24 * 268));
    world
}

#[tokio::test]
async fn no_row_of_the_first_release_is_lost() {
    let world = upgraded().await;
    let db = world.db().await;
    assert_eq!(account::Entity::find().count(&db).await.unwrap(), 3);
    assert_eq!(registration::Entity::find().count(&db).await.unwrap(), 3);
    let attempts = login_attempt::Entity::find().order_by_asc(login_attempt::Column::Id).all(&db).await.unwrap();
    let verdicts: Vec<_> = attempts.iter().map(|attempt| attempt.verdict).collect();
    assert_eq!(verdicts, [Some(Verdict::Right), Some(Verdict::Wrong), Some(Verdict::Right)]);
    assert!(attempts.iter().all(|attempt| attempt.counter == attempt.identifier_mac), "all were strangers");
    assert_eq!(audit_event::Entity::find().count(&db).await.unwrap(), 11);
    assert_eq!(artist_application::Entity::find().count(&db).await.unwrap(), 1);
    assert_eq!(upload::Entity::find().count(&db).await.unwrap(), 1);
    let sessions = session::Entity::find().order_by_asc(session::Column::Id).all(&db).await.unwrap();
    let [phone, laptop] = sessions.as_slice() else { panic!("two sessions, not {}", sessions.len()) };
    assert_eq!((phone.device_name.as_str(), phone.generation, phone.remember_device), ("Old phone", 1, true));
    assert!(phone.ended_at.is_none() && phone.successor_sealed.is_some());
    assert_eq!(laptop.end_cause.map(|cause| cause.to_value()), Some("logout".to_owned()));
}

#[tokio::test]
async fn people_of_the_first_release_go_on() {
    let world = upgraded().await;
    let ana = world.login("ana@example.org", OLD_PASSWORD).await.unwrap();
    let sessions =
        ana.sessions().list_sessions(pb::ListSessionsRequest::default()).await.unwrap().into_inner().sessions;
    let names: Vec<&str> = sessions.iter().map(|session| session.device_name.as_str()).collect();
    assert_eq!(names, ["Laptop", "Old phone"]);
    let mine = pb::GetMyApplicationRequest::default();
    let application = ana.applications().get_my_application(mine).await.unwrap().into_inner().application.unwrap();
    assert_eq!(application.stage_name, "Ana Sol");

    let waiting = world.login("waiting@example.org", OLD_PASSWORD).await.err().unwrap();
    assert_reason(&waiting, Code::PermissionDenied, ErrorReason::AccountNotVerified);
    let root = world.login("root@example.org", "seventeen blue herons wading").await.unwrap();
    let listed = root.admin().list_accounts(pb::ListAccountsRequest::default()).await.unwrap().into_inner().accounts;
    assert_eq!(listed.len(), 3);
    // They hear of sign-ins by a program that their earlier sessions did not have.
    world.run_jobs().await;
}
