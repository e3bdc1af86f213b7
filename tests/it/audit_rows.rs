//! Which rows of the trail there are not, and whose those are that nobody asked for.

use std::collections::BTreeSet;

use backline::entity::audit_event::ActorKind;

use crate::{
    audit::{new_since, trail},
    harness::{
        audio,
        stages::{applied, uploaded},
        *,
    },
};

#[tokio::test]
async fn a_refused_act_leaves_no_row_and_a_repeated_one_leaves_one() {
    let world = World::start().await;
    let (ana, eva, rui) = (world.account("ana").await, world.account("eva").await, world.reviewer("rui").await);
    let application_id = applied(&ana, "Night Bus").await;
    let db = world.db().await;
    let before = trail(&db).await;
    let request = pb::ApproveApplicationRequest { application_id, request_id: request_id(1), ..Default::default() };
    for refused in [&world.anonymous(), &eva, &ana] {
        refused.applications().approve_application(request.clone()).await.unwrap_err();
    }
    assert_eq!(new_since(&before, trail(&db).await), []);
    for _ in 0..3 {
        rui.applications().approve_application(request.clone()).await.unwrap();
    }
    let again = pb::ApproveApplicationRequest { request_id: request_id(2), ..request };
    rui.applications().approve_application(again).await.unwrap_err();
    assert_eq!(new_since(&before, trail(&db).await).len(), 2, "the approval, and the role that came with it");
    world.run_jobs().await;
}

#[tokio::test]
async fn what_nobody_asked_for_is_written_down_as_the_server_s_own() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    uploaded(&world, &ana, &audio::wav(0.05, 1)).await;
    uploaded(&world, &ana, b"words and no sound, whatever the name says").await;
    let stolen = ana.refresh_token();
    for _ in 0..2 {
        ana.refresh().await.unwrap();
        ana.whoami().await.unwrap();
    }
    ana.refresh_with(&stolen).await.unwrap_err();
    let rows = trail(&world.db().await).await;
    let told: BTreeSet<_> = rows
        .iter()
        .filter(|row| row.actor_kind != ActorKind::Account)
        .map(|row| (row.actor_kind.to_string(), row.action.as_str(), row.reason.as_deref()))
        .collect();
    let of = |kind: &str, action, reason| (kind.to_owned(), action, reason);
    let expected = [
        of("anonymous", "authn_token_reuse", None),
        of("anonymous", "user_registration_started", None),
        of("system", "upload_finalized", None),
        of("system", "upload_rejected", Some("MEDIA_TYPE_NOT_ALLOWED")),
    ];
    assert_eq!(told, expected.into());
    world.run_jobs().await;
}
