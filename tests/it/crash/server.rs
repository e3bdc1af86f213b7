//! The process that is killed, and what outlives it.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use tonic::transport::Channel;

use crate::harness::{
    Actor, PASSWORD,
    database::{self, TestDatabase},
    files::files_below,
    people::Artist,
    program::{self, NOWHERE, Running},
    world::{channel_to, email_of},
};

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
            artists.push(Artist::let_in(&self.channel, &self.mail(), &root, number).await);
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
