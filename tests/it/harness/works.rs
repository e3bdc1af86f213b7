//! Artists at work: files, tracks, submissions, and what reviewers do with them.

use std::time::Duration;

use backline::entity::{
    account::{self, Tier},
    artist_member::{self, MemberRole},
    submission,
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    EntityTrait,
};
use sha2::{Digest, Sha256};

use super::{Actor, Status, World, audio, pb};

/// A world in which a track can be made at once: ana with an artist and a checked sound, rui who reviews, eva who
/// listens.
pub struct Studio {
    pub world: World,
    pub ana: Actor,
    pub eva: Actor,
    pub rui: Actor,
    /// Ana's.
    pub artist_id: String,
    /// Finalized; several tracks may use it.
    pub audio_id: String,
}

impl Studio {
    pub async fn open() -> Self {
        Self::with(&[]).await
    }

    /// With settings as [`World::with`] takes them.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let world = World::with(settings).await;
        let (ana, eva, rui) = (world.account("ana").await, world.account("eva").await, world.reviewer("rui").await);
        let artist_id = ana.found_artist("The Examples", &rui).await;
        let audio_id = ana.send_wav(&audio::wav(0.05, 1)).await;
        world.run_jobs().await;
        Self { world, ana, eva, rui, artist_id, audio_id }
    }

    /// What ana asks for a track with; tests change what they are about.
    pub fn track(&self, title: &str) -> pb::CreateTrackRequest {
        pb::CreateTrackRequest {
            artist_id: self.artist_id.clone(),
            title: title.to_owned(),
            audio_upload_id: self.audio_id.clone(),
            ..Default::default()
        }
    }

    /// A draft submission of a new track. Each is a second younger than the one before.
    pub async fn draft(&self, title: &str) -> pb::Submission {
        self.world.advance(Duration::from_secs(1));
        let track = self.ana.new_track(self.track(title)).await.unwrap();
        self.ana.offer(&track.track_id).await.unwrap()
    }

    /// A submission in the queue.
    pub async fn submitted(&self, title: &str) -> pb::Submission {
        let draft = self.draft(title).await;
        self.ana.hand_in(&draft.submission_id).await.unwrap()
    }

    /// A submission in a state, by the API where it leads there, or else behind its back. Letters are left to go out.
    pub async fn submission(&self, state: pb::SubmissionState, title: &str) -> pb::Submission {
        use pb::SubmissionState as S;

        if state == S::Draft {
            return self.draft(title).await;
        }
        let id = self.submitted(title).await.submission_id;
        match state {
            S::InReview => drop(self.rui.start_review(&id).await.unwrap()),
            S::Approved => drop(self.rui.approve(&id).await.unwrap()),
            S::Rejected => drop(self.rui.reject(&id).await.unwrap()),
            S::Withdrawn => drop(self.ana.take_back(&id).await.unwrap()),
            S::Published | S::TakenDown => {
                self.rui.approve(&id).await.unwrap();
                self.rui.publish(&id).await.unwrap();
            }
            S::Processing => self.force(&id, submission::State::Processing).await,
            S::ChangesRequested => self.force(&id, submission::State::ChangesRequested).await,
            S::Expired => self.force(&id, submission::State::Expired).await,
            S::Submitted | S::Draft | S::Unspecified => {}
        }
        if state == S::TakenDown {
            self.force(&id, submission::State::TakenDown).await;
        }
        let submission = self.ana.read_submission(&id).await.unwrap();
        assert_eq!(submission.state(), state);
        submission
    }

    async fn force(&self, id: &str, state: submission::State) {
        let row =
            submission::ActiveModel { id: Unchanged(id.parse().unwrap()), state: Set(state), ..Default::default() };
        row.update(&self.world.app().db.write_one()).await.unwrap();
    }

    /// Lets somebody in on ana's artist: there is no method for that yet.
    pub async fn let_in(&self, who: &Actor, role: MemberRole) {
        let row = artist_member::ActiveModel {
            artist_id: Set(self.artist_id.parse().unwrap()),
            account_id: Set(who.account_id().parse().unwrap()),
            role: Set(role),
            created_at: Set(self.world.now()),
        };
        artist_member::Entity::insert(row).exec_without_returning(&self.world.app().db.write_one()).await.unwrap();
    }

    /// Lets somebody hand in 100 an hour: there is no method for that yet.
    pub async fn make_premium(&self, who: &Actor) {
        let id = Unchanged(who.account_id().parse().unwrap());
        let row = account::ActiveModel { id, tier: Set(Tier::Premium), ..Default::default() };
        row.update(&self.world.app().db.write_one()).await.unwrap();
    }
}

/// Makes each method of the API a method of people: the id in, the resource out.
macro_rules! methods {
    ($($name:ident = $service:ident.$call:ident($request:ident.$field:ident) -> $resource:ident: $reply:ident;)*) => {
        impl Actor {$(
            pub async fn $name(&self, $field: &str) -> Result<pb::$reply, Status> {
                let mut request = pb::$request::default();
                $field.clone_into(&mut request.$field);
                Ok(self.$service().$call(request).await?.into_inner().$resource.expect("the reply has it"))
            }
        )*}
    };
}

methods! {
    read_upload = storage.get_upload(GetUploadRequest.upload_id) -> upload: Upload;
    read_track = tracks.get_track(GetTrackRequest.track_id) -> track: Track;
    drop_track = tracks.delete_track(DeleteTrackRequest.track_id) -> track: Track;
    offer = submissions.create_submission(CreateSubmissionRequest.track_id) -> submission: Submission;
    hand_in = submissions.submit_submission(SubmitSubmissionRequest.submission_id) -> submission: Submission;
    take_back = submissions.withdraw_submission(WithdrawSubmissionRequest.submission_id) -> submission: Submission;
    read_submission = submissions.get_submission(GetSubmissionRequest.submission_id) -> submission: Submission;
    start_review = review.start_review(StartReviewRequest.submission_id) -> submission: Submission;
    approve = review.approve_submission(ApproveSubmissionRequest.submission_id) -> submission: Submission;
    publish = review.publish_submission(PublishSubmissionRequest.submission_id) -> submission: Submission;
}

impl Actor {
    /// Applies as an artist and is let in by `reviewer`. Returns the artist's id; a letter waits to go out.
    pub async fn found_artist(&self, stage_name: &str, reviewer: &Self) -> String {
        let request = pb::CreateApplicationRequest { stage_name: stage_name.to_owned(), ..Default::default() };
        let application = self.applications().create_application(request).await.unwrap().into_inner().application;
        let application_id = application.unwrap().application_id;
        let request = pb::SubmitApplicationRequest { application_id: application_id.clone(), ..Default::default() };
        self.applications().submit_application(request).await.unwrap();
        let request = pb::ApproveApplicationRequest { application_id, ..Default::default() };
        let approved = reviewer.applications().approve_application(request).await.unwrap().into_inner();
        approved.application.unwrap().artist_id
    }

    /// Announces a file. Returns the upload's id.
    pub async fn announce(&self, purpose: pb::UploadPurpose, media_type: &str, size_bytes: usize) -> String {
        let request = pb::CreateUploadRequest {
            purpose: purpose.into(),
            size_bytes: size_bytes.try_into().unwrap(),
            media_type: media_type.to_owned(),
            file_name: "a file".to_owned(),
            ..Default::default()
        };
        self.storage().create_upload(request).await.unwrap().into_inner().upload.unwrap().upload_id
    }

    /// Sends a whole announced file in one chunk, and completes it. Its check waits among the jobs.
    pub async fn send(&self, upload_id: &str, bytes: &[u8]) {
        let chunk = pb::AppendChunkRequest {
            upload_id: upload_id.to_owned(),
            data: bytes.to_vec().into(),
            ..Default::default()
        };
        self.storage().append_chunk(chunk).await.unwrap();
        let whole = pb::CompleteUploadRequest {
            upload_id: upload_id.to_owned(),
            size_bytes: bytes.len().try_into().unwrap(),
            sha256: Sha256::digest(bytes).to_vec().into(),
            ..Default::default()
        };
        self.storage().complete_upload(whole).await.unwrap();
    }

    /// Announces, sends and completes a sound. Returns the upload's id.
    pub async fn send_wav(&self, bytes: &[u8]) -> String {
        let id = self.announce(pb::UploadPurpose::TrackAudio, "audio/wav", bytes.len()).await;
        self.send(&id, bytes).await;
        id
    }

    pub async fn new_track(&self, request: pb::CreateTrackRequest) -> Result<pb::Track, Status> {
        Ok(self.tracks().create_track(request).await?.into_inner().track.expect("the reply has a track"))
    }

    /// Changes what `paths` name, whatever stands there.
    pub async fn edit_track(&self, track: pb::Track, paths: &[&str]) -> Result<pb::Track, Status> {
        let request = pb::UpdateTrackRequest {
            track: Some(track),
            update_mask: Some(prost_types::FieldMask { paths: paths.iter().map(ToString::to_string).collect() }),
            ..Default::default()
        };
        Ok(self.tracks().update_track(request).await?.into_inner().track.expect("the reply has a track"))
    }

    /// Rejects for a reason that needs no more words.
    pub async fn reject(&self, submission_id: &str) -> Result<pb::Submission, Status> {
        let request = pb::RejectSubmissionRequest {
            submission_id: submission_id.to_owned(),
            reason: pb::SubmissionRejectReason::NotAFit.into(),
            ..Default::default()
        };
        Ok(self.review().reject_submission(request).await?.into_inner().submission.expect("the reply has it"))
    }
}

/// A PNG image of one grey pixel.
pub const PNG: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0, 0, 1, 8, 0,
    0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0, 10, b'I', b'D', b'A', b'T', 0x78, 0x9c, 0x63, 0x68, 0, 0, 0, 0x82, 0,
    0x81, 0x77, 0xcd, 0x72, 0xb6, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
];

/// An id of the right shape that nothing has.
pub fn absent(prefix: &str) -> String {
    format!("{prefix}_01h455vb4pex5vsknk084sn02q")
}
