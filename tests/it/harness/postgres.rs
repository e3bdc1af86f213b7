//! A PostgreSQL server of one test's own: to be stopped, started and set up badly.
//!
//! Its only role wants a password. Root lends it an ordinary user, for PostgreSQL refuses root.

use std::{
    net::TcpListener,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};

use super::database::migrate;

pub const ROLE: &str = "backline";
/// No sentence and no log may hold it.
pub const PASSWORD: &str = "canary-postgres-password-8841";

/// It runs until it is dropped, or stopped.
pub struct PostgresServer {
    folder: tempfile::TempDir,
    programs: PathBuf,
    pub port: u16,
}

impl PostgresServer {
    /// `None` where PostgreSQL is not installed: `tests/run` does that, or counts these tests as skipped.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("skipped: there is no PostgreSQL; see tests/run");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let server = Self { folder, programs, port: free_port() };
        server.initialise();
        server.start_again();
        Some(server)
    }

    fn initialise(&self) {
        let password = self.folder.path().join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        give(self.folder.path());
        give(&password);
        let role = format!("--username={ROLE}");
        let pwfile = format!("--pwfile={}", password.display());
        let arguments =
            ["--pgdata=data", "--auth=scram-sha-256", &role, &pwfile, "--encoding=UTF8", "--locale=C.UTF-8"];
        self.run("initdb", &[&arguments[..], &["--no-sync"]].concat());
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nport = {}\nmax_connections = 50\n",
            self.port
        );
        let file = self.folder.path().join("data/postgresql.conf");
        let defaults = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, defaults + &settings).unwrap();
    }

    /// After [`PostgresServer::stop`]. Returns when it answers.
    pub fn start_again(&self) {
        self.run("pg_ctl", &["--pgdata=data", "--log=server.log", "--wait", "--silent", "start"]);
    }

    /// As an operator stops it: connections are cut, what was committed stays.
    pub fn stop(&self) {
        self.run("pg_ctl", &["--pgdata=data", "--mode=fast", "--wait", "--silent", "stop"]);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let done = self.command(program, arguments).status().unwrap();
        let log = || std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
        assert!(done.success(), "{program} {arguments:?} failed:\n{}", log());
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let program = self.programs.join(program);
        let mut command = match ordinary_user() {
            Some((user, ..)) => {
                let mut lent = Command::new("runuser");
                lent.args(["-u", user, "--"]).arg(program);
                lent
            }
            None => Command::new(program),
        };
        // The server keeps what it inherits: a pipe would never end.
        let nothing = (Stdio::null(), Stdio::null(), Stdio::null());
        command.args(arguments).current_dir(self.folder.path()).stdin(nothing.0).stdout(nothing.1).stderr(nothing.2);
        command
    }

    /// The URL of one of its databases, password included.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// The database that every server has, for statements about the server.
    pub async fn admin(&self) -> DatabaseConnection {
        let mut options = ConnectOptions::new(self.url("postgres"));
        options.max_connections(1).sqlx_logging(false);
        Database::connect(options).await.unwrap()
    }

    /// Runs statements on the server, each outside a transaction.
    pub async fn administer(&self, statements: &[&str]) {
        let server = self.admin().await;
        for statement in statements {
            server.execute_unprepared(statement).await.unwrap();
        }
        server.close().await.unwrap();
    }

    /// Makes a database with our schema, and returns its URL.
    pub async fn migrated(&self, name: &str) -> String {
        self.administer(&[&format!("CREATE DATABASE {name}")]).await;
        let url = self.url(name);
        migrate(&url);
        url
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // It may be stopped already.
        let arguments = ["--pgdata=data", "--mode=immediate", "--wait", "--silent", "stop"];
        drop(self.command("pg_ctl", &arguments).status());
    }
}

/// A port that nobody has at this moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where initdb and `pg_ctl` lie: Debian keeps them off the PATH. The newest version wins.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut folders: Vec<PathBuf> = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
    folders.retain(|folder| folder.join("initdb").exists());
    folders.sort_by_key(|folder| {
        let version = folder.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        version.and_then(|name| name.parse::<u32>().ok())
    });
    folders.pop()
}

/// Whom root lends servers that refuse root, with ids; `None` for everybody else.
pub fn ordinary_user() -> Option<(&'static str, u32, u32)> {
    let me = std::fs::metadata("/proc/self").ok()?;
    if std::os::unix::fs::MetadataExt::uid(&me) != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    ["postgres", "nobody"].into_iter().find_map(|name| {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let mut fields = line.split(':').skip(2);
        Some((name, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

/// Lets the ordinary user have a file or folder.
pub fn give(path: &Path) {
    if let Some((_, user, group)) = ordinary_user() {
        chown(path, Some(user), Some(group)).unwrap();
    }
}
