//! What happened to one's own account.

use super::*;

async fn page(actor: &Actor, page_size: i32, page_token: &str) -> pb::ListSecurityEventsResponse {
    let request = pb::ListSecurityEventsRequest { page_size, page_token: page_token.into() };
    actor.accounts().list_security_events(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn people_see_what_happened_to_their_account_and_to_no_other() {
    let world = World::start().await;
    let (ana, sam) = (world.account("ana").await, world.admin("sam").await);
    let step = std::time::Duration::from_secs(1);
    world.advance(step);
    let phone = ana.on_another_device("Phone").await;
    world.advance(step);
    change_password(&phone, PASSWORD, NEW).await.unwrap();
    world.advance(step);
    ask_reset(&world, &phone.email).await;
    world.run_jobs().await;
    world.advance(step);
    let set_roles = pb::SetRolesRequest {
        account_id: ana.account_id().into(),
        roles: vec![pb::Role::Reviewer.into()],
        reason: "Joins the jury".into(),
        ..Default::default()
    };
    sam.admin().set_roles(set_roles).await.unwrap();
    world.advance(step);
    // With an office one signs in anew.
    let (phone, ended) = (world.login(&phone.email, NEW).await.unwrap(), phone);
    world.advance(step);
    let update = pb::UpdateAccountRequest {
        account: Some(pb::Account { display_name: "Ana Sol".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
        ..Default::default()
    };
    phone.accounts().update_account(update).await.unwrap();

    let all = page(&phone, 0, "").await;
    assert_eq!(all.next_page_token, "");
    let told: Vec<_> = all.security_events.iter().map(|event| (event.action.as_str(), event.actor())).collect();
    let newest = [
        ("user_updated", pb::SecurityActor::Owner),
        ("authn_login_success", pb::SecurityActor::Owner),
        ("authz_change", pb::SecurityActor::Staff),
        ("authn_password_reset_letter", pb::SecurityActor::System),
        ("authn_password_change", pb::SecurityActor::Owner),
        ("authn_login_success", pb::SecurityActor::Owner),
    ];
    assert_eq!(told[..6], newest);
    let login = &all.security_events[5];
    assert_eq!((login.session_id.as_str(), login.device_name.as_str()), (ended.session_id(), "Phone"));
    assert_eq!(login.address_prefix, "127.0.0.1/32");

    // Page by page it is the same list.
    let (mut paged, mut token) = (Vec::new(), String::new());
    loop {
        let next = page(&phone, 2, &token).await;
        assert!(next.security_events.len() <= 2);
        paged.extend(next.security_events);
        token = next.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(paged, all.security_events);
    let sams = page(&sam, 0, "").await;
    assert!(sams.security_events.iter().all(|event| event.action != "authz_change"), "what staff do is not theirs");
}

#[tokio::test]
async fn a_list_of_events_takes_only_its_own_tokens() {
    let world = World::start().await;
    let (ana, eva) = (world.account("ana").await, world.account("eva").await);
    let token = page(&ana, 1, "").await.next_page_token;
    for (actor, page_token) in [(&eva, token.as_str()), (&ana, "nonsense")] {
        let request = pb::ListSecurityEventsRequest { page_size: 1, page_token: page_token.into() };
        let refused = actor.accounts().list_security_events(request).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::PageTokenInvalid);
    }
    let request = pb::ListSecurityEventsRequest { page_size: -1, ..Default::default() };
    let refused = ana.accounts().list_security_events(request).await.unwrap_err();
    assert_eq!(violations(&refused), ["page_size"]);
}

#[tokio::test]
async fn factors_exports_devices_and_copied_tokens_are_among_them_and_others_see_none() {
    let world = World::start().await;
    let (ana, eva) = (world.account("ana").await, world.account("eva").await);
    let step = std::time::Duration::from_mins(1);
    let old = ana.refresh_token();
    ana.refresh().await.unwrap();
    ana.whoami().await.unwrap();
    world.advance(step);
    ana.refresh_with(&old).await.unwrap_err();
    world.run_jobs().await;

    world.advance(step);
    let ana = world.login(&ana.email, PASSWORD).await.unwrap();
    ana.remember(&ana.email).await;
    ana.accounts().start_data_export(pb::StartDataExportRequest::default()).await.unwrap();
    world.run_jobs().await;
    let devices = ana.sessions().list_devices(pb::ListDevicesRequest::default()).await.unwrap().into_inner();
    let forget = pb::ForgetDeviceRequest { device_id: devices.devices[0].device_id.clone(), ..Default::default() };
    ana.sessions().forget_device(forget).await.unwrap();
    ana.add_app(&world).await;
    world.run_jobs().await;

    let listed = page(&ana, 0, "").await.security_events;
    let told: Vec<_> = listed.iter().map(|event| (event.action.as_str(), event.actor())).collect();
    for expected in [
        ("authn_token_reuse", pb::SecurityActor::Anonymous),
        ("data_export_started", pb::SecurityActor::Owner),
        ("data_export_ready", pb::SecurityActor::System),
        ("device_forgotten", pb::SecurityActor::Owner),
        ("factor_added", pb::SecurityActor::Owner),
    ] {
        assert!(told.contains(&expected), "{expected:?} is not in {told:?}");
    }
    let mut ids: Vec<_> = listed.iter().map(|event| &event.security_event_id).collect();
    ids.dedup();
    assert_eq!(ids.len(), listed.len(), "none twice");
    let evas = page(&eva, 0, "").await.security_events;
    assert!(evas.iter().all(|event| ["user_created", "authn_login_success"].contains(&event.action.as_str())));
}
