//! People who go on working whatever happens, and remember what they were promised.

use std::{
    cell::{Cell, RefCell},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use tonic::transport::Channel;

use super::{
    Actor, ErrorReason, Letter, PASSWORD, Status, audio, details, eventually_within,
    files::{announcement, chunk, completion, stream_of},
    pb, request_id,
    world::email_of,
};

/// How long an answer may take, restarts included.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// An account may hand in twenty an hour; whoever did goes on uploading.
const HAND_INS: usize = 19;

/// Repeats a call until it is answered. A refusal that is no outage fails the test.
pub async fn insist<T>(mut call: impl AsyncFnMut() -> Result<T, Status>) -> T {
    let mut answer = None;
    eventually_within(PATIENCE, async || {
        match call().await {
            Ok(reply) => answer = Some(reply),
            Err(status) => assert!(is_outage(&status), "the server is up and refuses: {status:?}"),
        }
        answer.is_some()
    })
    .await;
    answer.unwrap()
}

/// One song on its way, and what the server has acknowledged of it.
#[derive(Clone, Default)]
struct Song {
    file: Bytes,
    upload_id: String,
    persisted: i64,
    completed: bool,
    object_id: Option<String>,
    track_id: Option<String>,
    submission_id: Option<String>,
    handed_in: bool,
    /// All was done that is done with it.
    finished: bool,
}

/// Somebody who sends one song after the other.
pub struct Artist {
    number: u32,
    actor: Actor,
    /// Whose songs they are, on the wire.
    page: String,
    songs: RefCell<Vec<Song>>,
    /// Songs before this one were finished when they were last checked.
    checked: Cell<usize>,
}

impl Artist {
    /// A newcomer who applies, and whom staff let in.
    pub async fn let_in(channel: &Channel, mail: &Path, staff: &Actor, number: u32) -> Self {
        let name = format!("artist{number}");
        let actor = enrol(channel, mail, &name, number).await;
        let request = pb::CreateApplicationRequest { stage_name: name, ..Default::default() };
        let made = actor.applications().create_application(request).await.unwrap().into_inner();
        let application_id = made.application.unwrap().application_id;
        let request = pb::SubmitApplicationRequest { application_id: application_id.clone(), ..Default::default() };
        actor.applications().submit_application(request).await.unwrap();
        let request = pb::ApproveApplicationRequest { application_id, ..Default::default() };
        let approved = staff.applications().approve_application(request).await.unwrap().into_inner();
        let page = approved.application.unwrap().artist_id;
        Self { number, actor, page, songs: RefCell::default(), checked: Cell::new(0) }
    }

    /// What was promised up to now, to be asked for through another server.
    pub fn remembering(&self, channel: &Channel) -> Self {
        Self {
            number: self.number,
            actor: self.actor.through(channel.clone()),
            page: self.page.clone(),
            songs: RefCell::new(self.songs.borrow().clone()),
            checked: Cell::new(0),
        }
    }

    /// The request id of one step with one song.
    fn id(&self, song: usize, step: u32) -> String {
        request_id(1_000_000 + self.number * 100_000 + u32::try_from(song).unwrap() * 10 + step)
    }

    fn note(&self, song: usize, promise: impl FnOnce(&mut Song)) {
        promise(&mut self.songs.borrow_mut()[song]);
    }

    pub fn finished(&self) -> usize {
        self.songs.borrow().iter().filter(|song| song.finished).count()
    }

    pub fn handed_in(&self) -> usize {
        self.songs.borrow().iter().filter(|song| song.handed_in).count()
    }

    /// Sends songs until told to stop; the last one is brought to its end.
    pub async fn work(&self, stop: &Cell<bool>) {
        for song in 0.. {
            if stop.get() {
                return;
            }
            self.send_song(song).await;
        }
    }

    /// Sends so many songs.
    pub async fn send_songs(&self, count: usize) {
        for song in 0..count {
            self.send_song(song).await;
        }
    }

    /// The submissions of all songs.
    pub fn submissions(&self) -> Vec<String> {
        self.songs.borrow().iter().filter_map(|song| song.submission_id.clone()).collect()
    }

    async fn send_song(&self, song: usize) {
        let seed = self.number * 1000 + u32::try_from(song).unwrap();
        let file = Bytes::from(audio::wav(0.3 + f64::from(seed % 7) * 0.4, seed));
        let announcing = self.announcing(song, &file);
        let upload_id = insist(async || self.actor.create_upload(announcing.clone()).await).await.upload_id;
        let begun = Song { file: file.clone(), upload_id: upload_id.clone(), ..Song::default() };
        self.songs.borrow_mut().push(begun);

        self.send_bytes(song, &upload_id, &file).await;
        let completing = self.completing(song, &upload_id, &file);
        insist(async || self.actor.complete_upload(completing.clone()).await).await;
        self.note(song, |song| song.completed = true);
        let object_id = self.wait_for_object(&upload_id).await;
        self.note(song, |song| song.object_id = Some(object_id));

        let creating = self.creating(song, &upload_id);
        let track = insist(async || self.actor.tracks().create_track(creating.clone()).await).await.into_inner();
        let track_id = track.track.unwrap().track_id;
        self.note(song, |song| song.track_id = Some(track_id.clone()));
        let offering = self.offering(song, &track_id);
        let draft = insist(async || self.actor.submissions().create_submission(offering.clone()).await).await;
        let submission_id = draft.into_inner().submission.unwrap().submission_id;
        self.note(song, |song| song.submission_id = Some(submission_id.clone()));
        if self.handed_in() < HAND_INS {
            let submitting = self.submitting(song, &submission_id);
            insist(async || self.actor.submissions().submit_submission(submitting.clone()).await).await;
            self.note(song, |song| song.handed_in = true);
        }
        self.note(song, |song| song.finished = true);
    }

    /// Sends a file by chunks or by streams in turn, and goes on from where the server says it is.
    async fn send_bytes(&self, song: usize, upload_id: &str, file: &Bytes) {
        const CHUNK: usize = 16 * 1024;
        loop {
            let told = self.told(song, upload_id).await;
            let at = usize::try_from(told.persisted_bytes).unwrap();
            if at == file.len() {
                return;
            }
            let sent = if song.is_multiple_of(2) {
                self.actor.append_chunk(chunk(upload_id, at, &file[at..file.len().min(at + CHUNK)])).await
            } else {
                self.actor.write_messages(stream_of(upload_id, at, &file[at..], CHUNK / 4)).await
            };
            match sent {
                Ok(told) => self.note(song, |song| song.persisted = told.persisted_bytes),
                Err(status) => assert!(is_outage(&status), "the server is up and refuses: {status:?}"),
            }
        }
    }

    /// How the upload stands: never behind what was told before.
    async fn told(&self, song: usize, upload_id: &str) -> pb::Upload {
        let before = self.songs.borrow()[song].persisted;
        let told = insist(async || self.actor.upload(upload_id).await).await;
        assert!(told.persisted_bytes >= before, "{before} bytes were promised: {told:?}");
        self.note(song, |song| song.persisted = told.persisted_bytes);
        told
    }

    async fn wait_for_object(&self, upload_id: &str) -> String {
        let mut object_id = String::new();
        eventually_within(PATIENCE, async || {
            let told = insist(async || self.actor.upload(upload_id).await).await;
            assert!(is_completed(&told), "a completed upload is checked and taken: {told:?}");
            object_id = told.object_id;
            !object_id.is_empty()
        })
        .await;
        object_id
    }

    /// Checks what was acknowledged since the last check.
    pub async fn check(&self) {
        let from = self.checked.get();
        self.check_from(from).await;
    }

    /// Checks all that was ever acknowledged.
    pub async fn check_all(&self) {
        self.check_from(0).await;
    }

    async fn check_from(&self, from: usize) {
        insist(async || self.actor.whoami().await).await;
        // What is promised while the check runs is checked the next time.
        let songs: Vec<Song> = self.songs.borrow()[from..].to_vec();
        self.checked.set(from + songs.iter().take_while(|song| song.finished).count());
        for song in &songs {
            let told = insist(async || self.actor.upload(&song.upload_id).await).await;
            assert!(told.persisted_bytes >= song.persisted, "{} bytes were promised: {told:?}", song.persisted);
            assert!(!song.completed || is_completed(&told), "it was completed: {told:?}");
            let Some(object_id) = &song.object_id else { continue };
            assert_eq!(told.object_id, *object_id, "an object stays what it is");
            let bytes = insist(async || self.actor.read_object(object_id, 0, 0).await).await;
            assert!(bytes == song.file, "the bytes of {object_id} are what was sent");
            let Some(track_id) = &song.track_id else { continue };
            let request = pb::GetTrackRequest { track_id: track_id.clone() };
            let track = insist(async || self.actor.tracks().get_track(request.clone()).await).await.into_inner();
            let locked = track.track.unwrap().state() == pb::TrackState::Locked;
            let Some(submission_id) = &song.submission_id else { continue };
            let request = pb::GetSubmissionRequest { submission_id: submission_id.clone() };
            let found = insist(async || self.actor.submissions().get_submission(request.clone()).await).await;
            let state = found.into_inner().submission.unwrap().state();
            let submitted = state == pb::SubmissionState::Submitted;
            assert!(submitted || state == pb::SubmissionState::Draft, "{submission_id} is {state:?}");
            assert!(!song.handed_in || (submitted && locked), "{submission_id} was handed in: {state:?}, {locked}");
        }
    }

    /// Asks for everything once more with the same request ids: the same replies come back.
    pub async fn repeat(&self) {
        let songs = self.songs.borrow().clone();
        for (place, song) in songs.iter().enumerate().rev().take(5) {
            let upload = self.actor.create_upload(self.announcing(place, &song.file)).await.unwrap();
            assert_eq!(upload.upload_id, song.upload_id);
            let completing = self.completing(place, &song.upload_id, &song.file);
            let upload = self.actor.complete_upload(completing).await.unwrap();
            assert_eq!(Some(upload.object_id), song.object_id);
            let creating = self.creating(place, &song.upload_id);
            let track = self.actor.tracks().create_track(creating).await.unwrap().into_inner().track.unwrap();
            assert_eq!(Some(&track.track_id), song.track_id.as_ref());
            let offering = self.offering(place, &track.track_id);
            let draft = self.actor.submissions().create_submission(offering).await.unwrap().into_inner();
            let submission_id = draft.submission.unwrap().submission_id;
            assert_eq!(Some(&submission_id), song.submission_id.as_ref());
            if song.handed_in {
                let submitting = self.submitting(place, &submission_id);
                let again = self.actor.submissions().submit_submission(submitting).await.unwrap().into_inner();
                assert_eq!(again.submission.unwrap().state(), pb::SubmissionState::Submitted);
            }
        }
    }

    fn announcing(&self, song: usize, file: &[u8]) -> pb::CreateUploadRequest {
        pb::CreateUploadRequest { request_id: self.id(song, 0), ..announcement(file) }
    }

    fn completing(&self, song: usize, upload_id: &str, file: &[u8]) -> pb::CompleteUploadRequest {
        pb::CompleteUploadRequest { request_id: self.id(song, 1), ..completion(upload_id, file) }
    }

    fn creating(&self, song: usize, upload_id: &str) -> pb::CreateTrackRequest {
        pb::CreateTrackRequest {
            artist_id: self.page.clone(),
            title: format!("Song {song}"),
            audio_upload_id: upload_id.to_owned(),
            request_id: self.id(song, 2),
            ..Default::default()
        }
    }

    fn offering(&self, song: usize, track_id: &str) -> pb::CreateSubmissionRequest {
        let (track_id, request_id) = (track_id.to_owned(), self.id(song, 3));
        pb::CreateSubmissionRequest { track_id, request_id, ..Default::default() }
    }

    fn submitting(&self, song: usize, submission_id: &str) -> pb::SubmitSubmissionRequest {
        pb::SubmitSubmissionRequest { submission_id: submission_id.to_owned(), request_id: self.id(song, 4) }
    }
}

fn is_completed(upload: &pb::Upload) -> bool {
    matches!(upload.state(), pb::UploadState::Verifying | pb::UploadState::Finalized)
}

/// New people, one after the other: each registers, opens the letter, signs in and refreshes.
pub struct Newcomers {
    channel: Channel,
    mail: PathBuf,
    arrived: RefCell<Vec<Actor>>,
}

impl Newcomers {
    pub fn new(channel: Channel, mail: PathBuf) -> Self {
        Self { channel, mail, arrived: RefCell::default() }
    }

    /// Whoever has arrived up to now, as seen by another server.
    pub fn remembering(&self, channel: &Channel) -> Self {
        let arrived = self.arrived.borrow().iter().map(|actor| actor.through(channel.clone())).collect();
        Self { channel: channel.clone(), mail: self.mail.clone(), arrived: RefCell::new(arrived) }
    }

    /// Their addresses.
    pub fn emails(&self) -> Vec<String> {
        self.arrived.borrow().iter().map(|actor| actor.email.clone()).collect()
    }

    pub fn count(&self) -> usize {
        self.arrived.borrow().len()
    }

    pub async fn arrive(&self, stop: &Cell<bool>) {
        for number in 0.. {
            if stop.get() {
                return;
            }
            let newcomer = enrol(&self.channel, &self.mail, &format!("newcomer{number}"), 1000 + number).await;
            // A refresh whose reply is lost is asked for again with the same token.
            insist(async || newcomer.refresh().await).await;
            self.arrived.borrow_mut().push(newcomer);
        }
    }

    /// Whoever got in lately is still in.
    pub async fn check(&self) {
        let all = self.count();
        self.check_from(all.saturating_sub(20)).await;
    }

    /// Everybody who got in is still in.
    pub async fn check_all(&self) {
        self.check_from(0).await;
    }

    async fn check_from(&self, from: usize) {
        let arrived: Vec<Actor> = self.arrived.borrow()[from..].to_vec();
        for newcomer in &arrived {
            let account = insist(async || newcomer.whoami().await).await;
            assert_eq!(account.account_id, newcomer.account.account_id);
        }
    }
}

/// Registers, opens the letter, proves the mailbox and signs in, whatever happens to the server meanwhile.
pub async fn enrol(channel: &Channel, mail: &Path, name: &str, number: u32) -> Actor {
    let (anyone, email) = (Actor::anonymous(channel.clone()), email_of(name));
    let request_id = request_id(number);
    let registering = pb::RegisterRequest {
        email: email.clone(),
        password: PASSWORD.to_owned(),
        display_name: name.to_owned(),
        request_id: request_id.clone(),
        ..Default::default()
    };
    insist(async || anyone.accounts().register(registering.clone()).await).await;
    let mut token = None;
    eventually_within(PATIENCE, async || {
        token = letters(mail).into_iter().find(|letter| letter.to == email).map(|letter| letter.token().to_owned());
        token.is_some()
    })
    .await;
    let verifying = pb::VerifyEmailRequest { token: token.unwrap(), request_id, ..Default::default() };
    insist(async || anyone.accounts().verify_email(verifying.clone()).await).await;
    insist(async || Actor::sign_in(channel.clone(), &email, PASSWORD, "Laptop").await).await
}

/// Every letter delivered into a folder.
pub fn letters(folder: &Path) -> Vec<Letter> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let delivered = entries.filter(|path| path.extension().is_some_and(|end| end == "eml"));
    delivered.map(|path| Letter::parse(&std::fs::read(path).unwrap())).collect()
}

/// Whether nobody answered, or somebody who had to give up. Every other refusal is a broken promise.
pub fn is_outage(status: &Status) -> bool {
    let details = details(status);
    let reasons = [ErrorReason::DependencyDown, ErrorReason::ServerBusy, ErrorReason::DeadlineExceeded];
    details
        .error_info()
        .is_none_or(|info| reasons.iter().any(|reason| info.reason == backline::rpc::fault::short_name(*reason)))
}
