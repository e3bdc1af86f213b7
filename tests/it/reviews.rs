//! Review: the queue, decisions, publication.

use std::time::Duration;

use backline::entity::artist_member::MemberRole;
use pb::{SubmissionState as S, TrackState};

use crate::harness::*;

/// The methods that move a submission, with their names in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Submit,
    Withdraw,
    StartReview,
    Approve,
    Reject,
    Publish,
}

use Method::{Approve, Publish, Reject, StartReview, Submit, Withdraw};

impl Method {
    const ALL: [(Self, &'static str); 6] = [
        (Submit, "SubmitSubmission"),
        (Withdraw, "WithdrawSubmission"),
        (StartReview, "StartReview"),
        (Approve, "ApproveSubmission"),
        (Reject, "RejectSubmission"),
        (Publish, "PublishSubmission"),
    ];

    fn is_reviewers(self) -> bool {
        !matches!(self, Submit | Withdraw)
    }
}

/// As whoever may: ana the artist's moves, rui the reviewers'.
async fn call(studio: &Studio, method: Method, id: &str) -> Result<pb::Submission, Status> {
    match method {
        Submit => studio.ana.hand_in(id).await,
        Withdraw => studio.ana.take_back(id).await,
        StartReview => studio.rui.start_review(id).await,
        Approve => studio.rui.approve(id).await,
        Reject => studio.rui.reject(id).await,
        Publish => studio.rui.publish(id).await,
    }
}

/// What each state allows, and where it leads.
const TABLE: [(S, &[(Method, S)]); 11] = [
    (S::Draft, &[(Submit, S::Submitted), (Withdraw, S::Withdrawn)]),
    (S::Processing, &[(Withdraw, S::Withdrawn)]),
    (
        S::Submitted,
        &[(Withdraw, S::Withdrawn), (StartReview, S::InReview), (Approve, S::Approved), (Reject, S::Rejected)],
    ),
    (S::ChangesRequested, &[(Submit, S::Submitted), (Withdraw, S::Withdrawn)]),
    (S::InReview, &[(Withdraw, S::Withdrawn), (Approve, S::Approved), (Reject, S::Rejected)]),
    (S::Approved, &[(Publish, S::Published)]),
    (S::Rejected, &[]),
    (S::Published, &[]),
    (S::TakenDown, &[]),
    (S::Withdrawn, &[]),
    (S::Expired, &[]),
];

#[tokio::test]
async fn every_state_allows_what_its_row_says_and_nothing_else() {
    let studio = Studio::open().await;
    studio.make_premium(&studio.ana).await;
    for (state, allowed) in TABLE {
        let still = studio.submission(state, "Song").await;
        for (method, name) in Method::ALL {
            if allowed.iter().any(|(known, _)| *known == method) {
                continue;
            }
            let refused = call(&studio, method, &still.submission_id).await.expect_err(name);
            if state == S::Draft && method.is_reviewers() {
                assert_reason(&refused, Code::NotFound, ErrorReason::ResourceNotFound);
                continue;
            }
            assert_reason(&refused, Code::FailedPrecondition, ErrorReason::InvalidStateTransition);
            let from = state.as_str_name().strip_prefix("SUBMISSION_STATE_").unwrap();
            assert_eq!(fact(&refused, "from").as_deref(), Some(from));
            assert_eq!(fact(&refused, "attempted").as_deref(), Some(name));
            let same_side = |(_, name): &&(Method, &str)| {
                let known = Method::ALL.iter().find(|(_, known)| known == name).unwrap().0;
                known.is_reviewers() == method.is_reviewers() && allowed.iter().any(|(one, _)| *one == known)
            };
            let names: Vec<&str> = Method::ALL.iter().filter(same_side).map(|(_, name)| *name).collect();
            assert_eq!(fact(&refused, "allowed").unwrap(), names.join(","), "{state:?} {name}");
        }
        assert_eq!(studio.ana.read_submission(&still.submission_id).await.unwrap(), still, "nothing changed");
    }
    studio.world.run_jobs().await;
}

#[tokio::test]
async fn every_move_leads_where_its_row_says() {
    let studio = Studio::open().await;
    studio.make_premium(&studio.ana).await;
    for (state, allowed) in TABLE {
        for (method, to) in allowed {
            // What came back for changes had its track given back as well: no method does that yet.
            if state == S::ChangesRequested && *method == Submit {
                continue;
            }
            let submission = studio.submission(state, "Song").await;
            let moved = call(&studio, *method, &submission.submission_id).await.unwrap();
            assert_eq!(moved.state(), *to, "{state:?} {method:?}");
            assert_eq!(studio.ana.read_submission(&submission.submission_id).await.unwrap(), moved);
            let track = studio.ana.read_track(&submission.track_id).await.unwrap();
            let expected = match to {
                S::Submitted | S::InReview | S::Approved => TrackState::Locked,
                S::Published => TrackState::Active,
                // It never was locked, or is given back, except from where the test itself put it.
                _ if state == S::ChangesRequested => TrackState::Locked,
                _ => TrackState::Draft,
            };
            assert_eq!(track.state(), expected, "{state:?} {method:?}");
        }
    }
    studio.world.run_jobs().await;
}

#[tokio::test]
async fn a_decision_stands_whoever_tries_again() {
    let studio = Studio::open().await;
    let (ana, eva, rui) = (&studio.ana, &studio.eva, &studio.rui);
    let id = &studio.submitted("Song").await.submission_id;
    for who in [ana, eva] {
        for refused in [
            who.start_review(id).await.unwrap_err(),
            who.approve(id).await.unwrap_err(),
            who.reject(id).await.unwrap_err(),
            who.publish(id).await.unwrap_err(),
            who.review().list_queue(pb::ListQueueRequest::default()).await.unwrap_err(),
        ] {
            assert_reason(&refused, Code::PermissionDenied, ErrorReason::PermissionMissing);
            assert_eq!(fact(&refused, "permission").as_deref(), Some("submissions.review"));
        }
    }
    let refused = studio.world.anonymous().approve(id).await.unwrap_err();
    assert_reason(&refused, Code::Unauthenticated, ErrorReason::AccessTokenMissing);

    // A reviewer who belongs to the artist leaves it to others.
    let ivo = studio.world.reviewer("ivo").await;
    studio.let_in(&ivo, MemberRole::Viewer).await;
    for refused in
        [ivo.start_review(id).await.unwrap_err(), ivo.approve(id).await.unwrap_err(), ivo.reject(id).await.unwrap_err()]
    {
        assert_reason(&refused, Code::PermissionDenied, ErrorReason::PermissionMissing);
    }
    assert_eq!(ana.read_submission(id).await.unwrap().state(), S::Submitted);

    studio.world.advance(Duration::from_secs(5));
    let approved = rui.approve(id).await.unwrap();
    assert_eq!((approved.state(), approved.decide_time), (S::Approved, approved.update_time));
    for refused in [rui.approve(id).await.unwrap_err(), rui.reject(id).await.unwrap_err()] {
        assert_reason(&refused, Code::FailedPrecondition, ErrorReason::InvalidStateTransition);
        assert_eq!(fact(&refused, "allowed").as_deref(), Some("PublishSubmission"));
    }
    let refused = ivo.publish(id).await.unwrap_err();
    assert_reason(&refused, Code::PermissionDenied, ErrorReason::PermissionMissing);
    assert_eq!(ana.read_submission(id).await.unwrap(), approved);

    let none = rui.approve(&absent("sub")).await.unwrap_err();
    assert_reason(&none, Code::NotFound, ErrorReason::ResourceNotFound);
    let draft = studio.draft("Not yet").await.submission_id;
    for id in [draft.as_str(), "nonsense", ""] {
        assert_alike(&none, &rui.approve(id).await.unwrap_err());
        assert_alike(&none, &rui.reject(id).await.unwrap_err());
        assert_alike(&none, &rui.start_review(id).await.unwrap_err());
        assert_alike(&none, &rui.publish(id).await.unwrap_err());
    }
    studio.world.run_jobs().await;
}

#[tokio::test]
async fn of_two_reviewers_at_once_exactly_one_decides() {
    let studio = Studio::open().await;
    let (rui, ivo) = (&studio.rui, &studio.world.reviewer("ivo").await);
    for round in 0..4 {
        let submission = studio.submitted(&format!("Song {round}")).await;
        let id = submission.submission_id.as_str();
        let (one, two) = match round {
            0 => tokio::join!(rui.start_review(id), ivo.start_review(id)),
            1 => tokio::join!(rui.approve(id), ivo.approve(id)),
            2 => tokio::join!(rui.approve(id), ivo.reject(id)),
            _ => tokio::join!(rui.reject(id), studio.ana.take_back(id)),
        };
        let (won, lost) = match (one, two) {
            (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
            both => panic!("one of two, and not both or none: {both:?}"),
        };
        assert_reason(&lost, Code::FailedPrecondition, ErrorReason::InvalidStateTransition);
        let from = won.state().as_str_name().strip_prefix("SUBMISSION_STATE_").unwrap();
        assert_eq!(fact(&lost, "from").as_deref(), Some(from));
        assert_eq!(rui.read_submission(id).await.unwrap(), won);
    }
    studio.world.run_jobs().await;
    // One letter for each decision but no other: rounds 1 and 2, and 3 if the reviewer was first.
    let decided = studio.world.letters_to(&studio.ana.email).iter().filter(|l| l.subject.contains("Song")).count();
    assert!((2..=3).contains(&decided), "{decided} letters");
}

#[tokio::test]
async fn the_artist_is_told_of_each_decision_once() {
    let studio = Studio::open().await;
    let (ana, rui) = (&studio.ana, &studio.rui);
    let before = studio.world.letters_to(&ana.email).len();
    let one = studio.submitted("Blue & “Green”").await;
    let approve = pb::ApproveSubmissionRequest {
        submission_id: one.submission_id.clone(),
        note: "Lovely.\nThank you.".into(),
        request_id: request_id(1),
    };
    let first = rui.review().approve_submission(approve.clone()).await.unwrap().into_inner();
    assert_eq!(first.submission.as_ref().unwrap().decision_note, "Lovely.\nThank you.");
    assert_eq!(rui.review().approve_submission(approve.clone()).await.unwrap().into_inner(), first);

    let letter = studio.world.newest_letter_to(&ana.email).await;
    insta::assert_snapshot!(letter.subject, @"“Blue & “Green”” was approved");
    insta::assert_snapshot!(letter.text, @"
    Your submission “Blue & “Green”” was approved.

    The reviewers wrote:
    Lovely.
    Thank you.

    You get this letter because you submitted this track at Backline.
    ");
    assert!(letter.html.contains("Blue &amp; “Green”"), "{}", letter.html);

    rui.publish(&one.submission_id).await.unwrap();
    let letter = studio.world.newest_letter_to(&ana.email).await;
    assert_eq!(letter.subject, "“Blue & “Green”” was published");
    assert!(!letter.text.contains("Lovely"), "{}", letter.text);

    let two = studio.submitted("Two").await;
    let reject = pb::RejectSubmissionRequest {
        submission_id: two.submission_id.clone(),
        reason: pb::SubmissionRejectReason::AudioQuality.into(),
        note: "<b>Too loud.</b>".into(),
        request_id: request_id(2),
    };
    let first = rui.review().reject_submission(reject.clone()).await.unwrap().into_inner();
    assert_eq!(rui.review().reject_submission(reject.clone()).await.unwrap().into_inner(), first);
    let rejected = first.submission.unwrap();
    assert_eq!(rejected.decision_reason(), pb::SubmissionRejectReason::AudioQuality);
    assert_eq!((rejected.state(), rejected.decision_note.as_str()), (S::Rejected, "<b>Too loud.</b>"));
    let letter = studio.world.newest_letter_to(&ana.email).await;
    assert_eq!(letter.subject, "“Two” was rejected");
    assert!(letter.text.contains("<b>Too loud.</b>") && letter.html.contains("&lt;b&gt;Too loud."), "{letter:?}");
    assert_eq!(studio.world.letters_to(&ana.email).len(), before + 3);

    // The track is its artist's again, and may be offered anew.
    assert_eq!(ana.read_track(&two.track_id).await.unwrap().state(), TrackState::Draft);
    ana.offer(&two.track_id).await.unwrap();

    let reused = pb::ApproveSubmissionRequest { note: "Other".into(), ..approve };
    assert_reason(
        &rui.review().approve_submission(reused).await.unwrap_err(),
        Code::InvalidArgument,
        ErrorReason::RequestIdReused,
    );
    let reused = pb::RejectSubmissionRequest { note: "Other".into(), ..reject };
    assert_reason(
        &rui.review().reject_submission(reused).await.unwrap_err(),
        Code::InvalidArgument,
        ErrorReason::RequestIdReused,
    );
}

#[tokio::test]
async fn malformed_decisions_are_told_every_field() {
    let studio = Studio::open().await;
    let rui = &studio.rui;
    let id = studio.submitted("Song").await.submission_id;
    let long = "x".repeat(2001);
    let approve = pb::ApproveSubmissionRequest { submission_id: id.clone(), note: long.clone(), ..Default::default() };
    let refused = rui.review().approve_submission(approve).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["note"]);
    for reason in [0, 99, -1] {
        let reject =
            pb::RejectSubmissionRequest { submission_id: id.clone(), reason, note: long.clone(), ..Default::default() };
        let refused = rui.review().reject_submission(reject).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
        assert_eq!(violations(&refused), ["reason", "note"]);
    }
    let start = pb::StartReviewRequest { submission_id: id.clone(), request_id: "no".into() };
    assert_eq!(violations(&rui.review().start_review(start).await.unwrap_err()), ["request_id"]);
    let publish = pb::PublishSubmissionRequest { submission_id: id, request_id: "no".into() };
    assert_eq!(violations(&rui.review().publish_submission(publish).await.unwrap_err()), ["request_id"]);
}

#[tokio::test]
async fn publication_makes_a_track_everyone_s_to_find() {
    let studio = Studio::open().await;
    let (eva, rui) = (&studio.eva, &studio.rui);
    let find = async || {
        let request = pb::SearchRequest { query: "midnight ferry".into(), ..Default::default() };
        eva.search().search(request).await.unwrap().into_inner().results
    };
    let submission = studio.submitted("Midnight Ferry").await;
    let start = pb::StartReviewRequest { submission_id: submission.submission_id.clone(), request_id: request_id(1) };
    let started = rui.review().start_review(start.clone()).await.unwrap().into_inner();
    assert_eq!(rui.review().start_review(start).await.unwrap().into_inner(), started);
    rui.approve(&submission.submission_id).await.unwrap();
    assert_eq!(find().await, [], "not before");
    assert_reason(
        &eva.read_track(&submission.track_id).await.unwrap_err(),
        Code::NotFound,
        ErrorReason::ResourceNotFound,
    );

    studio.world.advance(Duration::from_mins(1));
    let publish =
        pb::PublishSubmissionRequest { submission_id: submission.submission_id.clone(), request_id: request_id(2) };
    let published = rui.review().publish_submission(publish.clone()).await.unwrap().into_inner();
    assert_eq!(rui.review().publish_submission(publish.clone()).await.unwrap().into_inner(), published);
    let published = published.submission.unwrap();
    assert_eq!((published.state(), published.publish_time), (S::Published, published.update_time));
    let track = eva.read_track(&submission.track_id).await.unwrap();
    assert_eq!((track.state(), track.visibility()), (TrackState::Active, pb::TrackVisibility::Public));
    assert_eq!(track.publish_time, published.publish_time);
    let found = find().await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].item, Some(pb::search_result::Item::Track(track)));
    // The submission itself stays between the artist and the reviewers.
    assert_reason(
        &eva.read_submission(&submission.submission_id).await.unwrap_err(),
        Code::NotFound,
        ErrorReason::ResourceNotFound,
    );
    let other = pb::PublishSubmissionRequest { submission_id: absent("sub"), ..publish };
    let refused = rui.review().publish_submission(other).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::RequestIdReused);
    studio.world.run_jobs().await;
}
