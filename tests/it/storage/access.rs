//! Who may read a track's files, from draft to published.

use super::*;

/// A sound, a picture, the track they belong to, and everybody who may want them.
struct Stage {
    world: World,
    ana: Actor,
    bea: Actor,
    rui: Actor,
    root: Actor,
    sound: pb::Upload,
    picture: pb::Upload,
    track_id: String,
    submission_id: String,
}

async fn stage(allow_download: bool) -> Stage {
    let world = World::start().await;
    let (ana, bea) = (world.account("ana").await, world.account("bea").await);
    let (rui, root) = (world.reviewer("rui").await, world.admin("root").await);
    let request = pb::CreateApplicationRequest { stage_name: "The Examples".into(), ..Default::default() };
    let application = ana.applications().create_application(request).await.unwrap().into_inner().application.unwrap();
    let application_id = application.application_id;
    let request = pb::SubmitApplicationRequest { application_id: application_id.clone(), ..Default::default() };
    ana.applications().submit_application(request).await.unwrap();
    let request = pb::ApproveApplicationRequest { application_id, ..Default::default() };
    let approved = rui.applications().approve_application(request).await.unwrap().into_inner();
    let artist_id = approved.application.unwrap().artist_id;

    let sound = world.finalized(&ana, &song(1)).await;
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and the rest of a picture";
    let cover = pb::CreateUploadRequest {
        purpose: pb::UploadPurpose::Artwork.into(),
        media_type: "image/png".into(),
        file_name: "cover.png".into(),
        ..announcement(png)
    };
    let picture = world.checked(&ana, cover, png).await;
    let request = pb::CreateTrackRequest {
        artist_id,
        title: "Tide".into(),
        audio_upload_id: sound.upload_id.clone(),
        artwork_upload_id: picture.upload_id.clone(),
        allow_download,
        ..Default::default()
    };
    let track_id = ana.tracks().create_track(request).await.unwrap().into_inner().track.unwrap().track_id;
    let request = pb::CreateSubmissionRequest { track_id: track_id.clone(), ..Default::default() };
    let draft = ana.submissions().create_submission(request).await.unwrap().into_inner().submission.unwrap();
    Stage { world, ana, bea, rui, root, sound, picture, track_id, submission_id: draft.submission_id }
}

impl Stage {
    /// Checks who may read the sound and the picture, by both doors: owner, listener, reviewer, administrator.
    #[track_caller]
    fn readable(&self, sound: [bool; 4], picture: [bool; 4]) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        async move {
            for (object, expected) in [(&self.sound.object_id, sound), (&self.picture.object_id, picture)] {
                for (who, may) in [&self.ana, &self.bea, &self.rui, &self.root].into_iter().zip(expected) {
                    let name = &who.account.display_name;
                    let read = who.read_object(object, 0, 0).await;
                    assert_eq!(read.is_ok(), may, "{name} reads {object}, line {}: {read:?}", at.line());
                    let url = who.download_url(object).await;
                    assert_eq!(url.is_ok(), may, "{name} wants a URL of {object}, line {}: {url:?}", at.line());
                    for refused in read.err().iter().chain(url.err().iter()) {
                        assert_reason(refused, Code::NotFound, ErrorReason::ResourceNotFound);
                    }
                }
            }
        }
    }

    async fn submit(&self) {
        let request = pb::SubmitSubmissionRequest { submission_id: self.submission_id.clone(), ..Default::default() };
        self.ana.submissions().submit_submission(request).await.unwrap();
    }

    async fn review(&self) {
        let request = pb::StartReviewRequest { submission_id: self.submission_id.clone(), ..Default::default() };
        self.rui.review().start_review(request).await.unwrap();
    }

    async fn approve(&self) {
        let request = pb::ApproveSubmissionRequest { submission_id: self.submission_id.clone(), ..Default::default() };
        self.rui.review().approve_submission(request).await.unwrap();
    }

    async fn publish(&self) {
        let request = pb::PublishSubmissionRequest { submission_id: self.submission_id.clone(), ..Default::default() };
        self.rui.review().publish_submission(request).await.unwrap();
        self.world.run_jobs().await;
    }
}

const OWNER: [bool; 4] = [true, false, false, false];
const AND_STAFF: [bool; 4] = [true, false, true, true];
const ALL: [bool; 4] = [true; 4];

#[tokio::test]
async fn files_open_to_staff_when_handed_in_and_to_listeners_when_published() {
    let stage = stage(false).await;
    stage.readable(OWNER, OWNER).await;
    stage.submit().await;
    stage.readable(AND_STAFF, AND_STAFF).await;
    stage.review().await;
    stage.readable(AND_STAFF, AND_STAFF).await;
    stage.approve().await;
    stage.readable(AND_STAFF, AND_STAFF).await;
    stage.publish().await;
    // Everyone sees the picture; the sound itself is for those who may download it.
    stage.readable(AND_STAFF, ALL).await;
}

#[tokio::test]
async fn a_published_sound_is_downloaded_by_everyone_if_its_owner_allows_it() {
    let stage = stage(true).await;
    stage.submit().await;
    stage.review().await;
    stage.approve().await;
    stage.readable(AND_STAFF, AND_STAFF).await;
    stage.publish().await;
    stage.readable(ALL, ALL).await;
    assert_eq!(stage.bea.read_object(&stage.sound.object_id, 0, 0).await.unwrap(), song(1));
}

#[tokio::test]
async fn what_is_taken_back_or_rejected_stays_closed_to_listeners() {
    let stage = stage(true).await;
    stage.submit().await;
    let request = pb::WithdrawSubmissionRequest { submission_id: stage.submission_id.clone(), ..Default::default() };
    stage.ana.submissions().withdraw_submission(request).await.unwrap();
    stage.readable(OWNER, OWNER).await;

    let request = pb::CreateSubmissionRequest { track_id: stage.track_id.clone(), ..Default::default() };
    let draft = stage.ana.submissions().create_submission(request).await.unwrap().into_inner().submission.unwrap();
    let stage = Stage { submission_id: draft.submission_id, ..stage };
    stage.submit().await;
    stage.review().await;
    let request = pb::RejectSubmissionRequest {
        submission_id: stage.submission_id.clone(),
        reason: pb::SubmissionRejectReason::Metadata.into(),
        note: "The title is missing a word.".into(),
        ..Default::default()
    };
    stage.rui.review().reject_submission(request).await.unwrap();
    stage.world.run_jobs().await;
    stage.readable(AND_STAFF, AND_STAFF).await;
}
