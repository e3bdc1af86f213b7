//! Tracks: drafts, their fields, who sees and changes them.

use std::time::Duration;

use backline::entity::artist_member::MemberRole;

use crate::harness::*;

async fn page(who: &Actor, artist_id: &str, page_size: i32, token: &str) -> Result<pb::ListTracksResponse, Status> {
    let request = pb::ListTracksRequest { artist_id: artist_id.to_owned(), page_size, page_token: token.to_owned() };
    Ok(who.tracks().list_tracks(request).await?.into_inner())
}

fn titles(page: &pb::ListTracksResponse) -> Vec<&str> {
    page.tracks.iter().map(|track| track.title.as_str()).collect()
}

#[tokio::test]
async fn a_draft_keeps_what_was_said_and_is_its_members_own() {
    let studio = Studio::open().await;
    let artwork_id = studio.ana.announce(pb::UploadPurpose::Artwork, "image/png", PNG.len()).await;
    let request = pb::CreateTrackRequest {
        version_title: "Radio Edit".into(),
        isrc: "pt-abc-26-00001".into(),
        language: "pt-br".into(),
        explicit: true,
        artwork_upload_id: artwork_id.clone(),
        allow_download: true,
        ..studio.track("  A Song ")
    };
    let track = studio.ana.new_track(request).await.unwrap();
    assert_eq!((track.title.as_str(), track.version_title.as_str()), ("A Song", "Radio Edit"));
    assert_eq!((track.isrc.as_str(), track.language.as_str()), ("PTABC2600001", "pt-BR"));
    assert!(track.explicit && track.allow_download);
    assert_eq!((track.state(), track.visibility()), (pb::TrackState::Draft, pb::TrackVisibility::Private));
    assert_eq!(track.audio_object_id, studio.ana.read_upload(&studio.audio_id).await.unwrap().object_id);
    assert_eq!((track.publish_time, track.delete_time), (None, None));
    assert_eq!(studio.ana.read_track(&track.track_id).await.unwrap(), track);

    // The picture becomes an object once it is there and checked.
    assert_eq!(track.artwork_object_id, "");
    studio.ana.send(&artwork_id, PNG).await;
    studio.world.run_jobs().await;
    assert_ne!(studio.ana.read_track(&track.track_id).await.unwrap().artwork_object_id, "");

    let absent = studio.eva.read_track(&absent("trk")).await.unwrap_err();
    assert_reason(&absent, Code::NotFound, ErrorReason::ResourceNotFound);
    for who in [&studio.eva, &studio.rui] {
        for id in [track.track_id.as_str(), "nonsense", "trk_", &studio.artist_id] {
            assert_alike(&absent, &who.read_track(id).await.unwrap_err());
        }
        assert_eq!(page(who, &studio.artist_id, 0, "").await.unwrap().tracks, []);
    }
}

#[tokio::test]
async fn malformed_tracks_are_told_every_field_at_once() {
    let studio = Studio::open().await;
    let refused = studio.ana.new_track(pb::CreateTrackRequest::default()).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["artist_id", "audio_upload_id", "title"]);

    let all = pb::CreateTrackRequest {
        title: "x".repeat(201),
        version_title: "two\nlines".into(),
        isrc: "PT-1".into(),
        language: "??".into(),
        ..studio.track("")
    };
    let refused = studio.ana.new_track(all).await.unwrap_err();
    assert_eq!(violations(&refused), ["title", "version_title", "isrc", "language"]);

    let bad = |field: &'static str, change: fn(&mut pb::CreateTrackRequest)| {
        let mut request = studio.track("Song");
        change(&mut request);
        (field, request)
    };
    for (field, request) in [
        bad("title", |r| r.title = " \t ".into()),
        bad("title", |r| r.title = "a\u{0}b".into()),
        bad("title", |r| r.title = "a\u{202e}b".into()),
        bad("isrc", |r| r.isrc = "PTABC260001".into()),
        bad("isrc", |r| r.isrc = "P1ABC2600001".into()),
        bad("isrc", |r| r.isrc = "PTÁBC260001".into()),
        bad("isrc", |r| r.isrc = "PT-ABC-2600001".into()),
        bad("language", |r| r.language = "x".repeat(36)),
        bad("request_id", |r| r.request_id = "7".into()),
    ] {
        let shown = format!("{request:?}");
        let refused = studio.ana.new_track(request).await.expect_err(&shown);
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
        assert_eq!(violations(&refused), [field], "{shown}");
    }
    assert_eq!(page(&studio.ana, &studio.artist_id, 0, "").await.unwrap().tracks, []);
}

#[tokio::test]
async fn an_isrc_belongs_to_one_track_until_that_is_deleted() {
    let studio = Studio::open().await;
    let coded = |title: &str| pb::CreateTrackRequest { isrc: "PTABC2600001".into(), ..studio.track(title) };
    let first = studio.ana.new_track(coded("One")).await.unwrap();
    let refused = studio.ana.new_track(coded("Two")).await.unwrap_err();
    assert_reason(&refused, Code::AlreadyExists, ErrorReason::IsrcInUse);
    let second = studio.ana.new_track(studio.track("Two")).await.unwrap();
    let wish = pb::Track { isrc: "pt-abc-26-00001".into(), ..second.clone() };
    let refused = studio.ana.edit_track(wish.clone(), &["isrc"]).await.unwrap_err();
    assert_reason(&refused, Code::AlreadyExists, ErrorReason::IsrcInUse);

    let dropped = studio.ana.drop_track(&first.track_id).await.unwrap();
    assert_eq!(dropped.delete_time, dropped.update_time);
    let gone = studio.ana.read_track(&first.track_id).await.unwrap_err();
    assert_reason(&gone, Code::NotFound, ErrorReason::ResourceNotFound);
    assert_alike(&gone, &studio.ana.drop_track(&first.track_id).await.unwrap_err());
    let coded = studio.ana.edit_track(wish, &["isrc"]).await.unwrap();
    assert_eq!(coded.isrc, "PTABC2600001");
    let bare = studio.ana.edit_track(pb::Track { isrc: String::new(), ..coded }, &["isrc"]).await.unwrap();
    assert_eq!(bare.isrc, "");
}

#[tokio::test]
async fn a_track_takes_uploads_of_its_members_only() {
    let studio = Studio::open().await;
    let (ana, eva) = (&studio.ana, &studio.eva);
    let audio = pb::UploadPurpose::TrackAudio;
    let with_audio = |id: &str| pb::CreateTrackRequest { audio_upload_id: id.to_owned(), ..studio.track("Song") };
    let with_artwork = |id: &str| pb::CreateTrackRequest { artwork_upload_id: id.to_owned(), ..studio.track("Song") };

    let foreign = eva.announce(audio, "audio/wav", 100).await;
    let refused = ana.new_track(with_audio(&foreign)).await.unwrap_err();
    assert_reason(&refused, Code::NotFound, ErrorReason::ResourceNotFound);
    for id in [absent("upl").as_str(), "nonsense"] {
        assert_alike(&refused, &ana.new_track(with_audio(id)).await.unwrap_err());
        assert_alike(&refused, &ana.new_track(with_artwork(id)).await.unwrap_err());
    }

    // Another member's is as good as one's own, and so is one that has not begun.
    studio.let_in(eva, MemberRole::Manager).await;
    let track = ana.new_track(with_audio(&foreign)).await.unwrap();
    assert_eq!(track.audio_object_id, "");

    let picture = ana.announce(pb::UploadPurpose::Artwork, "image/png", PNG.len()).await;
    let given_up = ana.announce(audio, "audio/wav", 100).await;
    let cancel = pb::CancelUploadRequest { upload_id: given_up.clone(), ..Default::default() };
    ana.storage().cancel_upload(cancel).await.unwrap();
    for (field, request) in [
        ("audio_upload_id", with_audio(&picture)),
        ("artwork_upload_id", with_artwork(&studio.audio_id)),
        ("audio_upload_id", with_audio(&given_up)),
    ] {
        let refused = ana.new_track(request).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
        assert_eq!(violations(&refused), [field]);
    }
    studio.world.run_jobs().await;
}

#[tokio::test]
async fn nobody_else_makes_changes_or_deletes() {
    let studio = Studio::open().await;
    let (ana, eva, rui) = (&studio.ana, &studio.eva, &studio.rui);
    let track = ana.new_track(studio.track("Song")).await.unwrap();
    let elsewhere = |artist_id: &str| pb::CreateTrackRequest { artist_id: artist_id.to_owned(), ..studio.track("X") };

    let no_artist = eva.new_track(studio.track("X")).await.unwrap_err();
    assert_reason(&no_artist, Code::NotFound, ErrorReason::ResourceNotFound);
    for id in [absent("art").as_str(), "nonsense"] {
        assert_alike(&no_artist, &ana.new_track(elsewhere(id)).await.unwrap_err());
    }
    let no_track = ana.drop_track(&absent("trk")).await.unwrap_err();
    for id in [track.track_id.as_str(), "nonsense", ""] {
        for who in [eva, rui] {
            let edited = pb::Track { track_id: id.to_owned(), title: "Mine".into(), ..Default::default() };
            assert_alike(&no_track, &who.edit_track(edited, &["title"]).await.unwrap_err());
            assert_alike(&no_track, &who.drop_track(id).await.unwrap_err());
        }
    }

    // Whoever may look is told what is missing.
    studio.let_in(eva, MemberRole::Viewer).await;
    assert_eq!(eva.read_track(&track.track_id).await.unwrap(), track);
    for refused in [
        eva.new_track(studio.track("X")).await.unwrap_err(),
        eva.edit_track(pb::Track { title: "Mine".into(), ..track.clone() }, &["title"]).await.unwrap_err(),
        eva.drop_track(&track.track_id).await.unwrap_err(),
    ] {
        assert_reason(&refused, Code::PermissionDenied, ErrorReason::PermissionMissing);
        assert_eq!(fact(&refused, "permission").as_deref(), Some("artists.edit"));
    }
    assert_eq!(ana.read_track(&track.track_id).await.unwrap(), track);
}

#[tokio::test]
async fn an_update_changes_what_its_mask_names_and_nothing_else() {
    let studio = Studio::open().await;
    let ana = &studio.ana;
    let track = ana.new_track(pb::CreateTrackRequest { language: "pt".into(), ..studio.track("Song") }).await.unwrap();
    studio.world.advance(Duration::from_mins(1));
    let wish = pb::Track {
        title: "Other".into(),
        explicit: true,
        language: "en".into(),
        state: pb::TrackState::Active.into(),
        ..track.clone()
    };
    let changed = ana.edit_track(wish.clone(), &["title", "explicit"]).await.unwrap();
    assert_ne!((&changed.etag, &changed.update_time), (&track.etag, &track.update_time));
    let expected = pb::Track {
        title: "Other".into(),
        explicit: true,
        etag: changed.etag.clone(),
        update_time: changed.update_time,
        ..track.clone()
    };
    assert_eq!(changed, expected);
    assert_eq!(ana.read_track(&track.track_id).await.unwrap(), changed);

    for mask in [&[] as &[&str], &["state"], &["track_id"], &["title", "etag"], &["*"], &[""]] {
        let refused = ana.edit_track(wish.clone(), mask).await.unwrap_err();
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::UpdateMaskInvalid);
    }
    let bad = pb::Track { isrc: "x".into(), title: String::new(), audio_upload_id: String::new(), ..track.clone() };
    let refused = ana.edit_track(bad, &["isrc", "title", "audio_upload_id"]).await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    assert_eq!(violations(&refused), ["track.isrc", "track.title", "track.audio_upload_id"]);

    let with_etag = |etag: &str, title: &str| pb::UpdateTrackRequest {
        track: Some(pb::Track { title: title.to_owned(), ..track.clone() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["title".to_owned()] }),
        etag: etag.to_owned(),
        ..Default::default()
    };
    for stale in [track.etag.as_str(), "never ours"] {
        let refused = ana.tracks().update_track(with_etag(stale, "Third")).await.unwrap_err();
        assert_reason(&refused, Code::Aborted, ErrorReason::EtagMismatch);
    }
    // Of two who read the same, one writes.
    let (one, two) = (with_etag(&changed.etag, "One"), with_etag(&changed.etag, "Two"));
    let (mut left, mut right) = (ana.tracks(), ana.tracks());
    let (one, two) = tokio::join!(left.update_track(one), right.update_track(two));
    let (won, lost) = if one.is_ok() { (one, two) } else { (two, one) };
    assert_reason(&lost.unwrap_err(), Code::Aborted, ErrorReason::EtagMismatch);
    let won = won.unwrap().into_inner().track.unwrap();
    assert_eq!(ana.read_track(&track.track_id).await.unwrap(), won);
}

#[tokio::test]
async fn repeats_give_the_first_reply_and_act_once() {
    let studio = Studio::open().await;
    let ana = &studio.ana;
    let create = pb::CreateTrackRequest { request_id: request_id(1), ..studio.track("Song") };
    let track = ana.new_track(create.clone()).await.unwrap();
    let edit = pb::UpdateTrackRequest {
        track: Some(pb::Track { title: "Other".into(), ..track.clone() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["title".to_owned()] }),
        etag: track.etag.clone(),
        request_id: request_id(2),
    };
    let edited = ana.tracks().update_track(edit.clone()).await.unwrap().into_inner();
    let delete = pb::DeleteTrackRequest { track_id: track.track_id.clone(), request_id: request_id(3) };
    let deleted = ana.tracks().delete_track(delete.clone()).await.unwrap().into_inner();

    assert_eq!(ana.new_track(create.clone()).await.unwrap(), track);
    assert_eq!(ana.tracks().update_track(edit.clone()).await.unwrap().into_inner(), edited);
    assert_eq!(ana.tracks().delete_track(delete.clone()).await.unwrap().into_inner(), deleted);
    assert_eq!(page(ana, &studio.artist_id, 0, "").await.unwrap().tracks, []);

    let other = pb::CreateTrackRequest { title: "Other".into(), ..create };
    let edit = pb::UpdateTrackRequest { etag: String::new(), ..edit };
    let delete = pb::DeleteTrackRequest { track_id: absent("trk"), ..delete };
    for refused in [
        ana.new_track(other).await.unwrap_err(),
        ana.tracks().update_track(edit).await.unwrap_err(),
        ana.tracks().delete_track(delete).await.unwrap_err(),
    ] {
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::RequestIdReused);
    }
}

#[tokio::test]
async fn what_is_handed_in_or_public_stays_as_it_is() {
    let studio = Studio::open().await;
    let (ana, rui) = (&studio.ana, &studio.rui);
    let try_all = async |track_id: &str, from: &str, allowed: &str| {
        let edited = pb::Track { track_id: track_id.to_owned(), title: "Later".into(), ..Default::default() };
        for refused in
            [ana.edit_track(edited, &["title"]).await.unwrap_err(), ana.drop_track(track_id).await.unwrap_err()]
        {
            assert_reason(&refused, Code::FailedPrecondition, ErrorReason::InvalidStateTransition);
            assert_eq!(
                (fact(&refused, "from").unwrap(), fact(&refused, "allowed").unwrap()),
                (from.into(), allowed.into())
            );
            assert_eq!(details(&refused).precondition_failure().unwrap().violations[0].r#type, "STATE");
        }
    };
    let submission = studio.submitted("Song").await;
    let (track_id, id) = (submission.track_id.as_str(), submission.submission_id.as_str());
    assert_eq!(rui.read_track(track_id).await.unwrap().state(), pb::TrackState::Locked, "staff see what is handed in");
    try_all(track_id, "LOCKED", "").await;
    rui.approve(id).await.unwrap();
    try_all(track_id, "LOCKED", "").await;
    rui.publish(id).await.unwrap();
    try_all(track_id, "ACTIVE", "").await;

    // Everyone reads it, and is told that changing it is not theirs.
    let edited = pb::Track { title: "Mine".into(), ..studio.eva.read_track(track_id).await.unwrap() };
    let refused = studio.eva.edit_track(edited, &["title"]).await.unwrap_err();
    assert_reason(&refused, Code::PermissionDenied, ErrorReason::PermissionMissing);

    // A draft that is being offered may still be changed, but not vanish.
    let draft = studio.draft("Next").await;
    let track = ana.read_track(&draft.track_id).await.unwrap();
    ana.edit_track(pb::Track { title: "Next, better".into(), ..track }, &["title"]).await.unwrap();
    let refused = ana.drop_track(&draft.track_id).await.unwrap_err();
    assert_reason(&refused, Code::FailedPrecondition, ErrorReason::InvalidStateTransition);
    assert_eq!(fact(&refused, "allowed").as_deref(), Some("WithdrawSubmission"));
    studio.world.run_jobs().await;
}

#[tokio::test]
async fn tracks_are_paged_newest_first_and_others_see_the_published_ones() {
    let studio = Studio::open().await;
    let (ana, eva) = (&studio.ana, &studio.eva);
    for title in ["One", "Two", "Three", "Four"] {
        studio.world.advance(Duration::from_secs(1));
        ana.new_track(studio.track(title)).await.unwrap();
    }
    let published = studio.submission(pb::SubmissionState::Published, "Five").await;

    let first = page(ana, &studio.artist_id, 2, "").await.unwrap();
    assert_eq!(titles(&first), ["Five", "Four"]);
    let second = page(ana, &studio.artist_id, 2, &first.next_page_token).await.unwrap();
    assert_eq!(titles(&second), ["Three", "Two"]);
    let third = page(ana, &studio.artist_id, 200, &second.next_page_token).await.unwrap();
    assert_eq!((titles(&third), third.next_page_token.as_str()), (vec!["One"], ""));
    assert_eq!(titles(&page(ana, &studio.artist_id, 5, "").await.unwrap()).len(), 5);
    assert_eq!(page(ana, &studio.artist_id, 5, "").await.unwrap().next_page_token, "", "nothing follows");
    assert_eq!(page(ana, &studio.artist_id, i32::MAX, "").await.unwrap().tracks.len(), 5);

    let seen = page(eva, &studio.artist_id, 1, "").await.unwrap();
    assert_eq!((titles(&seen), seen.next_page_token.as_str()), (vec!["Five"], ""));
    assert_eq!(seen.tracks[0].track_id, published.track_id);

    let token = &first.next_page_token;
    let other_artist = ana.found_artist("The Others", &studio.rui).await;
    for refused in [
        page(ana, &studio.artist_id, 2, &tampered(token, 3)).await.unwrap_err(),
        page(ana, &studio.artist_id, 2, "nonsense").await.unwrap_err(),
        page(ana, &other_artist, 2, token).await.unwrap_err(),
        page(eva, &studio.artist_id, 2, token).await.unwrap_err(),
    ] {
        assert_reason(&refused, Code::InvalidArgument, ErrorReason::PageTokenInvalid);
    }
    let refused = page(ana, &studio.artist_id, -1, "").await.unwrap_err();
    assert_reason(&refused, Code::InvalidArgument, ErrorReason::FieldInvalid);
    let absent = page(eva, &absent("art"), 0, "").await.unwrap_err();
    assert_reason(&absent, Code::NotFound, ErrorReason::ResourceNotFound);
    assert_alike(&absent, &page(eva, "nonsense", 0, "").await.unwrap_err());
    studio.world.run_jobs().await;
}

#[tokio::test]
async fn a_suspended_artist_brings_nothing_new() {
    let studio = Studio::open().await;
    let ana = &studio.ana;
    let track = ana.new_track(studio.track("Song")).await.unwrap();
    crate::artists::suspend(&studio.world, &studio.artist_id).await;
    for refused in
        [ana.new_track(studio.track("Next")).await.unwrap_err(), ana.offer(&track.track_id).await.unwrap_err()]
    {
        assert_reason(&refused, Code::PermissionDenied, ErrorReason::PermissionMissing);
    }
    assert_eq!(titles(&page(ana, &studio.artist_id, 0, "").await.unwrap()), ["Song"]);
    let hidden = page(&studio.eva, &studio.artist_id, 0, "").await.unwrap_err();
    assert_alike(&hidden, &page(&studio.eva, &absent("art"), 0, "").await.unwrap_err());
}
