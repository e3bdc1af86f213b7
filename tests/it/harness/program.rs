//! The binary, for what only the command line does.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
};

/// `backline` with these arguments, on this data folder, on any free ports, and without the developer's settings.
pub fn backline(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = bare(arguments);
    command
        .env("BACKLINE_DATA_DIR", data_dir)
        .env("BACKLINE_LISTEN", "127.0.0.1:0")
        .env("BACKLINE_ADMIN_LISTEN", "127.0.0.1:0")
        .env("BACKLINE_WORK_ADMIN_LISTEN", "127.0.0.1:0")
        .env("BACKLINE_MODE", "test")
        .env("BACKLINE_PASSWORDS_MEMORY_KIB", "8")
        .env("BACKLINE_PASSWORDS_PASSES", "1");
    command
}

/// `backline` with these arguments and no setting at all.
pub fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backline"));
    for name in ["TEST_DATABASE", "BACKLINE_CONFIG", "TEST_POSTGRES_URL"] {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs to the end with `input` on standard input.
pub fn with_input(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Where nothing listens.
pub const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// A server or worker in a process of its own. It is killed when dropped, as a machine dies: nothing in it runs to an end.
pub struct Running {
    child: Child,
    /// Where it listens: [`NOWHERE`], if it is a worker.
    pub address: SocketAddr,
    /// Where it answers those who watch over it.
    pub admin_address: SocketAddr,
    _stdout: BufReader<ChildStdout>,
}

impl Running {
    /// Starts `command` and waits for the first line it prints, which says where it listens. Its log goes to the end of `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut child = command.stderr(log).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with("Backline"), "it did not start: «{line}»; see the log");
        let mut addresses = line.split_whitespace().filter_map(|word| word.trim_end_matches([',', '.']).parse().ok());
        let mut next = || addresses.next().unwrap_or(NOWHERE);
        Self { child, address: next(), admin_address: next(), _stdout: stdout }
    }

    /// `kill -NAME`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until it has ended by itself.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be dead already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
