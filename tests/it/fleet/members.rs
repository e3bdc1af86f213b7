//! The processes of a fleet, and what they share.

use std::{net::SocketAddr, os::unix::fs::symlink, path::PathBuf, process::Command, sync::Arc};

use parking_lot::Mutex;
use tonic::transport::Channel;

use super::proxy::Proxy;
use crate::harness::{
    Actor, PASSWORD,
    database::{self, TestDatabase},
    program::{self, Running},
    redis::Redis,
    s3::S3,
    world::{channel_to, email_of},
};

/// Three servers that also run jobs, a worker beside them, and a proxy in front.
pub struct Fleet {
    servers: Vec<Option<Running>>,
    /// Where they listen, also while one of them is away.
    addresses: Vec<SocketAddr>,
    _worker: Running,
    pub proxy: Proxy,
    shared: Shared,
}

/// How many servers there are.
pub const SERVERS: usize = 3;

impl Fleet {
    /// Starts all of it on an empty database, with an administrator called root. `None` where it cannot be: on SQLite,
    /// or where a program is missing, which `tests/run` counts.
    pub async fn start(settings: &[(&str, &str)]) -> Option<Self> {
        if !database::is_postgres() {
            return None;
        }
        let shared = Shared::make(settings)?;
        let servers: Vec<Running> =
            futures::future::join_all((0..SERVERS).map(|number| shared.serve(number, None))).await;
        let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
        let proxy = Proxy::before(&addresses)?;
        let worker = shared.work();
        Some(Self { servers: servers.into_iter().map(Some).collect(), addresses, _worker: worker, proxy, shared })
    }

    /// A connection by which each call goes to any of the servers.
    pub fn channel(&self) -> Channel {
        channel_to(Arc::new(Mutex::new(self.proxy.address)))
    }

    /// A connection to one server.
    pub fn direct(&self, server: usize) -> Channel {
        channel_to(Arc::new(Mutex::new(self.addresses[server])))
    }

    /// The administrator, signed in through the proxy.
    pub async fn root(&self) -> Actor {
        Actor::sign_in(self.channel(), &email_of("root"), PASSWORD, "Laptop").await.unwrap()
    }

    /// Where everybody's letters are delivered.
    pub fn mail(&self) -> PathBuf {
        self.shared.folder.path().join("mail")
    }

    /// Stops a server as an operator does, waits until it is gone, and starts it again in its old place.
    pub async fn restart(&mut self, server: usize) {
        let running = self.servers[server].take().expect("it runs");
        running.signal("TERM");
        let ended = tokio::task::spawn_blocking(|| running.wait()).await.unwrap();
        assert!(ended.success(), "it stopped in order: {ended}");
        self.servers[server] = Some(self.shared.serve(server, Some(self.addresses[server])).await);
    }

    /// How many calls the proxy sent to a server.
    pub fn served_by(&self, server: usize) -> usize {
        self.proxy.served().get(&self.addresses[server].to_string()).copied().unwrap_or_default()
    }

    /// Lets the database go. Until then a failed run can be looked at.
    pub fn remove(self) {
        self.shared.database.remove();
    }
}

/// What all processes share: database, Redis, objects, keys, letters.
struct Shared {
    redis: Redis,
    s3: S3,
    database: TestDatabase,
    settings: Vec<(String, String)>,
    folder: tempfile::TempDir,
}

impl Shared {
    fn make(settings: &[(&str, &str)]) -> Option<Self> {
        let (redis, s3) = (Redis::start()?, S3::start());
        let folder = tempfile::tempdir().unwrap();
        for name in ["keys", "mail"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let database = TestDatabase::make(folder.path());
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let shared = Self { redis, s3, database, settings, folder };
        // The first to start makes the keys that all share.
        let arguments = ["admin", "create", "--email", &email_of("root"), "--password-stdin"];
        let created = program::with_input(&mut shared.command("command-line", &arguments), &format!("{PASSWORD}\n"));
        assert!(created.status.success(), "{}", program::stderr(&created));
        Some(shared)
    }

    /// The program as this member of the fleet.
    fn command(&self, member: &str, arguments: &[&str]) -> Command {
        let home = self.folder.path().join(member);
        if !home.exists() {
            std::fs::create_dir(&home).unwrap();
            for name in ["keys", "mail"] {
                symlink(self.folder.path().join(name), home.join(name)).unwrap();
            }
        }
        let mut command = program::backline(&home, arguments);
        command
            .env("BACKLINE_DATABASE_URL", self.database.url())
            .env("BACKLINE_DATABASE_MAX_CONNECTIONS", "8")
            .env("BACKLINE_REDIS_URL", self.redis.url())
            // On a machine that does much else an answer may be late, and a limit is exact only by Redis.
            .env("BACKLINE_REDIS_COMMAND_TIMEOUT", "2s")
            .envs(self.s3.environment())
            .env("BACKLINE_SERVER_TRUSTED_PROXIES", "127.0.0.1/32")
            .env("BACKLINE_PUBLIC_URL", "http://backline.test")
            .env("BACKLINE_SERVER_DRAIN_NOTICE", "500ms")
            .env("BACKLINE_WORK_POLL_EVERY", "200ms");
        for (key, value) in &self.settings {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        command
    }

    async fn serve(&self, number: usize, listen: Option<SocketAddr>) -> Running {
        let member = format!("server{number}");
        let mut command = self.command(&member, &["serve"]);
        if let Some(address) = listen {
            command.env("BACKLINE_LISTEN", address.to_string());
        }
        let log = self.log(&member);
        // Reading its first line waits; calls must not.
        tokio::task::spawn_blocking(move || Running::start(&mut command, &log)).await.unwrap()
    }

    fn work(&self) -> Running {
        Running::start(&mut self.command("worker", &["work"]), &self.log("worker"))
    }

    fn log(&self, member: &str) -> PathBuf {
        self.folder.path().join(format!("{member}.log"))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for member in (0..SERVERS).map(|number| format!("server{number}")).chain(["worker".to_owned()]) {
            let log = std::fs::read_to_string(self.log(&member)).unwrap_or_default();
            let lines: Vec<&str> = log.lines().filter(|line| !line.contains("\"INFO\"")).collect();
            println!("{member}'s last words:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
        }
    }
}
