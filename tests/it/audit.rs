//! The audit trail: every act leaves its row, in the act's own transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use backline::{
    audit::details,
    entity::audit_event::{ActorKind, Entity, Model},
    rpc::{Rpc, RpcRequest, list},
};
use sea_orm::{DatabaseConnection, EntityTrait, QueryOrder};
use tonic::Response;

use crate::{
    harness::{closed, rows, stages::applied, *},
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

#[expect(clippy::too_many_lines, reason = "a table, read row by row")]
const fn trail_of(rpc: Rpc) -> Trail {
    use Trail::{Leaves, Passes, Reads};
    match rpc {
        Rpc::AccountRegister => Leaves(&["user_registration_started"]),
        Rpc::AccountVerifyEmail => Leaves(&["user_created"]),
        Rpc::AccountResendVerification => Leaves(&["user_registration_resent"]),
        Rpc::AccountUpdateAccount => Leaves(&["user_updated"]),
        Rpc::AccountStartDataExport => Leaves(&["data_export_started"]),
        Rpc::AccountDownloadDataExport => Leaves(&["data_export_downloaded"]),
        Rpc::AccountDeleteAccount => Leaves(&["user_deletion_started"]),
        Rpc::AccountCancelDeletion => Leaves(&["user_deletion_cancelled"]),
        Rpc::AccountChangePassword => Leaves(&["authn_password_change"]),
        Rpc::AccountStartPasswordReset => Leaves(&["authn_password_reset_start"]),
        Rpc::AccountCompletePasswordReset => Leaves(&["authn_password_reset"]),
        Rpc::AccountStartEmailChange => Leaves(&["user_email_change_start"]),
        Rpc::AccountConfirmEmailChange => Leaves(&["user_email_change_confirmed"]),
        Rpc::AccountUndoSecurityChange => Leaves(&["authn_change_undone"]),

        Rpc::SessionLogin => Leaves(&["authn_login_success"]),
        Rpc::SessionLogout | Rpc::SessionRevokeSession => Leaves(&["authn_logout"]),
        Rpc::SessionForgetDevice => Leaves(&["device_forgotten"]),
        Rpc::SessionUpdateSession => Leaves(&["session_updated"]),
        Rpc::SessionRefreshSession => {
            Passes("a session goes on by itself; its end and a copied token are written down")
        }

        Rpc::SessionContinueLogin => Leaves(&["authn_login_success"]),
        Rpc::SessionStepUp => Leaves(&["authn_step_up"]),

        Rpc::FactorBeginTotpEnrollment | Rpc::FactorBeginPasskeyRegistration => Leaves(&["factor_enrollment_started"]),
        Rpc::FactorFinishTotpEnrollment | Rpc::FactorFinishPasskeyRegistration => Leaves(&["factor_added"]),
        Rpc::FactorBeginPasskeyLogin => Passes("a flow that opens nothing; the sign-in it leads to is written down"),
        Rpc::FactorUpdateFactor => Leaves(&["factor_renamed"]),
        Rpc::FactorDeleteFactor => Leaves(&["factor_removed"]),
        Rpc::FactorRegenerateRecoveryCodes => Leaves(&["recovery_codes_renewed"]),

        Rpc::ApplicationCreateApplication => Leaves(&["application_created"]),
        Rpc::ApplicationSubmitApplication => Leaves(&["application_submitted"]),
        Rpc::ApplicationApproveApplication => Leaves(&["authz_change", "application_approved"]),
        Rpc::ApplicationRejectApplication => Leaves(&["application_rejected"]),

        Rpc::StorageCreateUpload => Leaves(&["upload_created"]),
        Rpc::StorageAppendChunk
        | Rpc::StorageWriteUpload
        | Rpc::StorageSignUploadParts
        | Rpc::StorageCommitUploadParts => Passes("bytes on their way; the upload's ends are acts"),
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
        Rpc::AdminResetFactors => Leaves(&["authn_factors_reset"]),
        Rpc::AdminEraseAccount => Leaves(&["user_erasure_started"]),
        Rpc::AdminSendPasswordReset => Leaves(&["authn_password_reset_sent"]),
        Rpc::AdminRevokeAccountSessions => Leaves(&["authn_sessions_ended"]),
        Rpc::AdminStartImpersonation => Leaves(&["impersonation_started"]),
        Rpc::AdminStopImpersonation => Leaves(&["impersonation_ended"]),
        Rpc::AdminCreateServiceAccount => Leaves(&["service_account_created"]),
        Rpc::AdminRotateApiKey => Leaves(&["api_key_rotated"]),
        Rpc::AdminRevokeApiKey => Leaves(&["api_key_revoked"]),

        Rpc::AuditExportEvents => Leaves(&["audit_exported"]),

        Rpc::AccountGetAccount
        | Rpc::AccountGetDataExport
        | Rpc::SessionGetSession
        | Rpc::AccountGetPasswordPolicy
        | Rpc::AccountListSecurityEvents
        | Rpc::SessionListSessions
        | Rpc::FactorListFactors
        | Rpc::SessionListDevices
        | Rpc::SessionGetChallenge
        | Rpc::SessionWatchSession
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
        | Rpc::AuditListEvents
        | Rpc::AuditVerifyChain
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
        let told = details(&self.db, self.world.app(), &new).await.unwrap();
        assert!(told.iter().all(|told| told.address_prefix.as_deref() == Some("127.0.0.1/32")), "{:?}", M::RPC);
        for row in new {
            assert_eq!(row.request_id, request_id, "{:?}", M::RPC);
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

// After the macro that they use.
mod factors;
mod privacy;
mod safety;
mod works;

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

#[tokio::test]
async fn no_act_happens_without_its_row_in_the_trail() {
    let world = World::start().await;
    let mut walk = Walk { world: &world, db: world.db().await, acted: Vec::new() };
    world.expect_error("audit_event");
    safety::walk_identity(&mut walk).await;
    safety::walk_safety(&mut walk).await;
    factors::walk_factors(&mut walk).await;
    let (ana, rui) = (world.login("ana@example.org", PASSWORD).await.unwrap(), world.reviewer("rui").await);
    let artist_id = walk_applications(&mut walk, &ana, &rui).await;
    works::walk_uploads(&mut walk, &ana).await;
    works::walk_tracks(&mut walk, &ana, &artist_id).await;
    works::walk_review(&mut walk, &ana, &rui, &artist_id).await;
    let root = world.admin("root").await;
    staff::walk(&mut walk, &root, &ana).await;
    privacy::walk(&mut walk, &root).await;

    for (path, rpc) in list::ALL {
        let acts = !matches!(trail_of(*rpc), Trail::Reads);
        assert_eq!(walk.acted.contains(rpc), acts, "{path} is walked if it acts");
    }
}
