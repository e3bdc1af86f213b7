//! Following a submission.

use std::time::{Duration, Instant};

use backline::entity::artist_member::MemberRole;
use pb::{SubmissionState as S, watch_submission_response::Event};
use tonic::Streaming;

use crate::harness::*;

type Watch = Streaming<pb::WatchSubmissionResponse>;

async fn watch(who: &Actor, id: &str, resume_after_sequence: i64) -> Result<Watch, Status> {
    let request = pb::WatchSubmissionRequest { submission_id: id.to_owned(), resume_after_sequence };
    Ok(who.submissions().watch_submission(request).await?.into_inner())
}

/// What comes next, within ten seconds.
async fn next(watch: &mut Watch) -> Result<Option<pb::WatchSubmissionResponse>, Status> {
    tokio::time::timeout(Duration::from_secs(10), watch.message()).await.expect("the stream says something")
}

/// The next change: its sequence, and the states it leads from and to.
async fn change(watch: &mut Watch) -> (i64, S, S) {
    let reply = next(watch).await.unwrap().expect("the stream goes on");
    let Some(Event::Change(change)) = reply.event else { panic!("no change: {reply:?}") };
    (reply.sequence, change.from_state(), change.to_state())
}

async fn snapshot(watch: &mut Watch) -> (i64, pb::Submission) {
    let reply = next(watch).await.unwrap().expect("the stream goes on");
    let Some(Event::Snapshot(submission)) = reply.event else { panic!("no snapshot: {reply:?}") };
    (reply.sequence, submission)
}

#[tokio::test]
async fn a_watcher_sees_the_submission_and_then_each_change_in_order() {
    let studio = Studio::open().await;
    let (ana, rui) = (&studio.ana, &studio.rui);
    let draft = studio.draft("Song").await;
    let id = draft.submission_id.as_str();
    let mut stream = watch(ana, id, 0).await.unwrap();
    assert_eq!(snapshot(&mut stream).await, (1, draft.clone()));

    ana.hand_in(id).await.unwrap();
    assert_eq!(change(&mut stream).await, (2, S::Draft, S::Processing));
    assert_eq!(change(&mut stream).await, (3, S::Processing, S::Submitted));
    // A reviewer who comes later begins with how it is.
    let mut late = watch(rui, id, 0).await.unwrap();
    assert_eq!(snapshot(&mut late).await, (3, rui.read_submission(id).await.unwrap()));

    rui.start_review(id).await.unwrap();
    let decision = pb::RejectSubmissionRequest {
        submission_id: id.to_owned(),
        reason: pb::SubmissionRejectReason::Other.into(),
        note: "Not this one.".into(),
        ..Default::default()
    };
    rui.review().reject_submission(decision).await.unwrap();
    for stream in [&mut stream, &mut late] {
        assert_eq!(change(stream).await, (4, S::Submitted, S::InReview));
        let reply = next(stream).await.unwrap().unwrap();
        let Some(Event::Change(last)) = reply.event else { panic!("no change: {reply:?}") };
        assert_eq!((reply.sequence, last.to_state(), last.note.as_str()), (5, S::Rejected, "Not this one."));
        assert!(last.change_time.is_some());
    }

    // Whoever knows some of it gets the rest; whoever knows more than there is begins anew.
    let mut resumed = watch(ana, id, 2).await.unwrap();
    assert_eq!(change(&mut resumed).await, (3, S::Processing, S::Submitted));
    assert_eq!(change(&mut resumed).await, (4, S::Submitted, S::InReview));
    assert_eq!(change(&mut resumed).await.2, S::Rejected);
    let mut ahead = watch(ana, id, 99).await.unwrap();
    assert_eq!(snapshot(&mut ahead).await.0, 5);
    studio.world.run_jobs().await;
}

#[tokio::test]
async fn a_watcher_is_woken_at_once() {
    let studio = Studio::open().await;
    let (ana, rui) = (&studio.ana, &studio.rui);
    let id = studio.draft("Song").await.submission_id;
    let mut stream = watch(ana, &id, 0).await.unwrap();
    snapshot(&mut stream).await;
    ana.hand_in(&id).await.unwrap();
    for _ in 0..2 {
        change(&mut stream).await;
    }
    // A watcher who only looked each second would wait about as long after each change. The best of several: a busy
    // machine makes one late, not all.
    let mut waited = Vec::new();
    for step in 0..3 {
        match step {
            0 => drop(rui.start_review(&id).await.unwrap()),
            1 => drop(rui.approve(&id).await.unwrap()),
            _ => drop(rui.publish(&id).await.unwrap()),
        }
        let begun = Instant::now();
        change(&mut stream).await;
        waited.push(begun.elapsed());
    }
    assert!(waited.iter().min().unwrap() < &Duration::from_millis(400), "{waited:?}");
    studio.world.run_jobs().await;
}

#[tokio::test]
async fn changes_made_by_another_instance_arrive_too() {
    let studio = Studio::open().await;
    let id = studio.submitted("Song").await.submission_id;
    let mut stream = watch(&studio.ana, &id, 0).await.unwrap();
    snapshot(&mut stream).await;

    let (other, channel) = studio.world.second_server().await;
    let rui = studio.rui.through(channel);
    rui.start_review(&id).await.unwrap();
    assert_eq!(change(&mut stream).await, (4, S::Submitted, S::InReview));
    rui.approve(&id).await.unwrap();
    assert_eq!(change(&mut stream).await, (5, S::InReview, S::Approved));
    drop(stream);
    other.stop().await;
    studio.world.run_jobs().await;
}

#[tokio::test]
async fn a_watch_ends_with_its_session() {
    let studio = Studio::open().await;
    let id = studio.submitted("Song").await.submission_id;
    let phone = studio.ana.on_another_device("Phone").await;
    let mut mine = watch(&studio.ana, &id, 0).await.unwrap();
    let mut phones = watch(&phone, &id, 0).await.unwrap();
    snapshot(&mut mine).await;
    snapshot(&mut phones).await;

    let revoke = pb::RevokeSessionRequest { session_id: phone.session_id().to_owned() };
    studio.ana.sessions().revoke_session(revoke).await.unwrap();
    let ended = next(&mut phones).await.unwrap_err();
    assert_reason(&ended, Code::Unauthenticated, ErrorReason::SessionRevoked);
    studio.rui.start_review(&id).await.unwrap();
    assert_eq!(change(&mut mine).await.2, S::InReview, "the other session goes on");

    let refused = watch(&phone, &id, 0).await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::SessionRevoked);
}

#[tokio::test]
async fn a_watcher_who_may_look_no_longer_sees_no_change() {
    let studio = Studio::open().await;
    let sam = studio.world.admin("sam").await;
    let id = studio.submitted("Song").await.submission_id;
    let mut stream = watch(&studio.rui, &id, 0).await.unwrap();
    snapshot(&mut stream).await;
    let demote = pb::SetRolesRequest {
        account_id: studio.rui.account_id().to_owned(),
        roles: vec![pb::Role::Listener.into()],
        reason: "Left us.".into(),
        ..Default::default()
    };
    sam.admin().set_roles(demote).await.unwrap();
    studio.ana.take_back(&id).await.unwrap();
    let ended = next(&mut stream).await.unwrap_err();
    assert_alike(&ended, &studio.rui.read_submission(&absent("sub")).await.unwrap_err());
}

#[tokio::test]
async fn a_watch_goes_on_where_it_broke_off_after_a_restart() {
    let mut studio = Studio::open().await;
    let id = studio.draft("Song").await.submission_id;
    let mut stream = watch(&studio.ana, &id, 0).await.unwrap();
    let (sequence, _) = snapshot(&mut stream).await;
    // A server that stops does not wait for watchers until its grace of 30 s is over.
    let restart = tokio::time::timeout(Duration::from_secs(10), studio.world.restart());
    restart.await.expect("the watch does not keep the server from stopping");
    assert_eq!(next(&mut stream).await.unwrap(), None, "a clean end");

    studio.ana.hand_in(&id).await.unwrap();
    let mut resumed = watch(&studio.ana, &id, sequence).await.unwrap();
    assert_eq!(change(&mut resumed).await, (2, S::Draft, S::Processing));
    assert_eq!(change(&mut resumed).await, (3, S::Processing, S::Submitted));
}

#[tokio::test]
async fn to_others_there_is_nothing_to_follow() {
    let studio = Studio::open().await;
    let draft = studio.draft("Song").await.submission_id;
    let none = studio.ana.read_submission(&absent("sub")).await.unwrap_err();
    for id in [draft.as_str(), &absent("sub"), "nonsense", ""] {
        for who in [&studio.eva, &studio.rui] {
            assert_alike(&none, &watch(who, id, 0).await.unwrap_err());
        }
    }
    let refused = watch(&studio.world.anonymous(), &draft, 0).await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::AccessTokenMissing);
    let refused = watch(&studio.ana, &draft, -1).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["resume_after_sequence"]);

    // Looking on is enough.
    studio.let_in(&studio.eva, MemberRole::Viewer).await;
    assert_eq!(snapshot(&mut watch(&studio.eva, &draft, 0).await.unwrap()).await.0, 1);
}

#[tokio::test]
async fn a_watch_ends_with_the_look_that_opened_it() {
    let studio = Studio::open().await;
    let (world, ana) = (&studio.world, &studio.ana);
    let root = world.admin("root").await;
    let draft = studio.draft("Song").await;
    let request = pb::StartImpersonationRequest {
        account_id: ana.account_id().into(),
        reason: "They see no tracks".into(),
        ..Default::default()
    };
    let begun = root.admin().start_impersonation(request).await.unwrap().into_inner();
    let eyes = world.anonymous().with_access_token(&begun.access_token);
    let lasts = begun.access_token_lifetime.unwrap().seconds;
    world.advance(Duration::from_secs(u64::try_from(lasts).unwrap() - 1));
    let mut stream = watch(&eyes, &draft.submission_id, 0).await.unwrap();
    snapshot(&mut stream).await;
    assert_eq!(next(&mut stream).await.unwrap(), None, "a clean end when its time is over");
    world.run_jobs().await;
}

#[tokio::test]
async fn a_watch_ends_with_the_key_that_opened_it() {
    let studio = Studio::open().await;
    let root = studio.world.admin("root").await;
    let id = studio.submitted("Song").await.submission_id;
    let request = pb::CreateServiceAccountRequest {
        display_name: "Board".into(),
        scopes: vec!["submissions.review".into()],
        reason: "For the wall".into(),
        ..Default::default()
    };
    let made = root.admin().create_service_account(request).await.unwrap().into_inner();
    let board = studio.world.anonymous().with_access_token(&made.api_key);
    let mut stream = watch(&board, &id, 0).await.unwrap();
    snapshot(&mut stream).await;
    let api_key_id = made.service_account.unwrap().keys[0].api_key_id.clone();
    let request = pb::RevokeApiKeyRequest { api_key_id, reason: "Stolen".into(), ..Default::default() };
    root.admin().revoke_api_key(request).await.unwrap();
    let ended = next(&mut stream).await.unwrap_err();
    assert_reason(&ended, Code::Unauthenticated, ErrorReason::ApiKeyEnded);
    assert_eq!(fact(&ended, "cause").as_deref(), Some("revoked"));
    studio.world.run_jobs().await;
}
