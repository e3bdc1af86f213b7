//! The binary, for what only the command line does.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

/// `backline` with these arguments, on this data folder, on any free ports, and without the developer's settings.
pub fn backline(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = bare(arguments);
    command
        .env("BACKLINE_DATA_DIR", data_dir)
        .env("BACKLINE_LISTEN", "127.0.0.1:0")
        .env("BACKLINE_ADMIN_LISTEN", "127.0.0.1:0")
        .env("BACKLINE_MODE", "test")
        .env("BACKLINE_PASSWORDS_MEMORY_KIB", "8")
        .env("BACKLINE_PASSWORDS_PASSES", "1");
    command
}

/// `backline` with these arguments and no setting at all.
pub fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backline"));
    for name in ["BACKLINE_TEST_DATABASE", "BACKLINE_CONFIG", "TEST_POSTGRES_URL"] {
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
