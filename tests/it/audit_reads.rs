//! Reading the audit trail: who may, what a filter finds, what an export leaves.

use crate::harness::*;

async fn list(actor: &Actor, filter: &str, page_size: i32, page_token: &str) -> Result<pb::ListEventsResponse, Status> {
    let request = pb::ListEventsRequest { filter: filter.into(), page_size, page_token: page_token.into() };
    Ok(actor.audit().list_events(request).await?.into_inner())
}

async fn export(actor: &Actor, after_sequence: i64, reason: &str) -> Result<Vec<pb::AuditEvent>, Status> {
    let request = pb::ExportEventsRequest { after_sequence, reason: reason.into() };
    let mut stream = actor.audit().export_events(request).await?.into_inner();
    let mut events = Vec::new();
    while let Some(some) = stream.message().await? {
        events.extend(some.events);
    }
    Ok(events)
}

#[tokio::test]
async fn a_filter_finds_its_rows_and_pages_leave_none_out() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let ana = world.account("ana").await;
    world.advance(std::time::Duration::from_hours(24));
    let root = world.login(&root.email, PASSWORD).await.unwrap();
    world.login(&ana.email, PASSWORD).await.unwrap();

    let all = list(&root, "", 0, "").await.unwrap().events;
    let (mut paged, mut token) = (Vec::new(), String::new());
    loop {
        let page = list(&root, "", 2, &token).await.unwrap();
        paged.extend(page.events);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(paged, all);
    let id = ana.account_id();
    for (filter, actions) in [
        (format!("actor = \"{id}\""), vec!["authn_login_success", "authn_login_success", "user_created"]),
        (format!("subject = \"{id}\""), vec!["user_created"]),
        (format!("person = \"{id}\" AND action = user_created"), vec!["user_created"]),
        ("since = \"2026-03-02T00:00:00Z\"".to_owned(), vec!["authn_login_success", "authn_login_success"]),
        (format!("actor = \"{id}\" AND until = \"2026-03-02T00:00:00Z\""), vec!["authn_login_success", "user_created"]),
        ("until = \"2026-03-01T00:00:00Z\"".to_owned(), vec![]),
    ] {
        let found = list(&root, &filter, 0, "").await.unwrap().events;
        // What happened in the same moment is in no order, and the clock stands.
        let mut found: Vec<&str> = found.iter().map(|event| event.action.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, actions, "{filter}");
    }
    let signed_in = &all[0];
    assert_eq!((signed_in.address_prefix.as_str(), signed_in.shredded), ("127.0.0.1/32", false));
    assert!(signed_in.subject_id.starts_with("ses_") && signed_in.person_id.starts_with("acc_"));

    for bad in ["actor = ana", "colour = red", "since = yesterday"] {
        assert_reason(&list(&root, bad, 0, "").await.unwrap_err(), Code::InvalidArgument, ErrorReason::FilterInvalid);
    }
    let refused = list(&root, "", -1, "").await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    let other = list(&root, "", 1, "").await.unwrap().next_page_token;
    let refused = list(&root, "action = x", 1, &other).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::PageTokenInvalid);
}

#[tokio::test]
async fn an_export_goes_on_where_it_stopped_and_leaves_a_row_with_its_reason() {
    let world = World::start().await;
    let root = world.admin("root").await;
    world.account("ana").await;
    let whole = export(&root, 0, "The yearly look").await.unwrap();
    let sequences: Vec<i64> = whole.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=i64::try_from(whole.len()).unwrap()).collect::<Vec<_>>());
    let last = whole.last().unwrap();
    assert_eq!((last.action.as_str(), last.reason.as_str()), ("audit_exported", "The yearly look"));
    for pair in whole.windows(2) {
        assert_eq!(pair[0].hash, pair[1].previous_hash);
    }
    let rest = export(&root, 3, "Once more").await.unwrap();
    assert_eq!(rest[..whole.len() - 3], whole[3..]);

    let refused = export(&root, 0, "").await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::ReasonRequired);
    let refused = export(&root, -1, "two\nlines").await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["after_sequence", "reason"]);
    world.advance(std::time::Duration::from_mins(11));
    let refused = export(&root, 0, "Too late").await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::StepUpRequired);
}

#[tokio::test]
async fn the_trail_is_for_administrators() {
    let world = World::start().await;
    let (ana, rui) = (world.account("ana").await, world.reviewer("rui").await);
    for actor in [&ana, &rui] {
        let verified = actor.audit().verify_chain(pb::VerifyChainRequest::default()).await.map(drop);
        let refused = [list(actor, "", 0, "").await.map(drop), export(actor, 0, "Curious").await.map(drop), verified];
        for refused in refused {
            let refused = refused.unwrap_err();
            assert_reason(&refused, Code::PermissionDenied, ErrorReason::PermissionMissing);
            assert_eq!(fact(&refused, "permission").as_deref(), Some("audit.read"));
        }
    }
}
