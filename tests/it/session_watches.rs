//! Following one's own session.

use std::time::Duration;

use backline::kernel::Role;
use pb::watch_session_response::Event;
use tonic::Streaming;

use crate::harness::*;

type Watch = Streaming<pb::WatchSessionResponse>;

const MINUTE: Duration = Duration::from_mins(1);

async fn watch(who: &Actor, resume_after_sequence: i64) -> Result<Watch, Status> {
    let request = pb::WatchSessionRequest { resume_after_sequence };
    Ok(who.sessions().watch_session(request).await?.into_inner())
}

/// What comes next, within ten seconds.
async fn next(watch: &mut Watch) -> Option<pb::WatchSessionResponse> {
    let reply = tokio::time::timeout(Duration::from_secs(10), watch.message()).await;
    reply.expect("the stream says something").unwrap()
}

async fn event(watch: &mut Watch) -> (i64, Event) {
    let reply = next(watch).await.expect("the stream goes on");
    (reply.sequence, reply.event.expect("an event that we know"))
}

/// A stream from now on, past its snapshot, and the snapshot's sequence.
async fn watching(who: &Actor) -> (Watch, i64) {
    let mut stream = watch(who, 0).await.unwrap();
    let (sequence, Event::Snapshot(session)) = event(&mut stream).await else { panic!("no snapshot") };
    assert_eq!((session.session_id.as_str(), session.current), (who.session_id(), true));
    (stream, sequence)
}

#[track_caller]
fn assert_ended(event: &Event, cause: &str) {
    let Event::Ended(ended) = event else { panic!("not ended: {event:?}") };
    assert_eq!(ended.cause, cause);
}

async fn logout(who: &Actor, scope: pb::LogoutScope) {
    who.sessions().logout(pb::LogoutRequest { scope: scope.into() }).await.unwrap();
}

#[tokio::test]
async fn a_watcher_hears_of_other_sign_ins_of_new_roles_and_of_the_end() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let old = ana.on_another_device("Old phone").await;
    let (mut stream, first) = watching(&ana).await;

    world.account("bea").await;
    let phone = ana.on_another_device("Phone").await;
    let (second, Event::Opened(opened)) = event(&mut stream).await else { panic!("nothing opened") };
    assert_eq!((opened.session_id.as_str(), opened.current), (phone.session_id(), false));
    assert_eq!(opened.device_name, "Phone");

    world.give_role(ana.account_id(), Role::Reviewer).await;
    let (third, Event::RolesChanged(changed)) = event(&mut stream).await else { panic!("no new roles") };
    assert_eq!(changed.roles, [pb::Role::Listener as i32, pb::Role::Reviewer as i32]);

    logout(&old, pb::LogoutScope::This).await;
    logout(&phone, pb::LogoutScope::Others).await;
    let (fourth, ended) = event(&mut stream).await;
    assert_ended(&ended, "logout");
    assert_eq!(next(&mut stream).await, None, "a clean end");
    assert!([first, second, third, fourth].is_sorted_by(|one, other| one < other), "sequences grow");
    let refused = watch(&ana, 0).await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::SessionRevoked);
}

#[tokio::test]
async fn what_other_instances_do_arrives_within_two_seconds() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (other, channel) = world.second_server().await;
    let (mut stream, _) = watching(&ana).await;
    let begun = std::time::Instant::now();
    let phone = ana.through(channel).on_another_device("Phone").await;
    let (_, Event::Opened(opened)) = event(&mut stream).await else { panic!("nothing opened") };
    assert_eq!(opened.session_id, phone.session_id());
    let request = pb::RevokeSessionRequest { session_id: ana.session_id().to_owned() };
    phone.sessions().revoke_session(request).await.unwrap();
    assert_ended(&event(&mut stream).await.1, "revoked");
    assert!(begun.elapsed() < Duration::from_secs(4), "two seconds each: {:?}", begun.elapsed());
    other.stop().await;
}

#[tokio::test]
async fn a_broken_stream_goes_on_where_it_was() {
    let mut world = World::start().await;
    let ana = world.account("ana").await;
    world.advance(MINUTE);
    let (stream, first) = watching(&ana).await;
    drop(stream);
    world.advance(MINUTE);
    let phone = ana.on_another_device("Phone").await;
    world.restart().await;

    let mut resumed = watch(&ana, first).await.unwrap();
    let (second, Event::Opened(opened)) = event(&mut resumed).await else { panic!("nothing opened") };
    assert_eq!(opened.session_id, phone.session_id());
    assert!(second > first);
    world.advance(MINUTE);
    world.give_role(ana.account_id(), Role::Reviewer).await;
    let (third, Event::RolesChanged(_)) = event(&mut resumed).await else { panic!("no new roles") };

    // What was told a while ago is not told again, and a sequence from nowhere begins anew.
    world.advance(MINUTE);
    let tablet = ana.on_another_device("Tablet").await;
    let mut resumed = watch(&ana, third).await.unwrap();
    let (_, told) = loop {
        let (sequence, told) = event(&mut resumed).await;
        if !matches!(told, Event::RolesChanged(_)) {
            break (sequence, told);
        }
    };
    let Event::Opened(opened) = told else { panic!("nothing opened: {told:?}") };
    assert_eq!(opened.session_id, tablet.session_id());
    let mut ahead = watch(&ana, i64::MAX).await.unwrap();
    assert!(matches!(event(&mut ahead).await.1, Event::Snapshot(_)));
}

#[tokio::test]
async fn a_watcher_is_warned_before_the_session_runs_out() {
    let world = World::start().await;
    let rui = world.reviewer("rui").await;
    let (mut stream, _) = watching(&rui).await;
    world.advance(26 * MINUTE);
    let (_, Event::Expiring(expiring)) = event(&mut stream).await else { panic!("no warning") };
    let end = rui.session.idle_expire_time;
    assert_eq!((expiring.expire_time, expiring.refreshable), (end, true));

    // A refresh puts it off; then comes another warning, and the end.
    rui.refresh().await.unwrap();
    world.advance(27 * MINUTE);
    let (_, Event::Expiring(expiring)) = event(&mut stream).await else { panic!("no warning") };
    assert!(expiring.expire_time.unwrap().seconds > end.unwrap().seconds);
    world.advance(3 * MINUTE);
    assert_ended(&event(&mut stream).await.1, "expired");
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn nothing_puts_off_the_last_end_of_a_session() {
    let settings = [("sessions.staff_idle_life", "30m"), ("sessions.staff_absolute_life", "40m")];
    let world = World::with(&settings).await;
    let rui = world.reviewer("rui").await;
    world.advance(20 * MINUTE);
    rui.refresh().await.unwrap();
    let (mut stream, _) = watching(&rui).await;
    world.advance(16 * MINUTE);
    let (_, Event::Expiring(expiring)) = event(&mut stream).await else { panic!("no warning") };
    assert_eq!((expiring.expire_time, expiring.refreshable), (rui.session.absolute_expire_time, false));
}

#[tokio::test]
async fn a_stopping_server_ends_the_stream() {
    let mut world = World::start().await;
    let ana = world.account("ana").await;
    let (mut stream, _) = watching(&ana).await;
    tokio::time::timeout(Duration::from_secs(10), world.restart()).await.expect("watches keep no server from stopping");
    assert_eq!(next(&mut stream).await, None, "a clean end");
}

#[tokio::test]
async fn only_one_s_own_session_can_be_followed() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let refused = watch(&world.anonymous(), 0).await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::AccessTokenMissing);
    let refused = watch(&ana, -1).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["resume_after_sequence"]);

    // A quiet stream of one person says nothing of another.
    let (mut stream, _) = watching(&ana).await;
    let bea = world.account("bea").await;
    logout(&bea, pb::LogoutScope::All).await;
    logout(&ana, pb::LogoutScope::This).await;
    assert_ended(&event(&mut stream).await.1, "logout");
}

#[tokio::test]
async fn a_quiet_stream_says_every_quarter_of_a_minute_that_it_is_alive() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let (mut stream, first) = watching(&ana).await;
    let quiet_since = std::time::Instant::now();
    let said = tokio::time::timeout(Duration::from_secs(25), stream.message()).await.expect("it is alive");
    let said = said.unwrap().expect("the stream goes on");
    let Some(Event::Heartbeat(beat)) = said.event else { panic!("no heartbeat: {said:?}") };
    assert_eq!(said.sequence, first, "nothing happened");
    assert!(beat.server_time.is_some());
    assert!(quiet_since.elapsed() >= Duration::from_secs(14), "not sooner: {:?}", quiet_since.elapsed());
}

#[tokio::test]
async fn a_watch_ends_cleanly_at_its_deadline() {
    let world = World::start().await;
    let ana = world.account("ana").await;
    let mut request = tonic::Request::new(pb::WatchSessionRequest::default());
    request.set_timeout(Duration::from_secs(1));
    let mut stream = ana.sessions().watch_session(request).await.unwrap().into_inner();
    assert!(matches!(event(&mut stream).await.1, Event::Snapshot(_)));
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn a_tool_has_no_session_to_follow() {
    let world = World::start().await;
    let root = world.admin("root").await;
    let request = pb::CreateServiceAccountRequest {
        display_name: "Importer".into(),
        scopes: vec!["accounts.list".into()],
        reason: "Nightly import".into(),
        ..Default::default()
    };
    let made = root.admin().create_service_account(request).await.unwrap().into_inner();
    let tool = world.anonymous().with_access_token(&made.api_key);
    let refused = watch(&tool, 0).await.unwrap_err();
    assert_reason(&refused, Code::NotFound, ErrorReason::ResourceNotFound);
}
