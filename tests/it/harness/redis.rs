//! Real Redis servers for one test: one alone, three as a cluster, or one with a Sentinel. Nothing is kept on disk.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

/// A server that runs until it is dropped.
pub struct Redis {
    child: Child,
    pub port: u16,
    arguments: Vec<String>,
    folder: tempfile::TempDir,
}

/// Whether there is a Redis to test with: `tests/run` installs one, or counts these tests as skipped.
pub fn is_installed() -> bool {
    let found = Command::new("redis-server").arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no redis-server; see tests/run");
    }
    found
}

/// A port of which nobody makes use, nor of the one 10,000 above it, on which members of a cluster talk.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let from = u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let port = 11_000 + (from + NEXT.fetch_add(1, Ordering::Relaxed)) % 11_000;
        let free = |port: u16| TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).is_ok();
        if free(port) && free(port + 10_000) {
            return port;
        }
    }
}

impl Redis {
    /// `None` where no Redis is installed.
    pub fn start() -> Option<Self> {
        Self::with(&[])
    }

    /// With further arguments, such as `["--requirepass", "…"]`.
    pub fn with(further: &[&str]) -> Option<Self> {
        is_installed().then(|| Self::start_at(free_port(), further))
    }

    fn start_at(port: u16, further: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]
            .into_iter()
            .map(str::to_owned)
            .chain([port.to_string()])
            .chain(further.iter().map(ToString::to_string))
            .collect();
        let child = spawn(folder.path(), &arguments);
        let redis = Self { child, port, arguments, folder };
        redis.wait_until_it_answers();
        redis
    }

    fn wait_until_it_answers(&self) {
        let begun = Instant::now();
        // Whoever lacks the password is answered, too.
        while !self.cli(&["PING"]).status.success() {
            assert!(begun.elapsed() < Duration::from_secs(10), "redis-server does not answer on port {}", self.port);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// One command from outside.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "--no-auth-warning"]);
        command.args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    pub fn ask(&self, arguments: &[&str]) -> String {
        String::from_utf8_lossy(&self.cli(arguments).stdout).trim().to_owned()
    }

    /// As a machine dies.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// On the same port, after [`Redis::kill`].
    pub fn start_again(&mut self) {
        self.child = spawn(self.folder.path(), &self.arguments);
        self.wait_until_it_answers();
    }

    /// It hangs: connections stay, and nothing is answered.
    pub fn freeze(&self) {
        self.send("-STOP");
    }

    pub fn thaw(&self) {
        self.send("-CONT");
    }

    fn send(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(folder: &Path, arguments: &[String]) -> Child {
    Command::new("redis-server")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Three masters.
pub struct Cluster(pub Vec<Redis>);

impl Cluster {
    /// `None` where no Redis is installed.
    pub fn start() -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let further = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"];
        let nodes: Vec<Redis> = (0..3).map(|_| Redis::start_at(free_port(), &further)).collect();
        let addresses = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(addresses)
            .args(["--cluster-replicas", "0", "--cluster-yes"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        let cluster = Self(nodes);
        let begun = Instant::now();
        while !cluster.0.iter().all(|node| node.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok")) {
            assert!(begun.elapsed() < Duration::from_secs(20), "the cluster does not come together");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(cluster)
    }

    pub fn url(&self) -> String {
        let [first, second, third] = [0, 1, 2].map(|number| self.0[number].port);
        format!("redis-cluster://127.0.0.1:{first}?node=127.0.0.1:{second}&node=127.0.0.1:{third}")
    }
}

/// A server, and who tells where it is.
pub struct Watched {
    pub redis: Redis,
    sentinel: Child,
    sentinel_port: u16,
    _folder: tempfile::TempDir,
}

impl Watched {
    /// `None` where no Redis is installed.
    pub fn start() -> Option<Self> {
        let redis = Redis::start()?;
        let (folder, sentinel_port) = (tempfile::tempdir().unwrap(), free_port());
        let settings = format!(
            "port {sentinel_port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {} 1\nsentinel down-after-milliseconds main 1000\n",
            redis.port
        );
        std::fs::write(folder.path().join("sentinel.conf"), settings).unwrap();
        let sentinel = spawn(folder.path(), &["sentinel.conf".to_owned(), "--sentinel".to_owned()]);
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", sentinel_port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "the Sentinel does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(Self { redis, sentinel, sentinel_port, _folder: folder })
    }

    pub fn url(&self) -> String {
        format!("redis-sentinel://127.0.0.1:{}?sentinelServiceName=main", self.sentinel_port)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        drop(self.sentinel.kill());
        drop(self.sentinel.wait());
    }
}
