//! nginx before the fleet, as `deploy/nginx.conf` sets it up.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A proxy that is there until it is dropped.
pub struct Proxy {
    child: Child,
    pub address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Proxy {
    /// `None` where nginx is not installed.
    pub fn before(servers: &[SocketAddr]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let address = free_port();
        std::fs::write(folder.path().join("nginx.conf"), configuration(address, servers)).unwrap();
        let started = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "error_log", "-g", "daemon off;"])
            .stdin(Stdio::null())
            .spawn();
        let child = match started {
            Ok(child) => child,
            Err(error) => {
                eprintln!("skipped: nginx does not start ({error}); see tests/run");
                return None;
            }
        };
        let proxy = Self { child, address, folder };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "nginx does not listen: {}", proxy.errors());
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(proxy)
    }

    /// How many calls went to each server.
    pub fn served(&self) -> BTreeMap<String, usize> {
        let mut served = BTreeMap::new();
        for line in self.read("access_log").lines() {
            let from = line.split_whitespace().find_map(|word| word.strip_prefix("from="));
            if let Some(server) = from.filter(|server| server.parse::<SocketAddr>().is_ok()) {
                *served.entry(server.to_owned()).or_insert(0) += 1;
            }
        }
        served
    }

    fn errors(&self) -> String {
        self.read("error_log")
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("nginx says:\n{}", self.errors());
        }
        // The master passes SIGTERM on to its workers; SIGKILL would leave them behind.
        drop(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status());
        drop(self.child.wait());
    }
}

/// `deploy/nginx.conf`, changed only in the lines that are the operator's to change.
fn configuration(address: SocketAddr, servers: &[SocketAddr]) -> String {
    let example = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/nginx.conf")).unwrap();
    let mut left = servers.iter().cycle();
    let lines = example.lines().map(|line| {
        let Some(yours) = line.strip_suffix("# yours").map(str::trim) else { return line.to_owned() };
        let directive = yours.split_whitespace().next().unwrap();
        match directive {
            "listen" => format!("listen {address} http2;"),
            "server" => yours.replacen(yours.split_whitespace().nth(1).unwrap(), &left.next().unwrap().to_string(), 1),
            "pid" | "error_log" => format!("{directive} {directive};"),
            "access_log" => format!("{directive} {directive} backline;"),
            "server_name" | "ssl_certificate" | "ssl_certificate_key" => String::new(),
            path if path.ends_with("_temp_path") => format!("{directive} {directive};"),
            other => panic!("deploy/nginx.conf leaves {other} to its users, and this test does not know it"),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
