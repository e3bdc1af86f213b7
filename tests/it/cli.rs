//! The command line: what it says, what it refuses, what it leaves behind.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command},
};

use sea_orm::{ConnectionTrait, Database};
use tonic::transport::Endpoint;

use crate::harness::{
    program::{backline, bare, stderr, stdout, with_input},
    *,
};

/// A server of its own process. It is killed if the test ends before it does.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(data_dir: &Path) -> Self {
        let mut child = backline(data_dir, &[]).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().and_then(Result::ok).unwrap_or_else(|| {
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            panic!("it did not start: {said}")
        });
        let (_, rest) = first.split_once("HTTP on ").expect("the first line tells the address");
        let address = rest.split(',').next().unwrap().to_owned();
        // Whoever stops reading would end a server that goes on printing.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// Ctrl-C, and the end. Connections of this process must go on meanwhile, or the server waits for them.
    async fn stop(mut self) {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        eventually(async || self.child.try_wait().unwrap().is_some()).await;
        assert!(self.child.wait().unwrap().success(), "Ctrl-C is an orderly end");
    }

    fn channel(&self) -> tonic::transport::Channel {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap().connect_lazy()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
    }
}

fn create_administrator(data_dir: &Path, email: &str, password: &str) -> std::process::Output {
    with_input(&mut backline(data_dir, &["admin", "create", "--email", email, "--password-stdin"]), password)
}

#[test]
fn version_and_help_are_worth_reading() {
    let version = bare(&["--version"]).output().unwrap();
    assert_eq!(stdout(&version).trim(), concat!("backline ", env!("CARGO_PKG_VERSION")));
    let help = stdout(&bare(&["--help"]).output().unwrap());
    for word in ["serve", "work", "migrate", "check-config", "admin", "--data-dir", "--listen", "BACKLINE_CONFIG"] {
        assert!(help.contains(word), "{word} is missing:\n{help}");
    }
    let help = stdout(&bare(&["admin", "create", "--help"]).output().unwrap());
    assert!(help.contains("--password-stdin"), "{help}");
    assert_eq!(bare(&["dance"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn a_sound_configuration_is_called_so() {
    let folder = tempfile::tempdir().unwrap();
    let output = backline(folder.path(), &["check-config"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output).trim(), "The configuration is sound.");
}

#[test]
fn check_config_tells_every_problem_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backline.toml");
    std::fs::write(&file, "[uploads]\ncolour = \"red\"\nexpire_after = \"1s\"\n[tunes]\nvolume = 11\n").unwrap();
    let output = backline(folder.path(), &["check-config", "--config"])
        .arg(&file)
        .args(["--set", "database.max_connections=1"])
        .env("BACKLINE_LISTEN", "nowhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    for key in ["server.listen", "uploads.colour", "uploads.expire_after", "tunes", "database.max_connections"] {
        assert!(said.contains(key), "{key} is missing:\n{said}");
    }
    assert!(said.contains("5 problems"), "{said}");
}

#[test]
fn production_refuses_what_only_tests_may_have() {
    let folder = tempfile::tempdir().unwrap();
    let output = backline(folder.path(), &["check-config"]).env("BACKLINE_MODE", "production").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    for key in ["passwords.memory_kib", "web.public_url", "server.trusted_proxies"] {
        assert!(said.contains(key), "{key} is missing:\n{said}");
    }
}

/// One clear sentence on standard error, and exit code 1.
#[track_caller]
fn assert_refused(output: &std::process::Output, words: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let complaint: Vec<&str> = said.lines().filter(|line| line.starts_with("backline: ")).collect();
    assert_eq!(complaint.len(), 1, "{said}");
    for word in words {
        assert!(complaint[0].contains(word), "{word} is missing: {said}");
    }
    assert!(!said.contains("panicked") && !said.contains("backtrace"), "{said}");
}

#[test]
fn a_busy_port_is_told_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = backline(folder.path(), &["--listen", &address]).output().unwrap();
    assert_refused(&output, &[&address, "is in use", "server.listen"]);
}

#[test]
fn a_folder_that_cannot_be_made_is_told_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let output = backline(&file.join("data"), &[]).output().unwrap();
    assert_refused(&output, &["writable", "data"]);
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let migrated = backline(folder.path(), &["migrate"]).output().unwrap();
    assert!(migrated.status.success(), "{}", stderr(&migrated));
    assert!(stdout(&backline(folder.path(), &["migrate", "--check"]).output().unwrap()).starts_with("0 to apply"));

    let db = Database::connect(format!("sqlite://{}", folder.path().join("backline.db").display())).await.unwrap();
    db.execute_unprepared("INSERT INTO seaql_migrations VALUES ('m29990101_000001_future', 0)").await.unwrap();
    db.close().await.unwrap();
    for arguments in [&[] as &[&str], &["work"], &["migrate"], &["migrate", "--check"]] {
        let output = backline(folder.path(), arguments).output().unwrap();
        assert_refused(&output, &["newer", "m29990101_000001_future"]);
    }
}

#[test]
fn an_administrator_is_made_with_a_password_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let made = create_administrator(folder.path(), "root@example.org", &format!("{PASSWORD}\n"));
    assert!(made.status.success(), "{}", stderr(&made));
    assert!(stdout(&made).contains("acc_"), "{}", stdout(&made));

    let short = create_administrator(folder.path(), "other@example.org", "only14letters!");
    assert_refused(&short, &["15 characters"]);
    let nobody = create_administrator(folder.path(), "nobody", PASSWORD);
    assert_refused(&nobody, &["--email"]);
    let silent = backline(folder.path(), &["admin", "create", "--email", "root@example.org"]).output().unwrap();
    assert_refused(&silent, &["--password-stdin"]);
    for output in [&made, &short] {
        assert!(!stderr(output).contains(PASSWORD) && !stdout(output).contains(PASSWORD));
    }
}

#[tokio::test]
async fn a_second_start_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = Serving::start(&data);
    // Beside the running server, as the first start says.
    let made = create_administrator(&data, "root@example.org", PASSWORD);
    assert!(made.status.success(), "{}", stderr(&made));
    let root = Actor::sign_in(first.channel(), "root@example.org", PASSWORD, "Console").await.unwrap();

    let keys = || -> Vec<(String, Vec<u8>)> {
        let files = std::fs::read_dir(data.join("keys")).unwrap().map(|entry| entry.unwrap().path());
        let mut keys: Vec<_> = files.map(|file| (file.display().to_string(), std::fs::read(&file).unwrap())).collect();
        keys.sort();
        keys
    };
    let before = keys();
    assert!(before.len() >= 3, "{before:?}");
    for (file, _) in &before {
        let permissions = std::fs::metadata(file).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, 0o600, "{file}");
    }
    assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o077, 0, "the data folder is its owner's");
    first.stop().await;

    let second = Serving::start(&data);
    assert_eq!(keys(), before);
    let root = root.through(second.channel());
    assert_eq!(root.whoami().await.unwrap().email, "root@example.org");
    root.refresh().await.unwrap();
    Actor::sign_in(second.channel(), "root@example.org", PASSWORD, "Console").await.unwrap();

    // Letters go to the folder by themselves.
    let request = pb::RegisterRequest {
        email: "ana@example.org".into(),
        password: PASSWORD.into(),
        display_name: "Ana".into(),
        ..Default::default()
    };
    Actor::anonymous(second.channel()).accounts().register(request).await.unwrap();
    let mail = data.join("mail");
    let letters = || std::fs::read_dir(&mail).unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let is_letter = |path: &std::path::PathBuf| path.extension().is_some_and(|ending| ending == "eml");
    eventually(async || letters().any(|path| is_letter(&path))).await;
    let letter = Letter::parse(&std::fs::read(letters().find(is_letter).unwrap()).unwrap());
    assert_eq!(letter.to, "ana@example.org");
    second.stop().await;
}
