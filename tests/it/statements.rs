//! What each call costs: statements sent to the database, BEGIN and COMMIT counted, no worker beside the call.
//!
//! A number that grows is a decision, not an accident. `cargo test … statements -- --nocapture` prints the table.

mod factors;
mod privacy;
mod safety;

use std::{collections::BTreeMap, pin::Pin, time::Duration};

use backline::rpc::list;
use sha2::{Digest, Sha256};

use crate::{
    harness::{database::is_postgres, world::email_of, *},
    staff,
};

/// Every method, its statements on SQLite, and those on PostgreSQL where they differ. Calls carry no request id: that
/// costs one statement more to look for the first reply, and one to keep it.
const COSTS: &[(&str, u64, Option<u64>)] = &[
    ("AccountService/Register", 10, None),
    ("AccountService/VerifyEmail", 13, None),
    ("AccountService/ChangePassword", 18, None),
    ("AccountService/StartPasswordReset", 9, None),
    ("AccountService/CompletePasswordReset", 18, None),
    ("AccountService/StartEmailChange", 18, None),
    ("AccountService/ConfirmEmailChange", 25, None),
    ("AccountService/UndoSecurityChange", 20, None),
    ("AccountService/GetPasswordPolicy", 0, None),
    ("AccountService/ListSecurityEvents", 4, None),
    ("AccountService/ResendVerification", 9, None),
    ("AccountService/GetAccount", 1, None),
    ("AccountService/UpdateAccount", 6, None),
    ("AccountService/StartDataExport", 8, None),
    ("AccountService/GetDataExport", 1, None),
    ("AccountService/DownloadDataExport", 6, None),
    ("AccountService/DeleteAccount", 12, None),
    ("AccountService/CancelDeletion", 11, None),
    ("AdminService/ListAccounts", 1, None),
    ("AdminService/SetRoles", 10, None),
    ("AuditService/ListEvents", 2, None),
    ("AuditService/VerifyChain", 2, None),
    ("AuditService/ExportEvents", 8, None),
    ("ApplicationService/CreateApplication", 6, None),
    ("ApplicationService/SubmitApplication", 6, None),
    ("AdminService/GetAccountDetails", 8, None),
    ("AdminService/SetTier", 7, None),
    ("AdminService/SuspendAccount", 9, None),
    ("AdminService/ReinstateAccount", 7, None),
    ("AdminService/UnlockAccount", 7, None),
    ("AdminService/ResetFactors", 16, None),
    ("AdminService/EraseAccount", 11, None),
    ("AdminService/SendPasswordReset", 10, None),
    ("AdminService/ListAccountSessions", 2, None),
    ("AdminService/RevokeAccountSessions", 7, None),
    ("AdminService/ListLoginAttempts", 1, None),
    ("AdminService/StartImpersonation", 9, None),
    ("AdminService/StopImpersonation", 6, None),
    ("AdminService/CreateServiceAccount", 9, None),
    ("AdminService/ListServiceAccounts", 2, None),
    ("AdminService/RotateApiKey", 9, None),
    ("AdminService/RevokeApiKey", 7, None),
    ("ApplicationService/GetMyApplication", 1, None),
    ("ApplicationService/ListApplications", 1, None),
    ("ApplicationService/ApproveApplication", 14, None),
    ("ApplicationService/RejectApplication", 10, None),
    ("ArtistService/GetArtist", 1, None),
    ("ArtistService/ListArtists", 1, None),
    ("FactorService/ListFactors", 2, None),
    ("FactorService/BeginTotpEnrollment", 10, None),
    ("FactorService/FinishTotpEnrollment", 18, None),
    ("FactorService/BeginPasskeyRegistration", 11, None),
    ("FactorService/FinishPasskeyRegistration", 21, None),
    ("FactorService/BeginPasskeyLogin", 1, None),
    ("FactorService/UpdateFactor", 6, None),
    ("FactorService/DeleteFactor", 16, None),
    ("FactorService/RegenerateRecoveryCodes", 15, None),
    ("ReviewService/ListQueue", 3, None),
    ("ReviewService/StartReview", 8, None),
    ("ReviewService/ApproveSubmission", 11, None),
    ("ReviewService/RejectSubmission", 12, None),
    ("ReviewService/PublishSubmission", 13, None),
    ("SearchService/Search", 2, None),
    ("ServerService/GetServerInfo", 0, None),
    ("SessionService/Login", 12, None),
    ("SessionService/ContinueLogin", 15, None),
    ("SessionService/StepUp", 13, None),
    ("SessionService/RefreshSession", 2, None),
    ("SessionService/Logout", 6, None),
    ("SessionService/GetSession", 1, None),
    ("SessionService/UpdateSession", 6, None),
    ("SessionService/ListSessions", 1, None),
    ("SessionService/RevokeSession", 7, None),
    ("SessionService/WatchSession", 1, None),
    ("SessionService/ListDevices", 1, None),
    ("SessionService/ForgetDevice", 7, None),
    ("SessionService/GetChallenge", 0, None),
    ("StorageService/GetLimits", 0, None),
    ("StorageService/CreateUpload", 7, Some(8)),
    ("StorageService/WriteUpload", 6, None),
    ("StorageService/AppendChunk", 5, None),
    ("StorageService/SignUploadParts", 1, None),
    ("StorageService/CommitUploadParts", 5, None),
    ("StorageService/GetUpload", 1, None),
    ("StorageService/CompleteUpload", 9, None),
    ("StorageService/CancelUpload", 8, None),
    ("StorageService/CreateDownloadUrl", 6, None),
    ("StorageService/ReadObject", 1, None),
    ("SubmissionService/CreateSubmission", 9, None),
    ("SubmissionService/SubmitSubmission", 14, None),
    ("SubmissionService/WithdrawSubmission", 9, None),
    ("SubmissionService/GetSubmission", 1, None),
    ("SubmissionService/ListSubmissions", 1, None),
    ("SubmissionService/WatchSubmission", 1, None),
    ("TrackService/CreateTrack", 8, None),
    ("TrackService/GetTrack", 1, None),
    ("TrackService/ListTracks", 2, None),
    ("TrackService/UpdateTrack", 7, None),
    ("TrackService/DeleteTrack", 8, None),
];

/// Counts calls by the name of their method.
pub struct Meter<'a> {
    pub world: &'a World,
    pub seen: BTreeMap<&'static str, u64>,
}

impl Meter<'_> {
    /// Makes a call of `method`, which must succeed, and keeps what it cost. In a box: clients' futures are large.
    pub fn of<'m, T: 'm>(
        &'m mut self,
        method: &'static str,
        call: impl Future<Output = Result<T, Status>> + 'm,
    ) -> Pin<Box<dyn Future<Output = T> + 'm>> {
        Box::pin(async move {
            let (reply, cost) = self.world.statements(async || call.await).await;
            self.seen.insert(method, cost);
            reply.unwrap_or_else(|refused| panic!("{method}: {refused:?}"))
        })
    }
}

#[tokio::test]
async fn every_call_costs_what_the_table_says() {
    let studio = Studio::open().await;
    let sam = studio.world.admin("sam").await;
    let mut meter = Meter { world: &studio.world, seen: BTreeMap::new() };
    // The first round fills what is prepared once; the second is measured.
    for round in 0..2 {
        people(&mut meter, &studio, &sam, round).await;
        privacy::data(&mut meter, &studio.world, round).await;
        let careful = studio.world.account(&format!("careful{round}")).await;
        factors::factors(&mut meter, &studio.world, &careful).await;
        let object_id = files(&mut meter, &studio).await;
        objects(&mut meter, &studio, &object_id).await;
        works(&mut meter, &studio).await;
        studio.world.run_jobs().await;
    }
    let name = |path: &'static str| path.trim_start_matches("/backline.v1.");
    let mut wrong = Vec::new();
    println!("| method | statements |\n|---|---|");
    for (path, _) in list::ALL {
        let cost = meter.seen.get(name(path)).copied();
        println!("| {} | {} |", name(path), cost.map_or_else(|| "not measured".to_owned(), |cost| cost.to_string()));
        let known = COSTS.iter().find(|(known, ..)| *known == name(path));
        let known = known.map(|(_, sqlite, postgres)| postgres.filter(|_| is_postgres()).unwrap_or(*sqlite));
        if known.is_none() || known != cost {
            wrong.push(format!("{}: {cost:?} instead of {known:?}", name(path)));
        }
    }
    assert!(wrong.is_empty(), "calls cost other than they should:\n{}", wrong.join("\n"));
    assert_eq!(COSTS.len(), list::ALL.len(), "the table has methods that are gone");
}

async fn people(meter: &mut Meter<'_>, studio: &Studio, sam: &Actor, round: usize) {
    let (world, rui, anyone) = (&studio.world, &studio.rui, studio.world.anonymous());
    let name = format!("person{round}");
    let email = email_of(&name);
    let register = pb::RegisterRequest {
        email: email.clone(),
        password: PASSWORD.to_owned(),
        display_name: name,
        ..Default::default()
    };
    let registered = meter.of("AccountService/Register", anyone.accounts().register(register)).await.into_inner();
    world.advance(Duration::from_mins(1));
    let resend = pb::ResendVerificationRequest { registration_id: registered.registration_id, ..Default::default() };
    meter.of("AccountService/ResendVerification", anyone.accounts().resend_verification(resend)).await;
    let token = world.newest_letter_to(&email).await.token().to_owned();
    let verify = pb::VerifyEmailRequest { token, ..Default::default() };
    meter.of("AccountService/VerifyEmail", anyone.accounts().verify_email(verify)).await;
    world.run_jobs().await;
    let channel = world.channel();
    let login = Actor::sign_in(channel, &email, PASSWORD, "Laptop");
    let person = meter.of("SessionService/Login", login).await;
    meter.of("AccountService/GetAccount", person.whoami()).await;
    let update = pb::UpdateAccountRequest {
        account: Some(pb::Account { display_name: "Other".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".into()] }),
        ..Default::default()
    };
    meter.of("AccountService/UpdateAccount", person.accounts().update_account(update)).await;
    meter.of("SessionService/RefreshSession", person.refresh()).await;
    // The first use of a new token pair ends the old one, whatever is called.
    person.whoami().await.unwrap();
    let sessions = pb::ListSessionsRequest::default();
    meter.of("SessionService/ListSessions", person.sessions().list_sessions(sessions)).await;
    let get = pb::GetSessionRequest::default();
    meter.of("SessionService/GetSession", person.sessions().get_session(get)).await;
    let rename = pb::UpdateSessionRequest {
        session: Some(pb::Session { device_name: "Desk".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["device_name".into()] }),
        ..Default::default()
    };
    meter.of("SessionService/UpdateSession", person.sessions().update_session(rename)).await;
    let watch = pb::WatchSessionRequest::default();
    let first = async { person.sessions().watch_session(watch).await?.into_inner().message().await };
    meter.of("SessionService/WatchSession", first).await;
    let (phone, tablet) = (person.on_another_device("Phone").await, person.on_another_device("Tablet").await);
    let revoke = pb::RevokeSessionRequest { session_id: phone.session_id().to_owned() };
    meter.of("SessionService/RevokeSession", person.sessions().revoke_session(revoke)).await;
    meter.of("SessionService/Logout", tablet.sessions().logout(pb::LogoutRequest::default())).await;
    person.remember(&email).await;
    let devices = pb::ListDevicesRequest::default();
    let listed = meter.of("SessionService/ListDevices", person.sessions().list_devices(devices)).await.into_inner();
    let forget = pb::ForgetDeviceRequest { device_id: listed.devices[0].device_id.clone(), ..Default::default() };
    meter.of("SessionService/ForgetDevice", person.sessions().forget_device(forget)).await;
    let challenge = pb::GetChallengeRequest {};
    meter.of("SessionService/GetChallenge", anyone.sessions().get_challenge(challenge)).await;

    safety::safety(meter, &person, round).await;

    let mut applications = Vec::new();
    for stage_name in ["One", "Two"] {
        let create = pb::CreateApplicationRequest { stage_name: stage_name.into(), ..Default::default() };
        let created = meter
            .of("ApplicationService/CreateApplication", person.applications().create_application(create))
            .await
            .into_inner();
        let application_id = created.application.unwrap().application_id;
        let submit = pb::SubmitApplicationRequest { application_id: application_id.clone(), ..Default::default() };
        meter.of("ApplicationService/SubmitApplication", person.applications().submit_application(submit)).await;
        if applications.is_empty() {
            let reject = pb::RejectApplicationRequest {
                application_id: application_id.clone(),
                reason: pb::ApplicationRejectReason::Other.into(),
                note: "Not yet.".into(),
                ..Default::default()
            };
            meter.of("ApplicationService/RejectApplication", rui.applications().reject_application(reject)).await;
        }
        applications.push(application_id);
    }
    let mine = pb::GetMyApplicationRequest {};
    meter.of("ApplicationService/GetMyApplication", person.applications().get_my_application(mine)).await;
    let all = pb::ListApplicationsRequest::default();
    meter.of("ApplicationService/ListApplications", rui.applications().list_applications(all)).await;
    let approve = pb::ApproveApplicationRequest { application_id: applications[1].clone(), ..Default::default() };
    meter.of("ApplicationService/ApproveApplication", rui.applications().approve_application(approve)).await;

    let artist = pb::GetArtistRequest { artist_id: studio.artist_id.clone() };
    meter.of("ArtistService/GetArtist", person.artists().get_artist(artist)).await;
    meter.of("ArtistService/ListArtists", person.artists().list_artists(pb::ListArtistsRequest::default())).await;
    meter.of("AdminService/ListAccounts", sam.admin().list_accounts(pb::ListAccountsRequest::default())).await;
    Box::pin(staff::costs(meter, sam, &person)).await;
    let set_roles = pb::SetRolesRequest {
        account_id: person.account_id().to_owned(),
        roles: vec![pb::Role::Listener.into(), pb::Role::Reviewer.into()],
        reason: "A test.".into(),
        ..Default::default()
    };
    meter.of("AdminService/SetRoles", sam.admin().set_roles(set_roles)).await;
    privacy::trail(meter, sam).await;
    let info = pb::GetServerInfoRequest {};
    meter.of("ServerService/GetServerInfo", anyone.server().get_server_info(info)).await;
}

/// Returns the object that an upload became.
async fn files(meter: &mut Meter<'_>, studio: &Studio) -> String {
    let ana = &studio.ana;
    let file = audio::wav(0.1, 21);
    meter.of("StorageService/GetLimits", ana.storage().get_limits(pb::GetLimitsRequest {})).await;
    let create = pb::CreateUploadRequest {
        purpose: pb::UploadPurpose::TrackAudio.into(),
        size_bytes: file.len().try_into().unwrap(),
        media_type: "audio/wav".into(),
        file_name: "sound.wav".into(),
        ..Default::default()
    };
    let mut ids = Vec::new();
    for _ in 0..2 {
        let created = meter.of("StorageService/CreateUpload", ana.storage().create_upload(create.clone())).await;
        ids.push(created.into_inner().upload.unwrap().upload_id);
    }
    parts(meter, ana, &ids[1], &file).await;
    let (half, upload_id) = (file.len() / 2, ids[0].clone());
    let first = pb::WriteUploadRequest {
        upload_id: upload_id.clone(),
        data: file[..half].to_vec().into(),
        ..Default::default()
    };
    meter.of("StorageService/WriteUpload", ana.storage().write_upload(futures::stream::iter([first]))).await;
    let rest = pb::AppendChunkRequest {
        upload_id: upload_id.clone(),
        offset: half.try_into().unwrap(),
        data: file[half..].to_vec().into(),
        ..Default::default()
    };
    meter.of("StorageService/AppendChunk", ana.storage().append_chunk(rest)).await;
    let complete = pb::CompleteUploadRequest {
        upload_id: upload_id.clone(),
        size_bytes: file.len().try_into().unwrap(),
        sha256: Sha256::digest(&file).to_vec().into(),
        ..Default::default()
    };
    meter.of("StorageService/CompleteUpload", ana.storage().complete_upload(complete)).await;
    let cancel = pb::CancelUploadRequest { upload_id: ids[1].clone(), ..Default::default() };
    meter.of("StorageService/CancelUpload", ana.storage().cancel_upload(cancel)).await;
    studio.world.run_jobs().await;
    meter.of("StorageService/GetUpload", ana.read_upload(&upload_id)).await.object_id
}

async fn parts(meter: &mut Meter<'_>, ana: &Actor, upload_id: &str, file: &[u8]) {
    let part = files::part(file, 0, 1000);
    let sign = pb::SignUploadPartsRequest { upload_id: upload_id.into(), parts: vec![part], ..Default::default() };
    let signed = meter.of("StorageService/SignUploadParts", ana.storage().sign_upload_parts(sign)).await.into_inner();
    let sent = meter.world.put(&signed.parts[0].url, file[..1000].to_vec()).await;
    assert!(sent.is_success(), "{sent}");
    let commit = pb::CommitUploadPartsRequest { upload_id: upload_id.into(), parts: vec![part], ..Default::default() };
    meter.of("StorageService/CommitUploadParts", ana.storage().commit_upload_parts(commit)).await;
}

async fn objects(meter: &mut Meter<'_>, studio: &Studio, object_id: &str) {
    let ana = &studio.ana;
    let sign = pb::CreateDownloadUrlRequest { object_id: object_id.to_owned() };
    meter.of("StorageService/CreateDownloadUrl", ana.storage().create_download_url(sign)).await;
    let read = pb::ReadObjectRequest { object_id: object_id.to_owned(), ..Default::default() };
    let whole = async {
        let mut stream = ana.storage().read_object(read).await?.into_inner();
        while stream.message().await?.is_some() {}
        Ok(())
    };
    meter.of("StorageService/ReadObject", whole).await;
}

async fn works(meter: &mut Meter<'_>, studio: &Studio) {
    let (ana, rui) = (&studio.ana, &studio.rui);
    let mut tracks = Vec::new();
    for title in ["One", "Two", "Three", "Four"] {
        tracks.push(meter.of("TrackService/CreateTrack", ana.new_track(studio.track(title))).await);
    }
    meter.of("TrackService/GetTrack", ana.read_track(&tracks[0].track_id)).await;
    let list = pb::ListTracksRequest { artist_id: studio.artist_id.clone(), ..Default::default() };
    meter.of("TrackService/ListTracks", ana.tracks().list_tracks(list)).await;
    let renamed = pb::Track { title: "Other".into(), ..tracks[0].clone() };
    meter.of("TrackService/UpdateTrack", ana.edit_track(renamed, &["title"])).await;
    meter.of("TrackService/DeleteTrack", ana.drop_track(&tracks[3].track_id)).await;

    let mut ids = Vec::new();
    for track in &tracks[..3] {
        let draft = meter.of("SubmissionService/CreateSubmission", ana.offer(&track.track_id)).await;
        meter.of("SubmissionService/SubmitSubmission", ana.hand_in(&draft.submission_id)).await;
        ids.push(draft.submission_id);
    }
    meter.of("SubmissionService/GetSubmission", ana.read_submission(&ids[0])).await;
    let list = pb::ListSubmissionsRequest::default();
    meter.of("SubmissionService/ListSubmissions", ana.submissions().list_submissions(list)).await;
    meter.of("SubmissionService/WithdrawSubmission", ana.take_back(&ids[2])).await;
    meter.of("ReviewService/ListQueue", rui.review().list_queue(pb::ListQueueRequest::default())).await;
    meter.of("ReviewService/StartReview", rui.start_review(&ids[0])).await;
    meter.of("ReviewService/ApproveSubmission", rui.approve(&ids[0])).await;
    meter.of("ReviewService/RejectSubmission", rui.reject(&ids[1])).await;
    meter.of("ReviewService/PublishSubmission", rui.publish(&ids[0])).await;
    let search = pb::SearchRequest { query: "other".into(), ..Default::default() };
    meter.of("SearchService/Search", ana.search().search(search)).await;
    let watch = pb::WatchSubmissionRequest { submission_id: ids[0].clone(), ..Default::default() };
    let first = async { ana.submissions().watch_submission(watch).await?.into_inner().message().await };
    meter.of("SubmissionService/WatchSubmission", first).await;
}
