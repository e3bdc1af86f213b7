//! The process that is killed, and what outlives it.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tonic::transport::Channel;

use super::people::{Artist, insist};
use crate::harness::{
    Actor, ErrorReason, Letter, PASSWORD, Status,
    database::{self, TestDatabase},
    eventually_within,
    files::files_below,
    pb,
    program::{self, Running},
    world::{channel_to, email_of},
};

/// Where nothing listens: where calls go while there is no server.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
/// How long an answer may take, restarts included.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server on a data folder, killed and started at will.
pub struct Server {
    running: Option<Running>,
    address: Arc<Mutex<SocketAddr>>,
    pub channel: Channel,
    pub database: TestDatabase,
    folder: tempfile::TempDir,
}

impl Server {
    /// Makes a data folder with an administrator, and starts on it.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = TestDatabase::make(folder.path());
        let address = Arc::new(Mutex::new(NOWHERE));
        let channel = channel_to(Arc::clone(&address));
        let mut server = Self { running: None, address, channel, database, folder };
        let mut create = server.command(&["admin", "create", "--email", &email_of("root"), "--password-stdin"]);
        let made = program::with_input(&mut create, &format!("{PASSWORD}\n"));
        assert!(made.status.success(), "{}", program::stderr(&made));
        server.start_again().await;
        server
    }

    /// Nothing yet: an empty data folder, and a database without tables. No server runs there.
    pub fn nowhere() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = TestDatabase::empty(folder.path());
        let address = Arc::new(Mutex::new(NOWHERE));
        Self { running: None, channel: channel_to(Arc::clone(&address)), address, database, folder }
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = program::backline(self.folder.path(), arguments);
        // What a killed worker held is taken up soon.
        command.env("BACKLINE_WORK_LEASE", "300ms").env("BACKLINE_WORK_POLL_EVERY", "50ms");
        if database::is_postgres() {
            command.env("BACKLINE_DATABASE_URL", self.database.url());
        }
        command
    }

    pub fn kill(&mut self) {
        *self.address.lock() = NOWHERE;
        self.running.take().expect("the server runs").kill();
    }

    pub async fn start_again(&mut self) {
        let (mut command, log) = (self.command(&["serve"]), self.folder.path().join("log"));
        // Reading its first line waits; the people's calls must not.
        let running = tokio::task::spawn_blocking(move || Running::start(&mut command, &log)).await.unwrap();
        *self.address.lock() = running.address;
        self.running = Some(running);
    }

    /// People who were let in as artists, before anything is killed.
    pub async fn artists(&self, count: u32) -> Vec<Artist> {
        let root = Actor::sign_in(self.channel.clone(), &email_of("root"), PASSWORD, "Laptop").await.unwrap();
        let mut artists = Vec::new();
        for number in 0..count {
            let name = format!("artist{number}");
            let actor = enrol(&self.channel, &self.mail(), &name, number).await;
            let request = pb::CreateApplicationRequest { stage_name: name, ..Default::default() };
            let made = actor.applications().create_application(request).await.unwrap().into_inner();
            let application_id = made.application.unwrap().application_id;
            let request = pb::SubmitApplicationRequest { application_id: application_id.clone(), ..Default::default() };
            actor.applications().submit_application(request).await.unwrap();
            let request = pb::ApproveApplicationRequest { application_id, ..Default::default() };
            let approved = root.applications().approve_application(request).await.unwrap().into_inner();
            artists.push(Artist::new(number, actor, approved.application.unwrap().artist_id));
        }
        artists
    }

    /// Where letters are delivered.
    pub fn mail(&self) -> PathBuf {
        self.folder.path().join("mail")
    }

    /// Files in the object store.
    pub fn stored_files(&self) -> usize {
        files_below(&self.folder.path().join("objects")).len()
    }

    /// Lets a database on a server go. Until then a failed run can be looked at.
    pub fn remove(self) {
        self.database.remove();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().filter(|line| !line.contains("\"INFO\"")).collect();
            println!("the server's last words:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

/// Registers, opens the letter, proves the mailbox and signs in, whatever happens to the server meanwhile.
pub async fn enrol(channel: &Channel, mail: &std::path::Path, name: &str, number: u32) -> Actor {
    let (anyone, email) = (Actor::anonymous(channel.clone()), email_of(name));
    let request_id = crate::harness::request_id(number);
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

fn letters(folder: &std::path::Path) -> Vec<Letter> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let delivered = entries.filter(|path| path.extension().is_some_and(|end| end == "eml"));
    delivered.map(|path| Letter::parse(&std::fs::read(path).unwrap())).collect()
}

/// Whether nobody answered, or somebody who had to give up. Every other refusal is a broken promise.
pub fn is_outage(status: &Status) -> bool {
    let details = crate::harness::details(status);
    let reasons = [ErrorReason::DependencyDown, ErrorReason::ServerBusy, ErrorReason::DeadlineExceeded];
    details
        .error_info()
        .is_none_or(|info| reasons.iter().any(|reason| info.reason == backline::rpc::fault::short_name(*reason)))
}
