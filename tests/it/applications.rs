//! The way from listener to artist.

use crate::harness::*;

fn new_application(stage_name: &str) -> pb::CreateApplicationRequest {
    pb::CreateApplicationRequest {
        stage_name: stage_name.into(),
        biography: "Two people and a tape machine.".into(),
        links: vec!["https://example.org/band".into()],
        request_id: String::new(),
    }
}

async fn create(actor: &Actor, stage_name: &str) -> Result<pb::Application, Status> {
    let reply = actor.applications().create_application(new_application(stage_name)).await?.into_inner();
    Ok(reply.application.unwrap())
}

async fn submit(actor: &Actor, application_id: &str) -> Result<pb::Application, Status> {
    let request = pb::SubmitApplicationRequest { application_id: application_id.into(), request_id: String::new() };
    Ok(actor.applications().submit_application(request).await?.into_inner().application.unwrap())
}

async fn approve(actor: &Actor, application_id: &str) -> Result<pb::Application, Status> {
    let request = pb::ApproveApplicationRequest { application_id: application_id.into(), ..Default::default() };
    Ok(actor.applications().approve_application(request).await?.into_inner().application.unwrap())
}

async fn reject(actor: &Actor, application_id: &str, note: &str) -> Result<pb::Application, Status> {
    let request = pb::RejectApplicationRequest {
        application_id: application_id.into(),
        reason: pb::ApplicationRejectReason::Duplicate.into(),
        note: note.into(),
        request_id: String::new(),
    };
    Ok(actor.applications().reject_application(request).await?.into_inner().application.unwrap())
}

async fn listed(actor: &Actor, filter: &str) -> Result<Vec<String>, Status> {
    let request = pb::ListApplicationsRequest { filter: filter.into(), ..Default::default() };
    let reply = actor.applications().list_applications(request).await?.into_inner();
    Ok(reply.applications.into_iter().map(|application| application.application_id).collect())
}

async fn mine(actor: &Actor) -> Result<pb::Application, Status> {
    let reply = actor.applications().get_my_application(pb::GetMyApplicationRequest {}).await?;
    Ok(reply.into_inner().application.unwrap())
}

#[tokio::test]
async fn a_listener_becomes_an_artist() {
    let world = World::start().await;
    let (ana, rui) = (world.account("ana").await, world.reviewer("rui").await);
    let draft = create(&ana, "  Night Bus ").await.unwrap();
    assert_eq!((draft.stage_name.as_str(), draft.state()), ("Night Bus", pb::ApplicationState::Draft));
    assert_eq!(listed(&rui, "").await.unwrap(), Vec::<String>::new(), "drafts are left out");

    let handed_in = submit(&ana, &draft.application_id).await.unwrap();
    assert_eq!(handed_in.state(), pb::ApplicationState::Submitted);
    assert!(handed_in.submit_time.is_some() && handed_in.etag != draft.etag);
    assert_eq!(listed(&rui, "state = SUBMITTED").await.unwrap(), [draft.application_id.as_str()]);

    let approved = approve(&rui, &draft.application_id).await.unwrap();
    assert_eq!(mine(&ana).await.unwrap(), approved);
    let request = pb::GetArtistRequest { artist_id: approved.artist_id };
    let artist = ana.artists().get_artist(request).await.unwrap().into_inner().artist.unwrap();
    assert_eq!((artist.stage_name.as_str(), artist.links), ("Night Bus", draft.links));
    let roles = ana.whoami().await.unwrap().roles;
    assert_eq!(roles, [pb::Role::Listener as i32, pb::Role::Artist as i32]);

    world.run_jobs().await;
    let letter = world.newest_letter_to(&ana.email).await;
    assert_eq!(letter.subject, "Welcome, Night Bus");
}

#[tokio::test]
async fn a_rejected_person_is_told_why_and_may_apply_again() {
    let world = World::start().await;
    let (ana, rui) = (world.account("ana").await, world.reviewer("rui").await);
    let application = create(&ana, "Night Bus").await.unwrap();
    submit(&ana, &application.application_id).await.unwrap();
    let rejected = reject(&rui, &application.application_id, "See the other Night Bus.").await.unwrap();
    assert_eq!(rejected.decision_reason(), pb::ApplicationRejectReason::Duplicate);
    assert_eq!(rejected.decision_note, "See the other Night Bus.");
    world.run_jobs().await;
    let text = world.newest_letter_to(&ana.email).await.text;
    assert!(text.contains("The artist is here already.") && text.contains("See the other Night Bus."), "{text}");

    world.advance(std::time::Duration::from_secs(1));
    let again = create(&ana, "Night Coach").await.unwrap();
    assert_eq!(mine(&ana).await.unwrap(), again);
}

#[tokio::test]
async fn one_application_is_open_at_a_time() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let open = create(&ana, "Night Bus").await.unwrap();
    let refused = create(&ana, "Day Bus").await.unwrap_err();
    assert_reason(&refused, Code::AlreadyExists, ErrorReason::ApplicationExists);
    assert_eq!(details(&refused).resource_info().unwrap().resource_name, open.application_id);
    let eva = world.account("eva").await;
    let (one, two) = tokio::join!(create(&eva, "Day Bus"), create(&eva, "Night Bus"));
    let refused = match (one, two) {
        (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
        both => panic!("one must win: {both:?}"),
    };
    assert_reason(&refused, Code::AlreadyExists, ErrorReason::ApplicationExists);
    assert_eq!(details(&refused).resource_info().unwrap().resource_name, mine(&eva).await.unwrap().application_id);
}

#[tokio::test]
async fn a_repeat_with_the_same_request_id_acts_once() {
    let world = World::start().await;
    let (ana, rui) = (world.account("ana").await, world.reviewer("rui").await);
    let request = pb::CreateApplicationRequest { request_id: request_id(1), ..new_application("Night Bus") };
    let first = ana.applications().create_application(request.clone()).await.unwrap().into_inner();
    assert_eq!(ana.applications().create_application(request.clone()).await.unwrap().into_inner(), first);
    let other = pb::CreateApplicationRequest { stage_name: "Day Bus".into(), ..request };
    let refused = ana.applications().create_application(other).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::RequestIdReused);

    let id = first.application.unwrap().application_id;
    submit(&ana, &id).await.unwrap();
    let request = pb::ApproveApplicationRequest { application_id: id, request_id: request_id(2), ..Default::default() };
    let first = rui.applications().approve_application(request.clone()).await.unwrap().into_inner();
    assert_eq!(rui.applications().approve_application(request).await.unwrap().into_inner(), first);
    world.run_jobs().await;
}

#[tokio::test]
async fn what_is_decided_stays_decided() {
    let world = World::start().await;
    let (ana, rui) = (world.account("ana").await, world.reviewer("rui").await);
    let id = create(&ana, "Night Bus").await.unwrap().application_id;
    submit(&ana, &id).await.unwrap();
    let refused = submit(&ana, &id).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::InvalidStateTransition);
    approve(&rui, &id).await.unwrap();
    for refused in [approve(&rui, &id).await.unwrap_err(), reject(&rui, &id, "").await.unwrap_err()] {
        assert_reason(&refused, Code::FailedPrecondition, ErrorReason::InvalidStateTransition);
        assert_eq!(
            (fact(&refused, "from").unwrap(), fact(&refused, "allowed").unwrap()),
            ("APPROVED".into(), String::new())
        );
        assert!(details(&refused).precondition_failure().is_some());
    }
    world.run_jobs().await;
}

#[tokio::test]
async fn of_two_decisions_at_once_one_counts() {
    let world = World::start().await;
    let (ana, rui, eva) = (world.account("ana").await, world.reviewer("rui").await, world.reviewer("eva").await);
    let id = create(&ana, "Night Bus").await.unwrap().application_id;
    submit(&ana, &id).await.unwrap();
    let (yes, no) = tokio::join!(approve(&rui, &id), reject(&eva, &id, ""));
    let (state, refused) = match (yes, no) {
        (Ok(_), Err(refused)) => (pb::ApplicationState::Approved, refused),
        (Err(refused), Ok(_)) => (pb::ApplicationState::Rejected, refused),
        both => panic!("one must win: {both:?}"),
    };
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::InvalidStateTransition);
    assert_eq!(mine(&ana).await.unwrap().state(), state);
    let request = pb::ListArtistsRequest { mine: true, ..Default::default() };
    let artists = ana.artists().list_artists(request).await.unwrap().into_inner().artists;
    assert_eq!(artists.len(), usize::from(state == pb::ApplicationState::Approved));
    world.run_jobs().await;
    assert_eq!(world.letters_to(&ana.email).len(), 3, "to verify, to welcome, about the decision");
}

#[tokio::test]
async fn nobody_decides_on_their_own_application() {
    let world = World::start().await;
    let rui = world.reviewer("rui").await;
    let id = create(&rui, "Night Bus").await.unwrap().application_id;
    submit(&rui, &id).await.unwrap();
    for refused in [approve(&rui, &id).await.unwrap_err(), reject(&rui, &id, "").await.unwrap_err()] {
        assert_reason(&refused, Code::PermissionDenied, ErrorReason::PermissionMissing);
        assert_eq!(fact(&refused, "permission").as_deref(), Some("applications.review"));
    }
    assert_eq!(mine(&rui).await.unwrap().state(), pb::ApplicationState::Submitted);
}

#[tokio::test]
async fn others_are_refused_alike() {
    let world = World::start().await;
    let (ana, eva, rui) = (world.account("ana").await, world.account("eva").await, world.reviewer("rui").await);
    let id = create(&ana, "Night Bus").await.unwrap().application_id;
    let nobody = world.anonymous();
    for refused in [
        create(&nobody, "Night Bus").await.unwrap_err(),
        submit(&nobody, &id).await.unwrap_err(),
        approve(&nobody, &id).await.unwrap_err(),
        mine(&nobody).await.unwrap_err(),
    ] {
        assert_reason(&refused, Code::Unauthenticated, ErrorReason::AccessTokenMissing);
    }
    for refused in [
        approve(&ana, &id).await.unwrap_err(),
        reject(&eva, &id, "").await.unwrap_err(),
        listed(&ana, "").await.unwrap_err(),
    ] {
        assert_reason(&refused, Code::PermissionDenied, ErrorReason::PermissionMissing);
    }
    let absent = "app_01h455vb4pex5vsknk084sn02q";
    let mut words = Vec::new();
    for refused in [
        submit(&eva, &id).await.unwrap_err(),
        submit(&eva, absent).await.unwrap_err(),
        submit(&eva, "nonsense").await.unwrap_err(),
        // A draft is its applicant's alone.
        approve(&rui, &id).await.unwrap_err(),
        approve(&rui, absent).await.unwrap_err(),
        approve(&rui, "").await.unwrap_err(),
        mine(&eva).await.unwrap_err(),
    ] {
        assert_reason(&refused, Code::NotFound, ErrorReason::ResourceNotFound);
        words.push(refused.message().to_owned());
    }
    words.dedup();
    assert_eq!(words.len(), 1, "{words:?}");
}

#[tokio::test]
async fn malformed_requests_name_every_field() {
    let world = World::start().await;
    let (ana, rui) = (world.account("ana").await, world.reviewer("rui").await);
    let request = pb::CreateApplicationRequest {
        stage_name: "a".repeat(101),
        biography: "\u{7}".into(),
        links: vec!["https://example.org".into(), "http://example.org".into()],
        request_id: String::new(),
    };
    let refused = ana.applications().create_application(request).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["stage_name", "biography", "links[1]"]);
    let request = pb::CreateApplicationRequest { request_id: "once".into(), ..new_application("Night Bus") };
    let refused = ana.applications().create_application(request).await.unwrap_err();
    assert_eq!(violations(&refused), ["request_id"]);

    let request = pb::RejectApplicationRequest { note: "n".repeat(2_001), ..Default::default() };
    let refused = rui.applications().reject_application(request).await.unwrap_err();
    assert_eq!(violations(&refused), ["reason", "note"]);
    for filter in ["state = DRAFT", "state", "colour = RED"] {
        let refused = listed(&rui, filter).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FilterInvalid);
    }
}

#[tokio::test]
async fn staff_page_through_what_was_handed_in() {
    let world = World::start().await;
    let rui = world.reviewer("rui").await;
    let mut expected = Vec::new();
    for name in ["ana", "eva", "gil", "ivo", "lia"] {
        world.advance(std::time::Duration::from_secs(1));
        let actor = world.account(name).await;
        let id = create(&actor, name).await.unwrap().application_id;
        submit(&actor, &id).await.unwrap();
        expected.insert(0, id);
    }
    let (mut walked, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListApplicationsRequest { page_size: 2, page_token, filter: String::new() };
        let reply = rui.applications().list_applications(request).await.unwrap().into_inner();
        walked.extend(reply.applications.into_iter().map(|application| application.application_id));
        page_token = reply.next_page_token;
        if page_token.is_empty() {
            break;
        }
        let elsewhere = pb::ListApplicationsRequest {
            page_size: 2,
            page_token: page_token.clone(),
            filter: "state = SUBMITTED".into(),
        };
        let refused = rui.applications().list_applications(elsewhere).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::PageTokenInvalid);
    }
    assert_eq!(walked, expected);
}

#[tokio::test]
async fn an_approval_costs_the_statements_it_must() {
    let world = World::start().await;
    let (ana, rui) = (world.account("ana").await, world.reviewer("rui").await);
    let (draft, creating) = world.statements(async || create(&ana, "Night Bus").await.unwrap()).await;
    let id = draft.application_id;
    let (_, submitting) = world.statements(async || submit(&ana, &id).await.unwrap()).await;
    let (_, reading) = world.statements(async || mine(&ana).await.unwrap()).await;
    let (_, approving) = world.statements(async || approve(&rui, &id).await.unwrap()).await;
    assert_eq!((creating, submitting, reading, approving), (4, 4, 1, 13));
    world.run_jobs().await;
}

#[tokio::test]
async fn an_artist_s_rights_are_felt_by_the_token_already_given_out() {
    let world = World::start().await;
    let (ana, eva, rui) = (world.account("ana").await, world.account("eva").await, world.reviewer("rui").await);
    let token = ana.access_token();
    let artist_id = stages::artist(&world, &ana, &rui, "Night Bus").await;
    assert_eq!(ana.whoami().await.unwrap().roles, [pb::Role::Listener as i32, pb::Role::Artist as i32]);
    let draft = stages::track(&world, &ana, &artist_id, "Moon", 1).await;
    assert_eq!((ana.access_token(), draft.artist_id.as_str()), (token, artist_id.as_str()));
    // The role alone opens nothing: what counts is whose artist it is.
    stages::artist(&world, &eva, &rui, "Day Bus").await;
    let request = pb::CreateTrackRequest { artist_id, title: "Sun".into(), ..Default::default() };
    eva.tracks().create_track(request).await.unwrap_err();
    world.run_jobs().await;
}

#[tokio::test]
async fn letters_tell_the_decision_in_words() {
    let world = World::start().await;
    let (ana, rui) = (world.account("ana").await, world.reviewer("rui").await);
    let id = create(&ana, "Night & Bus").await.unwrap().application_id;
    submit(&ana, &id).await.unwrap();
    reject(&rui, &id, "<b>Twice</b>").await.unwrap();
    let letter = world.newest_letter_to(&ana.email).await;
    insta::assert_snapshot!(format!("{}\n\n{}", letter.subject, letter.text), @r"
    Your application as Night & Bus

    Your application as Night & Bus was not approved this time. You can
    change it and apply again.

    The reviewers wrote:
    The artist is here already.

    <b>Twice</b>

    You get this letter because you applied as an artist at Backline.
    ");
    assert!(letter.html.contains("&lt;b&gt;Twice&lt;") && letter.html.contains("Night &amp; Bus"), "{}", letter.html);

    world.advance(std::time::Duration::from_secs(1));
    let id = create(&ana, "Night & Bus").await.unwrap().application_id;
    submit(&ana, &id).await.unwrap();
    approve(&rui, &id).await.unwrap();
    let letter = world.newest_letter_to(&ana.email).await;
    insta::assert_snapshot!(format!("{}\n\n{}", letter.subject, letter.text), @r"
    Welcome, Night & Bus

    Your application as Night & Bus was approved. You can upload and submit
    tracks now.

    You get this letter because you applied as an artist at Backline.
    ");
    // Each decision is told once.
    assert_eq!((world.letters_to(&ana.email).len(), world.run_jobs().await), (4, 0));
}

#[tokio::test]
async fn every_step_can_be_repeated_and_no_id_serves_two_steps() {
    let world = World::start().await;
    let (ana, rui) = (world.account("ana").await, world.reviewer("rui").await);
    let id = create(&ana, "Night Bus").await.unwrap().application_id;
    let request = pb::SubmitApplicationRequest { application_id: id.clone(), request_id: request_id(1) };
    let first = ana.applications().submit_application(request.clone()).await.unwrap().into_inner();
    let (one, two) = tokio::join!(
        async { ana.applications().submit_application(request.clone()).await.unwrap().into_inner() },
        async { ana.applications().submit_application(request.clone()).await.unwrap().into_inner() },
    );
    assert_eq!((&one, &two), (&first, &first));
    let other = pb::SubmitApplicationRequest { application_id: "app_01h455vb4pex5vsknk084sn02q".into(), ..request };
    let refused = ana.applications().submit_application(other).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::RequestIdReused);

    let request = pb::RejectApplicationRequest {
        application_id: id.clone(),
        reason: pb::ApplicationRejectReason::Duplicate.into(),
        note: "See the other one.".into(),
        request_id: request_id(2),
    };
    let (one, two) = tokio::join!(
        async { rui.applications().reject_application(request.clone()).await.unwrap().into_inner() },
        async { rui.applications().reject_application(request.clone()).await.unwrap().into_inner() },
    );
    assert_eq!(one, two);
    let other = pb::RejectApplicationRequest { note: "Another.".into(), ..request };
    let refused = rui.applications().reject_application(other).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::RequestIdReused);

    let request = pb::ApproveApplicationRequest { application_id: id, note: "a".into(), request_id: request_id(3) };
    let refused = rui.applications().approve_application(request.clone()).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::InvalidStateTransition);
    world.run_jobs().await;
    assert_eq!(world.letters_to(&ana.email).len(), 3, "to verify, to welcome, about the decision");
}
