//! The table that says who may call what, and how long it may take.
//!
//! The `match` is exhaustive over the list that `build.rs` writes from the protos: an RPC without a row does not build.

use std::time::Duration;

use super::Rpc;
use crate::kernel::Permission;

/// Who may call a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anyone, signed in or not.
    Anyone,
    /// Anyone with a live session. What they may see is the feature's business.
    SignedIn,
    /// Staff whose roles carry this permission.
    With(Permission),
}

/// What a method costs, and so how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    Read,
    Write,
    /// Hashes a password.
    Password,
    /// Moves a piece of a file.
    Chunk,
    /// Moves a whole file.
    Transfer,
    /// Hands much out in answer to a small question.
    Export,
    /// Stays open to tell of changes.
    Watch,
}

impl Cost {
    /// The longest a call may take; a client's `grpc-timeout` only shortens it. For streams, the whole stream.
    pub const fn time_limit(self) -> Duration {
        match self {
            Self::Read => Duration::from_secs(2),
            Self::Write | Self::Password => Duration::from_secs(5),
            Self::Chunk => Duration::from_secs(30),
            Self::Transfer | Self::Export | Self::Watch => Duration::from_mins(30),
        }
    }

    /// Whether a caller's rights may end while the call goes on.
    pub const fn is_long(self) -> bool {
        matches!(self, Self::Transfer | Self::Export | Self::Watch)
    }

    /// Largest request message in bytes: chunks are up to 1 MiB plus their envelope.
    pub const fn max_message_bytes(self) -> usize {
        match self {
            Self::Chunk | Self::Transfer => 1024 * 1024 + 4096,
            _ => 256 * 1024,
        }
    }
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    pub who: Who,
    pub cost: Cost,
    /// A sensitive act: the strongest factor that the caller has must have been checked within the last ten minutes.
    pub fresh: bool,
}

impl Access {
    const fn fresh(self) -> Self {
        Self { fresh: true, ..self }
    }
}

const fn anyone(cost: Cost) -> Access {
    Access { who: Who::Anyone, cost, fresh: false }
}

const fn signed_in(cost: Cost) -> Access {
    Access { who: Who::SignedIn, cost, fresh: false }
}

const fn staff(permission: Permission, cost: Cost) -> Access {
    Access { who: Who::With(permission), cost, fresh: false }
}

/// The row of a method.
pub const fn of(rpc: Rpc) -> Access {
    use Cost::{Chunk, Export, Password, Read, Transfer, Watch, Write};
    use Permission::{
        EraseAccounts, Impersonate, ListAccounts, ManageAccounts, ManageRoles, ManageServiceAccounts, ReadAudit,
        ReviewApplications, ReviewSubmissions,
    };

    match rpc {
        Rpc::AccountRegister | Rpc::AccountVerifyEmail | Rpc::AccountCompletePasswordReset => anyone(Password),
        Rpc::AccountResendVerification | Rpc::AccountStartPasswordReset | Rpc::AccountUndoSecurityChange => {
            anyone(Write)
        }
        Rpc::AccountGetPasswordPolicy => anyone(Read),
        Rpc::AccountGetAccount | Rpc::AccountListSecurityEvents => signed_in(Read),
        Rpc::AccountUpdateAccount | Rpc::AccountConfirmEmailChange => signed_in(Write),
        Rpc::AccountStartEmailChange => signed_in(Write).fresh(),
        // The current password is the proof.
        Rpc::AccountChangePassword => signed_in(Password),
        Rpc::AccountStartDataExport | Rpc::AccountDeleteAccount => signed_in(Write).fresh(),
        Rpc::AccountGetDataExport => signed_in(Read),
        Rpc::AccountDownloadDataExport => signed_in(Export).fresh(),
        Rpc::AccountCancelDeletion => anyone(Write),

        Rpc::SessionLogin => anyone(Password),
        Rpc::SessionContinueLogin => anyone(Write),
        Rpc::SessionStepUp => signed_in(Password),
        Rpc::SessionRefreshSession => anyone(Write),
        Rpc::SessionGetSession | Rpc::SessionListSessions => signed_in(Read),
        Rpc::SessionLogout | Rpc::SessionRevokeSession | Rpc::SessionUpdateSession => signed_in(Write),
        Rpc::SessionWatchSession => signed_in(Watch),
        Rpc::SessionGetChallenge => anyone(Read),
        Rpc::SessionListDevices => signed_in(Read),
        Rpc::SessionForgetDevice => signed_in(Write).fresh(),

        Rpc::FactorListFactors => signed_in(Read),
        Rpc::FactorBeginTotpEnrollment | Rpc::FactorBeginPasskeyRegistration => signed_in(Write).fresh(),
        Rpc::FactorFinishTotpEnrollment | Rpc::FactorFinishPasskeyRegistration => signed_in(Write),
        Rpc::FactorBeginPasskeyLogin => anyone(Write),
        Rpc::FactorUpdateFactor => signed_in(Write),
        Rpc::FactorDeleteFactor | Rpc::FactorRegenerateRecoveryCodes => signed_in(Write).fresh(),

        Rpc::ApplicationGetMyApplication => signed_in(Read),
        Rpc::ApplicationCreateApplication | Rpc::ApplicationSubmitApplication => signed_in(Write),
        Rpc::ApplicationListApplications => staff(ReviewApplications, Read),
        Rpc::ApplicationApproveApplication | Rpc::ApplicationRejectApplication => staff(ReviewApplications, Write),

        Rpc::ArtistGetArtist | Rpc::ArtistListArtists => signed_in(Read),

        Rpc::StorageGetLimits => anyone(Read),
        Rpc::StorageGetUpload => signed_in(Read),
        Rpc::StorageCreateUpload | Rpc::StorageCompleteUpload | Rpc::StorageCancelUpload => signed_in(Write),
        Rpc::StorageSignUploadParts => signed_in(Write),
        Rpc::StorageAppendChunk | Rpc::StorageCommitUploadParts => signed_in(Chunk),
        Rpc::StorageWriteUpload | Rpc::StorageReadObject => signed_in(Transfer),
        Rpc::StorageCreateDownloadUrl => signed_in(Write),

        Rpc::TrackGetTrack | Rpc::TrackListTracks => signed_in(Read),
        Rpc::TrackCreateTrack | Rpc::TrackUpdateTrack | Rpc::TrackDeleteTrack => signed_in(Write),

        Rpc::SubmissionGetSubmission | Rpc::SubmissionListSubmissions => signed_in(Read),
        Rpc::SubmissionCreateSubmission | Rpc::SubmissionSubmitSubmission | Rpc::SubmissionWithdrawSubmission => {
            signed_in(Write)
        }
        Rpc::SubmissionWatchSubmission => signed_in(Watch),

        Rpc::ReviewListQueue => staff(ReviewSubmissions, Read),
        Rpc::ReviewStartReview
        | Rpc::ReviewApproveSubmission
        | Rpc::ReviewRejectSubmission
        | Rpc::ReviewPublishSubmission => staff(ReviewSubmissions, Write),

        Rpc::SearchSearch => signed_in(Read),

        Rpc::AdminListAccounts
        | Rpc::AdminGetAccountDetails
        | Rpc::AdminListAccountSessions
        | Rpc::AdminListLoginAttempts => staff(ListAccounts, Read),
        Rpc::AdminSuspendAccount | Rpc::AdminResetFactors => staff(ManageAccounts, Write).fresh(),
        Rpc::AdminEraseAccount => staff(EraseAccounts, Write).fresh(),
        Rpc::AdminSetTier
        | Rpc::AdminReinstateAccount
        | Rpc::AdminUnlockAccount
        | Rpc::AdminSendPasswordReset
        | Rpc::AdminRevokeAccountSessions => staff(ManageAccounts, Write),
        Rpc::AdminStartImpersonation => staff(Impersonate, Write).fresh(),
        Rpc::AdminStopImpersonation => staff(Impersonate, Write),
        Rpc::AdminListServiceAccounts => staff(ManageServiceAccounts, Read),
        Rpc::AdminCreateServiceAccount => staff(ManageServiceAccounts, Password).fresh(),
        Rpc::AdminRotateApiKey | Rpc::AdminRevokeApiKey => staff(ManageServiceAccounts, Write).fresh(),
        Rpc::AdminSetRoles => staff(ManageRoles, Write).fresh(),

        Rpc::AuditListEvents | Rpc::AuditVerifyChain => staff(ReadAudit, Read),
        Rpc::AuditExportEvents => staff(ReadAudit, Export).fresh(),

        Rpc::ServerGetServerInfo => anyone(Read),
    }
}
