//! The audit trail: every act leaves its row, in the act's own transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use backline::{
    entity::audit_event::{ActorKind, Entity, Model},
    rpc::{Rpc, RpcRequest, list},
};
use sea_orm::{DatabaseConnection, EntityTrait, QueryOrder};
use tonic::Response;

use crate::{
    harness::{
        audio, closed, rows,
        stages::{applied, completing, received, submitted, track, uploaded},
        *,
    },
    staff,
};

/// What a method leaves in the trail when it succeeds.
enum Trail {
    /// A row with each of these actions.
    Leaves(&'static [&'static str]),
    /// Nothing, because it changes nothing.
    Reads,
    /// Nothing, though it writes: for the reason given.
    Passes(&'static str),
}

const fn trail_of(rpc: Rpc) -> Trail {
    use Trail::{Leaves, Passes, Reads};
    match rpc {
        Rpc::AccountRegister => Leaves(&["user_registration_started"]),
        Rpc::AccountVerifyEmail => Leaves(&["user_created"]),
        Rpc::AccountResendVerification => Leaves(&["user_registration_resent"]),
        Rpc::AccountUpdateAccount => Leaves(&["user_updated"]),
        Rpc::AccountChangePassword => Leaves(&["authn_password_change"]),
        Rpc::AccountStartPasswordReset => Leaves(&["authn_password_reset_start"]),
        Rpc::AccountCompletePasswordReset => Leaves(&["authn_password_reset"]),
        Rpc::AccountStartEmailChange => Leaves(&["user_email_change_start"]),
        Rpc::AccountConfirmEmailChange => Leaves(&["user_email_change_confirmed"]),
        Rpc::AccountUndoSecurityChange => Leaves(&["authn_change_undone"]),

        Rpc::SessionLogin => Leaves(&["authn_login_success"]),
        Rpc::SessionLogout | Rpc::SessionRevokeSession => Leaves(&["authn_logout"]),
        Rpc::SessionUpdateSession => Leaves(&["session_updated"]),
        Rpc::SessionForgetDevice => Leaves(&["device_forgotten"]),
        Rpc::SessionRefreshSession => {
            Passes("a session goes on by itself; its end and a copied token are written down")
        }

        Rpc::ApplicationCreateApplication => Leaves(&["application_created"]),
        Rpc::ApplicationSubmitApplication => Leaves(&["application_submitted"]),
        Rpc::ApplicationApproveApplication => Leaves(&["authz_change", "application_approved"]),
        Rpc::ApplicationRejectApplication => Leaves(&["application_rejected"]),

        Rpc::StorageCreateUpload => Leaves(&["upload_created"]),
        Rpc::StorageAppendChunk | Rpc::StorageWriteUpload => Passes("bytes on their way; the upload's ends are acts"),
        Rpc::StorageCompleteUpload => Leaves(&["upload_completed"]),
        Rpc::StorageCancelUpload => Leaves(&["upload_cancelled"]),
        Rpc::StorageCreateDownloadUrl => Leaves(&["download_url_created"]),

        Rpc::TrackCreateTrack => Leaves(&["track_created"]),
        Rpc::TrackUpdateTrack => Leaves(&["track_updated"]),
        Rpc::TrackDeleteTrack => Leaves(&["track_deleted"]),

        Rpc::SubmissionCreateSubmission => Leaves(&["submission_created"]),
        Rpc::SubmissionSubmitSubmission => Leaves(&["submission_submitted"]),
        Rpc::SubmissionWithdrawSubmission => Leaves(&["submission_withdrawn"]),

        Rpc::ReviewStartReview => Leaves(&["submission_review_started"]),
        Rpc::ReviewApproveSubmission => Leaves(&["submission_approved"]),
        Rpc::ReviewRejectSubmission => Leaves(&["submission_rejected"]),
        Rpc::ReviewPublishSubmission => Leaves(&["submission_published"]),

        Rpc::AdminSetRoles => Leaves(&["authz_change"]),
        Rpc::AdminSetTier => Leaves(&["account_tier_changed"]),
        Rpc::AdminSuspendAccount => Leaves(&["authn_account_suspended"]),
        Rpc::AdminReinstateAccount => Leaves(&["account_reinstated"]),
        Rpc::AdminUnlockAccount => Leaves(&["authn_account_unlocked"]),
        Rpc::AdminSendPasswordReset => Leaves(&["authn_password_reset_sent"]),
        Rpc::AdminRevokeAccountSessions => Leaves(&["authn_sessions_ended"]),
        Rpc::AdminStartImpersonation => Leaves(&["impersonation_started"]),
        Rpc::AdminStopImpersonation => Leaves(&["impersonation_ended"]),
        Rpc::AdminCreateServiceAccount => Leaves(&["service_account_created"]),
        Rpc::AdminRotateApiKey => Leaves(&["api_key_rotated"]),
        Rpc::AdminRevokeApiKey => Leaves(&["api_key_revoked"]),

        Rpc::AccountGetAccount
        | Rpc::SessionGetSession
        | Rpc::AccountGetPasswordPolicy
        | Rpc::AccountListSecurityEvents
        | Rpc::SessionListSessions
        | Rpc::SessionWatchSession
        | Rpc::SessionListDevices
        | Rpc::SessionGetChallenge
        | Rpc::ApplicationGetMyApplication
        | Rpc::ApplicationListApplications
        | Rpc::ArtistGetArtist
        | Rpc::ArtistListArtists
        | Rpc::StorageGetLimits
        | Rpc::StorageGetUpload
        | Rpc::StorageReadObject
        | Rpc::TrackGetTrack
        | Rpc::TrackListTracks
        | Rpc::SubmissionGetSubmission
        | Rpc::SubmissionListSubmissions
        | Rpc::SubmissionWatchSubmission
        | Rpc::ReviewListQueue
        | Rpc::SearchSearch
        | Rpc::AdminListAccounts
        | Rpc::AdminGetAccountDetails
        | Rpc::AdminListAccountSessions
        | Rpc::AdminListLoginAttempts
        | Rpc::AdminListServiceAccounts
        | Rpc::ServerGetServerInfo => Reads,
    }
}

/// A way through the API that acts by every method once, and looks at the trail after each.
pub struct Walk<'a> {
    pub world: &'a World,
    db: DatabaseConnection,
    acted: Vec<Rpc>,
}

impl Walk<'_> {
    /// Acts once while no row can be written to the trail, when nothing may happen, and once for good.
    pub async fn act<M: RpcRequest + Clone, R>(
        &mut self,
        actor: &Actor,
        message: M,
        call: impl AsyncFn(&Actor, M) -> Result<Response<R>, Status>,
    ) -> R {
        let before = self.contents().await;
        closed::close(&self.db, "audit_event").await;
        let outcome = call(actor, message.clone()).await;
        let refused = outcome.err().unwrap_or_else(|| panic!("{:?} acts without its row", M::RPC));
        closed::open(&self.db, "audit_event").await;
        assert_reason(&refused, Code::Internal, ErrorReason::Internal);
        assert_eq!(self.contents().await, before, "{:?} leaves half an act", M::RPC);
        self.done::<M, R>(actor, message, call).await
    }

    /// Acts, and compares what stands in the trail with what should.
    async fn done<M: RpcRequest, R>(
        &mut self,
        actor: &Actor,
        message: M,
        call: impl AsyncFn(&Actor, M) -> Result<Response<R>, Status>,
    ) -> R {
        let before = trail(&self.db).await;
        let reply = call(actor, message).await.unwrap_or_else(|refused| panic!("{:?}: {refused:?}", M::RPC));
        let request_id = reply.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
        let new = new_since(&before, trail(&self.db).await);
        // What happened in the same moment is in no order, and the clock stands.
        let actions: BTreeSet<&str> = new.iter().map(|row| row.action.as_str()).collect();
        match trail_of(M::RPC) {
            Trail::Leaves(expected) => {
                assert_eq!(actions, expected.iter().copied().collect(), "{:?}", M::RPC);
                assert_eq!(new.len(), expected.len(), "{:?}", M::RPC);
            }
            Trail::Passes(why) => assert!(actions.is_empty(), "{:?} leaves {actions:?}, though {why}", M::RPC),
            Trail::Reads => panic!("{:?} does not act", M::RPC),
        }
        for row in new {
            assert_eq!(row.request_id, request_id, "{:?}", M::RPC);
            assert_eq!(row.address_prefix.as_deref(), Some("127.0.0.1/32"));
            assert_eq!(row.created_at, self.world.now());
            assert!(row.subject_id.is_some() && row.actor_kind != ActorKind::System, "{:?}", M::RPC);
        }
        self.acted.push(M::RPC);
        reply.into_inner()
    }

    /// Everything but what is there to be kept of failures.
    async fn contents(&self) -> BTreeMap<String, Vec<String>> {
        let mut contents = rows::all(&self.db).await;
        for kept in ["login_attempt", "password_try"] {
            contents.remove(kept).expect("attempts have their tables");
        }
        contents
    }
}

pub async fn trail(db: &DatabaseConnection) -> Vec<Model> {
    Entity::find().order_by_asc(backline::entity::audit_event::Column::Id).all(db).await.unwrap()
}

/// The rows of `after` that were not there before.
pub fn new_since(before: &[Model], after: Vec<Model>) -> Vec<Model> {
    after.into_iter().filter(|row| !before.iter().any(|old| old.id == row.id)).collect()
}

macro_rules! calls {
    ($client:ident.$method:ident) => {
        async |actor: &Actor, message| actor.$client().$method(message).await
    };
}

// After the macro that it uses.
mod safety;

/// From listener to artist. Returns the artist's id.
async fn walk_applications(walk: &mut Walk<'_>, ana: &Actor, rui: &Actor) -> String {
    let request = pb::CreateApplicationRequest { stage_name: "Night Bus".into(), ..Default::default() };
    let reply = walk.act(ana, request, calls!(applications.create_application)).await;
    let application_id = reply.application.unwrap().application_id;
    let request = pb::SubmitApplicationRequest { application_id: application_id.clone(), ..Default::default() };
    walk.act(ana, request, calls!(applications.submit_application)).await;
    let request = pb::ApproveApplicationRequest { application_id, ..Default::default() };
    let reply = walk.act(rui, request, calls!(applications.approve_application)).await;

    walk.world.advance(Duration::from_secs(1));
    let request = pb::RejectApplicationRequest {
        application_id: applied(ana, "Day Bus").await,
        reason: pb::ApplicationRejectReason::Duplicate.into(),
        ..Default::default()
    };
    walk.act(rui, request, calls!(applications.reject_application)).await;
    walk.world.run_jobs().await;
    reply.application.unwrap().artist_id
}

async fn walk_uploads(walk: &mut Walk<'_>, ana: &Actor) {
    let file = audio::wav(0.05, 1);
    let size_bytes = i64::try_from(file.len()).unwrap();
    let request = pb::CreateUploadRequest {
        purpose: pb::UploadPurpose::TrackAudio.into(),
        size_bytes,
        media_type: "audio/wav".into(),
        file_name: "take.wav".into(),
        ..Default::default()
    };
    let upload_id = walk.act(ana, request, calls!(storage.create_upload)).await.upload.unwrap().upload_id;
    let (first, rest) = file.split_at(100);
    let request =
        pb::AppendChunkRequest { upload_id: upload_id.clone(), data: first.to_vec().into(), ..Default::default() };
    walk.done(ana, request, calls!(storage.append_chunk)).await;
    let request = pb::WriteUploadRequest {
        upload_id: upload_id.clone(),
        offset: 100,
        data: rest.to_vec().into(),
        ..Default::default()
    };
    let write = async |actor: &Actor, message| actor.storage().write_upload(futures::stream::iter([message])).await;
    walk.done(ana, request, write).await;
    walk.act(ana, completing(&upload_id, &file), calls!(storage.complete_upload)).await;
    walk.world.run_jobs().await;

    let request = pb::GetUploadRequest { upload_id };
    let upload = ana.storage().get_upload(request).await.unwrap().into_inner().upload.unwrap();
    let request = pb::CreateDownloadUrlRequest { object_id: upload.object_id };
    walk.act(ana, request, calls!(storage.create_download_url)).await;

    let upload_id = received(ana, &audio::wav(0.05, 2)).await.upload_id;
    let request = pb::CancelUploadRequest { upload_id, ..Default::default() };
    walk.act(ana, request, calls!(storage.cancel_upload)).await;
    walk.world.run_jobs().await;
}

async fn walk_tracks(walk: &mut Walk<'_>, ana: &Actor, artist_id: &str) {
    let audio_upload_id = uploaded(walk.world, ana, &audio::wav(0.05, 3)).await;
    let request = pb::CreateTrackRequest {
        artist_id: artist_id.into(),
        title: "First".into(),
        audio_upload_id,
        ..Default::default()
    };
    let track_id = walk.act(ana, request, calls!(tracks.create_track)).await.track.unwrap().track_id;
    let request = pb::UpdateTrackRequest {
        track: Some(pb::Track { track_id: track_id.clone(), title: "Second".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["title".into()] }),
        ..Default::default()
    };
    walk.act(ana, request, calls!(tracks.update_track)).await;
    let request = pb::DeleteTrackRequest { track_id, ..Default::default() };
    walk.act(ana, request, calls!(tracks.delete_track)).await;
}

async fn walk_review(walk: &mut Walk<'_>, ana: &Actor, rui: &Actor, artist_id: &str) {
    let [one, two, three] =
        [(4, "One"), (5, "Two"), (6, "Three")].map(|(seed, title)| track(walk.world, ana, artist_id, title, seed));
    let (one, two, three) = (one.await.track_id, two.await.track_id, three.await.track_id);
    let request = pb::CreateSubmissionRequest { track_id: one, ..Default::default() };
    let reply = walk.act(ana, request, calls!(submissions.create_submission)).await;
    let submission_id = reply.submission.unwrap().submission_id;
    let request = pb::SubmitSubmissionRequest { submission_id: submission_id.clone(), ..Default::default() };
    walk.act(ana, request, calls!(submissions.submit_submission)).await;
    let request = pb::StartReviewRequest { submission_id: submission_id.clone(), ..Default::default() };
    walk.act(rui, request, calls!(review.start_review)).await;
    let request = pb::ApproveSubmissionRequest { submission_id: submission_id.clone(), ..Default::default() };
    walk.act(rui, request, calls!(review.approve_submission)).await;
    let request = pb::PublishSubmissionRequest { submission_id, ..Default::default() };
    walk.act(rui, request, calls!(review.publish_submission)).await;

    let request = pb::WithdrawSubmissionRequest { submission_id: submitted(ana, &two).await, ..Default::default() };
    walk.act(ana, request, calls!(submissions.withdraw_submission)).await;

    let submission_id = submitted(ana, &three).await;
    let request = pb::StartReviewRequest { submission_id: submission_id.clone(), ..Default::default() };
    rui.review().start_review(request).await.unwrap();
    let request = pb::RejectSubmissionRequest {
        submission_id,
        reason: pb::SubmissionRejectReason::AudioQuality.into(),
        ..Default::default()
    };
    walk.act(rui, request, calls!(review.reject_submission)).await;
    walk.world.run_jobs().await;
}

#[tokio::test]
async fn no_act_happens_without_its_row_in_the_trail() {
    let world = World::start().await;
    let mut walk = Walk { world: &world, db: world.db().await, acted: Vec::new() };
    world.expect_error("audit_event");
    safety::walk_identity(&mut walk).await;
    safety::walk_safety(&mut walk).await;
    let (ana, rui) = (world.login("ana@example.org", PASSWORD).await.unwrap(), world.reviewer("rui").await);
    let artist_id = walk_applications(&mut walk, &ana, &rui).await;
    walk_uploads(&mut walk, &ana).await;
    walk_tracks(&mut walk, &ana, &artist_id).await;
    walk_review(&mut walk, &ana, &rui, &artist_id).await;
    let root = world.admin("root").await;
    staff::walk(&mut walk, &root, &ana).await;

    for (path, rpc) in list::ALL {
        let acts = !matches!(trail_of(*rpc), Trail::Reads);
        assert_eq!(walk.acted.contains(rpc), acts, "{path} is walked if it acts");
    }
}
