//! What lies in `deploy/` fits the server: its settings are sound, its time-outs lie above the server's own.
//!
//! That nginx, systemd and Kubernetes take the files is seen to by `tests/run deploy`.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use backline::{
    config::ServerConfig,
    rpc::{
        access::{self, Cost},
        list::ALL,
    },
};

use crate::harness::{
    eventually,
    program::{Running, backline, bare, stderr, stdout},
};

/// Where pods find their secrets.
const MOUNTED: &str = "/run/secrets/backline/";

fn deployed(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What follows `key` on each line that begins with it.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let after = text.lines().filter_map(|line| line.trim_start().strip_prefix(key));
    after.map(|value| value.trim_matches([' ', '=', ':', ';'])).collect()
}

/// `95`, `40s` and `31m` alike.
fn seconds(text: &str) -> Duration {
    let (number, factor) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.trim_end_matches('s'), 1),
    };
    Duration::from_secs(number.parse::<u64>().unwrap() * factor)
}

/// The location of nginx that begins like this, to its closing brace.
fn location<'a>(conf: &'a str, begins: &str) -> &'a str {
    let (_, rest) = conf.split_once(begins).unwrap_or_else(|| panic!("nginx.conf has no location {begins}"));
    rest.split_once("\n        }").unwrap().0
}

#[test]
fn the_proxy_gives_long_streams_their_time_and_nothing_else() {
    let conf = deployed("nginx.conf");
    let (names, _) = conf.split_once(r"location ~ ^/(\w+\.)+\w+/(").unwrap().1.split_once(")$").unwrap();
    let is_long = |method: &str| {
        names.split('|').any(|name| match name.strip_suffix(r"\w*").or_else(|| name.strip_suffix(r"\w+")) {
            Some(start) => method.starts_with(start),
            None => method == name,
        })
    };
    for (path, rpc) in ALL {
        let (_, method) = path.rsplit_once('/').unwrap();
        assert_eq!(is_long(method), access::of(*rpc).cost.is_long(), "{path}: see the locations in deploy/nginx.conf");
    }
}

#[test]
fn the_proxy_waits_for_longer_than_a_call_may_take() {
    let conf = deployed("nginx.conf");
    let wait = |begins, key| seconds(values(location(&conf, begins), key).first().unwrap());
    let costs = [Cost::Read, Cost::Write, Cost::Password, Cost::Chunk, Cost::Transfer, Cost::Export, Cost::Watch];
    let longest =
        |long| costs.iter().filter(|cost| cost.is_long() == long).map(|cost| cost.time_limit()).max().unwrap();
    assert!(wait(r"location ~ ^/(backline|grpc)\.", "grpc_read_timeout") > longest(false));
    assert!(wait(r"location ~ ^/(\w+\.)+\w+/", "grpc_read_timeout") > longest(true));
    assert!(wait("location @browser", "proxy_read_timeout") > longest(true), "browsers watch as well");
}

#[test]
fn whoever_stops_a_server_waits_for_its_drain() {
    let server = ServerConfig::default();
    // Connections, then calls, then what runs beside them: each has the grace.
    let drain = server.drain_notice + 3 * server.grace;
    for unit in ["systemd/backline.service", "systemd/backline-work.service"] {
        let stop = deployed(unit);
        assert!(seconds(values(&stop, "TimeoutStopSec")[0]) > drain, "{unit}");
        let files: usize = values(&stop, "LimitNOFILE")[0].parse().unwrap();
        assert!(files > 2 * server.max_connections, "{unit}: a connection, and a file for its call");
    }
    for manifest in ["kubernetes/server.yaml", "kubernetes/worker.yaml"] {
        let grace = seconds(values(&deployed(manifest), "terminationGracePeriodSeconds")[0]);
        assert!(grace > drain, "{manifest}");
    }
}

#[test]
fn the_settings_of_the_cluster_are_sound() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in [
        ("database-url", "postgres://backline:5u8c-postgres@postgres.example.org/backline?sslmode=verify-full"),
        ("redis-url", "rediss://backline:5u8c-redis@redis.example.org:6380/0"),
        ("objects-access-key-id", "AKIDEXAMPLE"),
        ("objects-secret-access-key", "5u8c-objects"),
        ("mail-password", "5u8c-mail"),
        ("passwords-pepper", "bm90IGEgc2VjcmV0LCBidXQgMzIgYnl0ZXMgbG9uZyE="),
    ] {
        // As a mounted secret is, and with the newline that editors leave.
        fs::write(folder.path().join(name), format!("{value}\n")).unwrap();
        private(&folder.path().join(name));
    }
    fs::write(folder.path().join("backline.toml"), deployed("kubernetes/backline.toml")).unwrap();

    let environment = deployed("kubernetes/backline.env");
    let mut files = BTreeSet::new();
    let mut check = bare(&["check-config"]);
    // As the image sets them.
    check.env("BACKLINE_LISTEN", "0.0.0.0:7070").env("BACKLINE_ADMIN_LISTEN", "0.0.0.0:7071");
    for (name, value) in environment.lines().filter_map(|line| line.split_once('=')) {
        let here = match value.strip_prefix(MOUNTED) {
            Some(file) => folder.path().join(file),
            None => folder.path().join(value.rsplit_once('/').unwrap().1),
        };
        files.insert(here.clone());
        check.env(name, here);
    }
    let checked = check.output().unwrap();
    assert!(checked.status.success(), "{}", stderr(&checked));
    assert_eq!(files.len(), 7, "each names a file of its own");

    // In production a setting that is wrong is found here, not by the first pod.
    let refused = check.env("BACKLINE_WEB_PUBLIC_URL", "http://api.example.org").output().unwrap();
    assert!(stderr(&refused).contains("web.public_url"), "{}", stderr(&refused));
}

#[tokio::test]
async fn containers_can_ask_the_server_whether_it_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = backline(folder.path(), &["serve", "--set", "server.drain_notice=1m"]);
    let mut server = Running::start(&mut command, &folder.path().join("log"));
    let admin = server.admin_address.to_string();
    let ask = || bare(&["health", "--admin-listen", &admin]).output().unwrap();

    let ready = ask();
    assert!(ready.status.success(), "{}", stderr(&ready));
    assert!(stdout(&ready).contains(r#""state":"ready""#), "{}", stdout(&ready));

    server.signal("TERM");
    eventually(async || stderr(&ask()).contains("the server is not ready")).await;

    server.kill();
    let gone = ask();
    assert!(!gone.status.success());
    assert!(stderr(&gone).contains("no server answers on 127.0.0.1:"), "{}", stderr(&gone));
}

/// A proxy connects anew when its connections are asked to go; what it sends then must not be lost.
#[test]
fn whoever_waits_in_the_queue_of_a_server_that_stops_is_served() {
    const QUEUED: usize = 100;
    let folder = tempfile::tempdir().unwrap();
    let mut command = backline(folder.path(), &["serve", "--set", "server.max_connections_per_address=1000"]);
    let running = Running::start(&mut command, &folder.path().join("log"));
    assert!(is_answered(&mut call(running.address)), "it serves, and hears signals");

    running.signal("STOP");
    let mut calls: Vec<TcpStream> = (0..QUEUED).map(|_| call(running.address)).collect();
    running.signal("INT");
    running.signal("CONT");
    assert_eq!(calls.iter_mut().map(is_answered).filter(|answered| *answered).count(), QUEUED);
}

/// Connects and asks for the first page.
fn call(address: SocketAddr) -> TcpStream {
    let wait = Duration::from_secs(10);
    let mut stream = TcpStream::connect_timeout(&address, wait).unwrap();
    stream.set_read_timeout(Some(wait)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n").unwrap();
    stream
}

fn is_answered(stream: &mut TcpStream) -> bool {
    let mut start = [0; 12];
    stream.read_exact(&mut start).is_ok() && &start == b"HTTP/1.1 200"
}

fn private(file: &Path) {
    fs::set_permissions(file, fs::Permissions::from_mode(0o440)).unwrap();
}
