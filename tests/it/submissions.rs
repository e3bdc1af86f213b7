//! Submissions, the artist's side: offering, handing in, taking back.

use std::time::Duration;

use backline::entity::{artist_member::MemberRole, submission_revision};
use futures::future::join_all;
use pb::{SubmissionState as S, TrackState};
use sea_orm::EntityTrait;

use crate::harness::*;

async fn hand_in(who: &Actor, id: &str, request_id: &str) -> Result<pb::SubmitSubmissionResponse, Status> {
    let request = pb::SubmitSubmissionRequest { submission_id: id.to_owned(), request_id: request_id.to_owned() };
    Ok(who.submissions().submit_submission(request).await?.into_inner())
}

async fn list(who: &Actor, request: pb::ListSubmissionsRequest) -> Result<pb::ListSubmissionsResponse, Status> {
    Ok(who.submissions().list_submissions(request).await?.into_inner())
}

#[tokio::test]
async fn a_draft_is_handed_in_taken_back_and_offered_again() {
    let studio = Studio::open().await;
    let ana = &studio.ana;
    let track = ana.new_track(studio.track("Song")).await.unwrap();
    let request = pb::CreateSubmissionRequest {
        track_id: track.track_id.clone(),
        note: "Please.\n\nIt is good.".into(),
        ..Default::default()
    };
    let draft = ana.submissions().create_submission(request).await.unwrap().into_inner().submission.unwrap();
    assert_eq!((draft.state(), draft.revision, draft.note.as_str()), (S::Draft, 0, "Please.\n\nIt is good."));
    assert_eq!((draft.track_id.as_str(), draft.artist_id.as_str()), (track.track_id.as_str(), &*studio.artist_id));
    assert_eq!((draft.submit_time, draft.decide_time, draft.publish_time), (None, None, None));
    assert_eq!(ana.read_submission(&draft.submission_id).await.unwrap(), draft);

    studio.world.advance(Duration::from_mins(1));
    let reply = hand_in(ana, &draft.submission_id, "").await.unwrap();
    let handed_in = reply.submission.unwrap();
    assert_eq!((handed_in.state(), handed_in.revision), (S::Submitted, 1));
    assert_eq!(handed_in.submit_time, handed_in.update_time);
    assert_ne!(handed_in.etag, draft.etag);
    let limit = reply.limit.unwrap();
    assert_eq!((limit.limit, limit.remaining, limit.window.unwrap().seconds), (20, 19, 3600));
    assert_eq!(ana.read_track(&track.track_id).await.unwrap().state(), TrackState::Locked);
    assert_eq!(studio.rui.read_submission(&draft.submission_id).await.unwrap(), handed_in);

    // What was handed in is kept as it was, bytes by their digest.
    let frozen = submission_revision::Entity::find().all(&studio.world.db().await).await.unwrap();
    let snapshot: serde_json::Value = serde_json::from_str(&frozen[0].snapshot).unwrap();
    let upload = ana.read_upload(&studio.audio_id).await.unwrap();
    assert_eq!((frozen.len(), frozen[0].number, &snapshot["title"]), (1, 1, &"Song".into()));
    assert_eq!(snapshot["audio"]["sha256"], hex::encode(&upload.sha256));

    let back = ana.take_back(&draft.submission_id).await.unwrap();
    assert_eq!(back.state(), S::Withdrawn);
    assert_eq!(ana.read_track(&track.track_id).await.unwrap().state(), TrackState::Draft);
    let again = ana.offer(&track.track_id).await.unwrap();
    assert_ne!(again.submission_id, draft.submission_id);
    assert_eq!(ana.hand_in(&again.submission_id).await.unwrap().state(), S::Submitted);
}

#[tokio::test]
async fn what_is_not_finalized_cannot_be_handed_in() {
    let studio = Studio::open().await;
    let ana = &studio.ana;
    let sound = audio::wav(0.05, 2);
    let unfinished = ana.announce(pb::UploadPurpose::TrackAudio, "audio/wav", sound.len()).await;
    let request = pb::CreateTrackRequest { audio_upload_id: unfinished.clone(), ..studio.track("Song") };
    let track = ana.new_track(request).await.unwrap();
    let draft = ana.offer(&track.track_id).await.unwrap();
    let refused_for = async |upload_id: &str, state: &str| {
        let refused = ana.hand_in(&draft.submission_id).await.unwrap_err();
        assert_reason(&refused, Code::FailedPrecondition, ErrorReason::UploadNotFinalized);
        assert_eq!(fact(&refused, "upload_id").as_deref(), Some(upload_id));
        assert_eq!(fact(&refused, "state").as_deref(), Some(state));
        let violations = details(&refused).precondition_failure().unwrap().violations.clone();
        assert_eq!((violations[0].r#type.as_str(), violations[0].subject.as_str()), ("UPLOAD", upload_id));
        assert_eq!(ana.read_submission(&draft.submission_id).await.unwrap(), draft, "nothing changed");
        assert_eq!(ana.read_track(&track.track_id).await.unwrap().state(), TrackState::Draft);
    };
    refused_for(&unfinished, "PENDING").await;
    ana.send(&unfinished, &sound).await;
    refused_for(&unfinished, "VERIFYING").await;
    studio.world.run_jobs().await;

    // The artwork counts as well, and a file that is not what it says never gets there.
    let picture = ana.announce(pb::UploadPurpose::Artwork, "image/png", 12).await;
    let with_picture = pb::Track { artwork_upload_id: picture.clone(), ..track.clone() };
    ana.edit_track(with_picture, &["artwork_upload_id"]).await.unwrap();
    refused_for(&picture, "PENDING").await;
    ana.send(&picture, b"Hello world!").await;
    studio.world.run_jobs().await;
    refused_for(&picture, "REJECTED").await;

    let without = pb::Track { artwork_upload_id: String::new(), ..track.clone() };
    ana.edit_track(without, &["artwork_upload_id"]).await.unwrap();
    assert_eq!(ana.hand_in(&draft.submission_id).await.unwrap().state(), S::Submitted);
}

#[tokio::test]
async fn a_track_is_offered_once_at_a_time_however_many_try() {
    let studio = Studio::open().await;
    let ana = &studio.ana;
    let track = ana.new_track(studio.track("Song")).await.unwrap();
    let tries = join_all((0..8).map(|_| ana.offer(&track.track_id))).await;
    let (won, lost): (Vec<_>, Vec<_>) = tries.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 7));
    let won = won.into_iter().next().unwrap().unwrap();
    for refused in lost {
        let refused = refused.unwrap_err();
        assert_reason(&refused, Code::AlreadyExists, ErrorReason::ActiveSubmissionExists);
        assert_eq!(details(&refused).resource_info().unwrap().resource_name, won.submission_id);
    }

    // The same once it is in the queue, and while it waits for publication.
    for step in [S::Submitted, S::Approved] {
        if step == S::Submitted {
            ana.hand_in(&won.submission_id).await.unwrap();
        } else {
            studio.rui.approve(&won.submission_id).await.unwrap();
        }
        let refused = ana.offer(&track.track_id).await.unwrap_err();
        assert_reason(&refused, Code::AlreadyExists, ErrorReason::ActiveSubmissionExists);
        assert_eq!(details(&refused).resource_info().unwrap().resource_name, won.submission_id);
    }
    studio.rui.publish(&won.submission_id).await.unwrap();
    let refused = ana.offer(&track.track_id).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::InvalidStateTransition);
    assert_eq!((fact(&refused, "from").unwrap(), fact(&refused, "allowed").unwrap()), ("ACTIVE".into(), String::new()));
    studio.world.run_jobs().await;
}

#[tokio::test]
async fn of_several_hand_ins_at_once_one_counts() {
    let studio = Studio::open().await;
    let (ana, draft) = (&studio.ana, studio.draft("Song").await);
    let tries = join_all((0..6).map(|_| ana.hand_in(&draft.submission_id))).await;
    let (won, lost): (Vec<_>, Vec<_>) = tries.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 5));
    for refused in lost {
        let refused = refused.unwrap_err();
        assert_reason(&refused, Code::FailedPrecondition, ErrorReason::InvalidStateTransition);
        assert_eq!(fact(&refused, "from").as_deref(), Some("SUBMITTED"));
    }
    assert_eq!(ana.read_submission(&draft.submission_id).await.unwrap(), won.into_iter().next().unwrap().unwrap());

    // Deleting the track and offering it: whoever comes first, and never both.
    for number in 0..4 {
        let track = ana.new_track(studio.track(&format!("Race {number}"))).await.unwrap();
        let (offered, dropped) = tokio::join!(ana.offer(&track.track_id), ana.drop_track(&track.track_id));
        assert_ne!(offered.is_ok(), dropped.is_ok(), "{offered:?} {dropped:?}");
        match (offered, dropped) {
            (Err(refused), _) => assert_reason(&refused, Code::NotFound, ErrorReason::ResourceNotFound),
            (_, Err(refused)) => {
                assert_reason(&refused, Code::FailedPrecondition, ErrorReason::InvalidStateTransition);
            }
            _ => unreachable!(),
        }
    }
}

#[tokio::test]
async fn an_hour_has_twenty_hand_ins_and_premium_a_hundred() {
    let studio = Studio::open().await;
    let (world, ana) = (&studio.world, &studio.ana);
    for left in (0..20).rev() {
        let draft = studio.draft(&format!("Song {left}")).await;
        let reply = hand_in(ana, &draft.submission_id, "").await.unwrap();
        assert_eq!(reply.limit.unwrap().remaining, left);
    }
    world.advance(Duration::from_secs(9));
    let draft = studio.draft("One too many").await;
    let refused = ana.hand_in(&draft.submission_id).await.unwrap_err();
    assert_reason(&refused, Code::ResourceExhausted, ErrorReason::RateLimited);
    assert_eq!(fact(&refused, "scope").as_deref(), Some("submissions.submit"));
    assert_eq!(details(&refused).quota_failure().unwrap().violations[0].subject, "submissions.submit");
    // The first of them was handed in 29 seconds ago.
    let wait = details(&refused).retry_info().unwrap().retry_delay.unwrap();
    assert_eq!(wait, Duration::from_secs(3600 - 29));
    assert_eq!(ana.read_submission(&draft.submission_id).await.unwrap(), draft);

    // A restart forgets nothing; another member has a limit of their own.
    let mut studio = studio;
    studio.world.restart().await;
    let ana = &studio.ana;
    assert_reason(
        &ana.hand_in(&draft.submission_id).await.unwrap_err(),
        Code::ResourceExhausted,
        ErrorReason::RateLimited,
    );
    studio.world.advance(wait);
    ana.refresh().await.unwrap();
    assert_eq!(hand_in(ana, &draft.submission_id, "").await.unwrap().limit.unwrap().remaining, 0);
    let next = studio.draft("Next").await;
    assert_eq!(hand_in(ana, &next.submission_id, "").await.unwrap().limit.unwrap().remaining, 0);
    let last = studio.draft("Last").await;
    studio.let_in(&studio.eva, MemberRole::Manager).await;
    studio.eva.refresh().await.unwrap();
    assert_eq!(hand_in(&studio.eva, &last.submission_id, "").await.unwrap().limit.unwrap().remaining, 19);

    studio.make_premium(ana).await;
    let more = studio.draft("More").await;
    let limit = hand_in(ana, &more.submission_id, "").await.unwrap().limit.unwrap();
    assert_eq!((limit.limit, limit.remaining > 70), (100, true), "{limit:?}");
}

#[tokio::test]
async fn to_others_a_submission_does_not_exist() {
    let studio = Studio::open().await;
    let (ana, eva, rui) = (&studio.ana, &studio.eva, &studio.rui);
    let draft = studio.draft("Song").await;
    let none = ana.read_submission(&absent("sub")).await.unwrap_err();
    assert_reason(&none, Code::NotFound, ErrorReason::ResourceNotFound);
    for id in [draft.submission_id.as_str(), "nonsense", "", &studio.artist_id] {
        for who in [eva, rui] {
            assert_alike(&none, &who.read_submission(id).await.unwrap_err());
            assert_alike(&none, &who.hand_in(id).await.unwrap_err());
            assert_alike(&none, &who.take_back(id).await.unwrap_err());
        }
    }
    let no_track = ana.offer(&absent("trk")).await.unwrap_err();
    assert_reason(&no_track, Code::NotFound, ErrorReason::ResourceNotFound);
    for who in [eva, rui] {
        assert_alike(&no_track, &who.offer(&draft.track_id).await.unwrap_err());
        assert_alike(&no_track, &who.offer("nonsense").await.unwrap_err());
    }
    assert_eq!(ana.read_submission(&draft.submission_id).await.unwrap(), draft);

    // Staff see it once it is handed in, and a member who only looks is told so.
    ana.hand_in(&draft.submission_id).await.unwrap();
    assert_alike(&none, &eva.read_submission(&draft.submission_id).await.unwrap_err());
    studio.let_in(eva, MemberRole::Viewer).await;
    eva.read_submission(&draft.submission_id).await.unwrap();
    for refused in [
        rui.take_back(&draft.submission_id).await.unwrap_err(),
        eva.take_back(&draft.submission_id).await.unwrap_err(),
        eva.offer(&draft.track_id).await.unwrap_err(),
    ] {
        assert_reason(&refused, Code::PermissionDenied, ErrorReason::PermissionMissing);
    }
    // A published track is everyone's to see; offering it is still its members'.
    rui.approve(&draft.submission_id).await.unwrap();
    rui.publish(&draft.submission_id).await.unwrap();
    assert_alike(&no_track, &rui.offer(&draft.track_id).await.unwrap_err());
    studio.world.run_jobs().await;
}

#[tokio::test]
async fn malformed_requests_are_told_every_field() {
    let studio = Studio::open().await;
    let ana = &studio.ana;
    for (fields, request) in [
        (
            &["track_id", "note"] as &[&str],
            pb::CreateSubmissionRequest { note: "x".repeat(2001), ..Default::default() },
        ),
        (
            &["note"],
            pb::CreateSubmissionRequest { track_id: absent("trk"), note: "a\u{7}".into(), ..Default::default() },
        ),
        (
            &["request_id"],
            pb::CreateSubmissionRequest { track_id: absent("trk"), request_id: "no".into(), ..Default::default() },
        ),
    ] {
        let refused = ana.submissions().create_submission(request).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
        assert_eq!(violations(&refused), fields);
    }
    let draft = studio.draft("Song").await;
    let refused = hand_in(ana, &draft.submission_id, "no").await.unwrap_err();
    assert_eq!(violations(&refused), ["request_id"]);
    let request = pb::WithdrawSubmissionRequest { submission_id: draft.submission_id, request_id: "no".into() };
    let refused = ana.submissions().withdraw_submission(request).await.unwrap_err();
    assert_eq!(violations(&refused), ["request_id"]);
}

#[tokio::test]
async fn repeats_give_the_first_reply_and_act_once() {
    let studio = Studio::open().await;
    let ana = &studio.ana;
    let track = ana.new_track(studio.track("Song")).await.unwrap();
    let create =
        pb::CreateSubmissionRequest { track_id: track.track_id, request_id: request_id(1), ..Default::default() };
    // At once, and again.
    let replies = join_all((0..4).map(|_| {
        let (request, mut line) = (create.clone(), ana.submissions());
        async move { line.create_submission(request).await.unwrap().into_inner() }
    }))
    .await;
    assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:?}");
    let id = replies[0].submission.clone().unwrap().submission_id;

    let first = hand_in(ana, &id, &request_id(2)).await.unwrap();
    assert_eq!(hand_in(ana, &id, &request_id(2)).await.unwrap(), first);
    let withdraw = pb::WithdrawSubmissionRequest { submission_id: id.clone(), request_id: request_id(3) };
    let back = ana.submissions().withdraw_submission(withdraw.clone()).await.unwrap().into_inner();
    assert_eq!(ana.submissions().withdraw_submission(withdraw.clone()).await.unwrap().into_inner(), back);
    assert_eq!(hand_in(ana, &id, &request_id(2)).await.unwrap(), first, "the first reply, whatever came after");
    assert_eq!(ana.read_submission(&id).await.unwrap().state(), S::Withdrawn);

    let withdraw = pb::WithdrawSubmissionRequest { submission_id: absent("sub"), ..withdraw };
    for refused in [
        ana.submissions()
            .create_submission(pb::CreateSubmissionRequest { note: "Other".into(), ..create })
            .await
            .unwrap_err(),
        hand_in(ana, &absent("sub"), &request_id(2)).await.unwrap_err(),
        ana.submissions().withdraw_submission(withdraw).await.unwrap_err(),
    ] {
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::RequestIdReused);
    }
}

#[tokio::test]
async fn submissions_are_listed_by_artist_and_state_in_pages() {
    let studio = Studio::open().await;
    let (ana, eva) = (&studio.ana, &studio.eva);
    let mut made = Vec::new();
    for state in [S::Draft, S::Submitted, S::Withdrawn, S::Submitted, S::Rejected] {
        made.push(studio.submission(state, "Song").await.submission_id);
    }
    let other_artist = ana.found_artist("The Others", &studio.rui).await;
    let asked = |artist_id: &str, filter: &str, page_size, page_token: &str| pb::ListSubmissionsRequest {
        artist_id: artist_id.to_owned(),
        page_size,
        page_token: page_token.to_owned(),
        filter: filter.to_owned(),
    };
    let ids = |page: &pb::ListSubmissionsResponse| -> Vec<String> {
        page.submissions.iter().map(|submission| submission.submission_id.clone()).collect()
    };

    let (mut walked, mut token) = (Vec::new(), String::new());
    loop {
        let page = list(ana, asked("", "", 2, &token)).await.unwrap();
        walked.extend(ids(&page));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let newest_first: Vec<String> = made.iter().rev().cloned().collect();
    assert_eq!(walked, newest_first);
    assert_eq!(ids(&list(ana, asked(&studio.artist_id, "", 0, "")).await.unwrap()), newest_first);
    let submitted = list(ana, asked("", "state = SUBMITTED", 0, "")).await.unwrap();
    assert_eq!(ids(&submitted), [made[3].clone(), made[1].clone()]);
    assert_eq!(ids(&list(ana, asked(&other_artist, "", 0, "")).await.unwrap()), Vec::<String>::new());
    assert_eq!(ids(&list(eva, asked("", "", 0, "")).await.unwrap()), Vec::<String>::new());

    let foreign = list(eva, asked(&studio.artist_id, "", 0, "")).await.unwrap_err();
    assert_reason(&foreign, Code::NotFound, ErrorReason::ResourceNotFound);
    for id in [absent("art").as_str(), "nonsense"] {
        assert_alike(&foreign, &list(ana, asked(id, "", 0, "")).await.unwrap_err());
    }
    for filter in ["state = NONSENSE", "state", "title = x", "state = DRAFT OR 1 = 1", "state = draft"] {
        let refused = list(ana, asked("", filter, 0, "")).await.expect_err(filter);
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FilterInvalid);
    }
    let token = list(ana, asked("", "", 1, "")).await.unwrap().next_page_token;
    for request in [
        asked("", "", 1, &tampered(&token, 5)),
        asked("", "state = DRAFT", 1, &token),
        asked(&studio.artist_id, "", 1, &token),
        asked("", "", 1, "x"),
    ] {
        let refused = list(ana, request).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::PageTokenInvalid);
    }
    let refused = list(eva, asked("", "", 1, &token)).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::PageTokenInvalid);
    assert_eq!(violations(&list(ana, asked("", "", -1, "")).await.unwrap_err()), ["page_size"]);
    studio.world.run_jobs().await;
}
