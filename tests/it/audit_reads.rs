//! Reading the audit trail: who may, what a filter finds, what an export leaves.

use sea_orm::{ConnectionTrait, DbBackend};

use crate::harness::{rows, *};

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

#[tokio::test]
async fn an_export_ends_with_the_right_to_it() {
    let world = World::start().await;
    let (root, eva) = (world.admin("root").await, world.admin("eva").await);
    // More than any connection holds on its way.
    let db = world.db().await;
    let sqlite = db.get_database_backend() == DbBackend::Sqlite;
    for number in 1..=600 {
        let id = format!("{number:032x}");
        let id = if sqlite { format!("x'{id}'") } else { format!("'{id}'") };
        let facts = "x".repeat(30_000);
        let row = format!(
            "INSERT INTO audit_event_unchained VALUES ({id}, 'system', NULL, 'upload_expired', 'upload', NULL, NULL, '', \
             NULL, '{{\"facts\":\"{facts}\"}}', {number})"
        );
        db.execute_unprepared(&row).await.unwrap();
    }
    backline::audit::adopt(world.app()).await.unwrap();
    let request = pb::ExportEventsRequest { after_sequence: 0, reason: "The yearly look".into() };
    let mut stream = root.audit().export_events(request.clone()).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert_eq!(first.events.len(), 100);
    let request_of = |account_id: &str| pb::SetRolesRequest {
        account_id: account_id.to_owned(),
        reason: "Leaves".into(),
        ..Default::default()
    };
    eva.admin().set_roles(request_of(root.account_id())).await.unwrap();
    let ended = loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the whole trail was sent"),
            Err(ended) => break ended,
        }
    };
    assert_reason(&ended, Code::PermissionDenied, ErrorReason::PermissionMissing);

    // Whoever still may gets all of it.
    let mut stream = eva.audit().export_events(request).await.unwrap().into_inner();
    let mut received = 0;
    while let Some(some) = stream.message().await.unwrap() {
        received += some.events.len();
    }
    assert_eq!(received, crate::audit::trail(&db).await.len());
}

#[tokio::test]
async fn a_call_is_found_by_its_request_id_which_stands_nowhere_if_the_client_chose_it() {
    let world = World::start().await;
    let (root, ana) = (world.admin("root").await, world.account("ana").await);
    let chosen = "ana.sol-1990";
    let mut request = tonic::Request::new(pb::UpdateAccountRequest {
        account: Some(pb::Account { display_name: "Ana Sol".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
        ..Default::default()
    });
    request.metadata_mut().insert("x-request-id", chosen.parse().unwrap());
    let reply = ana.accounts().update_account(request).await.unwrap();
    assert_eq!(reply.metadata().get("x-request-id").unwrap(), chosen);
    let reply = ana.sessions().logout(pb::LogoutRequest::default()).await.unwrap();
    let ours = reply.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();

    for (id, action) in [(chosen, "user_updated"), (&ours, "authn_logout")] {
        let found = list(&root, &format!("request_id = \"{id}\""), 0, "").await.unwrap().events;
        assert_eq!(found.iter().map(|event| event.action.as_str()).collect::<Vec<_>>(), [action]);
        assert_eq!(found[0].request_id == id, id == ours);
    }
    assert_eq!(list(&root, "request_id = \"ana\"", 0, "").await.unwrap().events, []);
    let everything = rows::all(&world.db().await).await;
    assert!(everything["audit_event"].iter().all(|row| !row.contains(chosen)));
}
