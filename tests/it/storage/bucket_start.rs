//! How the program begins on an object store: with one sentence, if the store says that it cannot.

use std::process::{Command, Output};

use super::*;
use crate::harness::{
    program::{Running, backline, stderr, stdout},
    s3::{SECRET_ACCESS_KEY, Trouble},
};

fn on(s3: &S3, folder: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = backline(folder, arguments);
    command.envs(s3.environment());
    command
}

/// One clear sentence on standard error, and exit code 1.
#[track_caller]
fn assert_refused(output: &Output, words: &str) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let complaint: Vec<&str> = said.lines().filter(|line| line.starts_with("backline: ")).collect();
    assert!(complaint.len() == 1 && complaint[0].contains(words), "{said}");
    assert!(!said.contains("canary"), "no secret is told: {said}");
}

#[test]
fn a_store_that_says_no_stops_the_server_and_the_worker() {
    let s3 = S3::start();
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["serve"][..], &["work"]] {
        let bucket = on(&s3, folder.path(), arguments).env("BACKLINE_OBJECTS_URL", "s3://elsewhere").output().unwrap();
        assert_refused(&bucket, "no bucket of this name; make it, or correct objects.url");
        let wrong = on(&s3, folder.path(), arguments)
            .env("BACKLINE_OBJECTS_SECRET_ACCESS_KEY", "canary-wrong")
            .output()
            .unwrap();
        assert_refused(&wrong, "refuses the keys it was given");
    }
}

#[test]
fn settings_that_cannot_work_are_told_by_check_config() {
    let s3 = S3::start();
    let folder = tempfile::tempdir().unwrap();
    let output = on(&s3, folder.path(), &["check-config"])
        .env("BACKLINE_OBJECTS_OPTIONS_AWS_REGOIN", "eu")
        .env("BACKLINE_OBJECTS_ALLOW_HTTP", "false")
        .output()
        .unwrap();
    let said = stderr(&output);
    for key in ["objects.options.aws_regoin", "objects.endpoint"] {
        assert!(said.contains(key), "{key} is missing:\n{said}");
    }
    assert!(said.contains("2 problems") && !said.contains("canary"), "{said}");
}

#[tokio::test]
async fn a_secret_in_a_file_and_a_store_that_is_away_are_fine_to_begin_with() {
    let s3 = S3::start();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, format!("{SECRET_ACCESS_KEY}\n")).unwrap();
    for trouble in [Trouble::None, Trouble::Away] {
        s3.trouble(trouble);
        let log = folder.path().join(format!("log-{}", trouble == Trouble::None));
        let mut command = on(&s3, folder.path(), &["serve"]);
        command
            .env_remove("BACKLINE_OBJECTS_SECRET_ACCESS_KEY")
            .env("BACKLINE_OBJECTS_SECRET_ACCESS_KEY_FILE", &secret)
            .env("BACKLINE_OBJECTS_TIMEOUT", "1s");
        let mut running = tokio::task::spawn_blocking({
            let log = log.clone();
            move || Running::start(&mut command, &log)
        })
        .await
        .unwrap();
        let anyone = Actor::anonymous(
            tonic::transport::Endpoint::from_shared(format!("http://{}", running.address)).unwrap().connect_lazy(),
        );
        anyone.server().get_server_info(pb::GetServerInfoRequest {}).await.unwrap();
        running.kill();
        let said = std::fs::read_to_string(&log).unwrap();
        let warned = said.lines().any(|line| line.contains("WARN") && line.contains("the object store"));
        assert_eq!(warned, trouble == Trouble::Away, "{said}");
        assert!(!said.contains("canary"), "{said}");
    }
}

#[test]
fn other_commands_do_not_ask_the_store() {
    let s3 = S3::start();
    s3.trouble(Trouble::Away);
    let folder = tempfile::tempdir().unwrap();
    let output = on(&s3, folder.path(), &["migrate"]).output().unwrap();
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    assert_eq!(s3.calls(), 0);
}
