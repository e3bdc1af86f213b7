//! The binary, for what only the command line does.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
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

/// A server in a process of its own. It is killed when dropped, as a machine dies: nothing in it runs to an end.
pub struct Running {
    child: Child,
    pub address: SocketAddr,
    _stdout: BufReader<ChildStdout>,
}

impl Running {
    /// Starts `command` and waits for the line that says where it listens. Its log goes to the end of `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut child = command.stderr(log).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.split_whitespace().find_map(|word| word.trim_end_matches([',', '.']).parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in «{line}»; see the log"));
        Self { child, address, _stdout: stdout }
    }

    /// Ctrl-C: an orderly end.
    pub fn interrupt(&self) {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
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
