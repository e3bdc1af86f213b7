//! What each method leaves in the trail.

use backline::rpc::Rpc;

/// What a method leaves in the trail when it succeeds.
pub enum Trail {
    /// A row with each of these actions.
    Leaves(&'static [&'static str]),
    /// Nothing, because it changes nothing.
    Reads,
    /// Nothing, though it writes: for the reason given.
    Passes(&'static str),
}

pub const fn trail_of(rpc: Rpc) -> Trail {
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
        Rpc::AccountStartDataExport => Leaves(&["data_export_started"]),
        Rpc::AccountDownloadDataExport => Leaves(&["data_export_downloaded"]),
        Rpc::AccountDeleteAccount => Leaves(&["user_deletion_started"]),
        Rpc::AccountCancelDeletion => Leaves(&["user_deletion_cancelled"]),

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

        Rpc::AuditExportEvents => Leaves(&["audit_exported"]),

        Rpc::AccountGetAccount
        | Rpc::AccountGetDataExport
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
        | Rpc::AuditListEvents
        | Rpc::AuditVerifyChain
        | Rpc::ServerGetServerInfo => Reads,
    }
}
