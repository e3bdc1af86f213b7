//! What a reply calls durable is on the disk by then: the order of system calls, as the kernel saw them.
//!
//! No kill tells a missing fsync: the kernel keeps what a killed process wrote. `strace` does.

use std::{
    collections::HashMap,
    path::Path,
    process::{Command, Stdio},
};

use tonic::transport::Endpoint;

use super::*;
use crate::harness::{
    database::is_postgres,
    program::{Running, backline, stderr, with_input},
    world::email_of,
};

const CALLS: &str = "trace=fsync,fdatasync,rename,renameat,renameat2,write,writev,sendto,sendmsg";

/// One system call: when it began and when it was done, as lines of the trace.
struct Called {
    name: String,
    /// With the paths of its files.
    text: String,
    from: usize,
    to: usize,
}

/// The calls of a trace, in the order in which they were done.
fn read(trace: &str) -> Vec<Called> {
    let (mut begun, mut calls) = (HashMap::new(), Vec::new());
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(text) = rest.strip_suffix("<unfinished ...>") {
            begun.insert(thread, (at, text));
        } else if rest.starts_with("<... ") {
            let Some((from, text)) = begun.remove(thread) else { continue };
            calls.push((text, from, at));
        } else {
            calls.push((rest, at, at));
        }
    }
    let named = calls.into_iter().filter_map(|(text, from, to)| {
        let (name, _) = text.split_once('(')?;
        Some(Called { name: name.to_owned(), text: text.to_owned(), from, to })
    });
    named.collect()
}

impl Called {
    fn syncs(&self, path: impl Fn(&str) -> bool) -> bool {
        let file = self.text.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(path, _)| path);
        self.name.starts_with('f') && self.name.ends_with("sync") && file.is_some_and(path)
    }
}

/// Checks that a file below `folder` (of the object store) was synced, put in its place, its folder synced, then the
/// database's log, and only then something sent that has `word` in it.
#[track_caller]
fn assert_in_order(calls: &[Called], folder: &str, word: &str) {
    let below = format!("{folder}/");
    let first = |what: &str, after: usize, is: &dyn Fn(&Called) -> bool| {
        let found = calls.iter().find(|call| call.from >= after && is(call));
        found.unwrap_or_else(|| panic!("for {word}, {what} never happened after line {after} of the trace"))
    };
    let file = first("a sync of the file", 0, &|call| call.syncs(|path| path.contains(&below)));
    let placed = first("its renaming", file.to, &|call| call.name.starts_with("rename") && call.text.contains(&below));
    let listed = first("a sync of its folder", placed.to, &|call| call.syncs(|path| path.ends_with(folder)));
    let logged = first("a sync of the log", listed.to, &|call| call.syncs(|path| path.ends_with("backline.db-wal")));
    let begun = file.from;
    let told = first("the reply", begun, &|call| call.text.contains("socket:[") && call.text.contains(word));
    assert!(told.from > logged.to, "{word} was told at line {}, the log synced at line {}", told.from, logged.to);
}

/// The server under strace. Its tracer is no parent of it, so that it is killed like any other.
fn traced(data_dir: &Path, trace: &Path) -> Command {
    let server = backline(data_dir, &["serve"]);
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-y", "-s", "4096", "-e", CALLS, "-o"]).arg(trace);
    command.arg(server.get_program()).args(server.get_args());
    command.env("BACKLINE_WORK_POLL_EVERY", "50ms");
    for (name, value) in server.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

#[tokio::test]
async fn bytes_are_on_the_disk_before_anyone_is_told() {
    if is_postgres() {
        // The database's log is another process's there.
        return;
    }
    if !Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no strace, or it may not trace; see tests/run");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (data, trace) = (folder.path().join("data"), folder.path().join("trace"));
    let create = ["admin", "create", "--email", &email_of("root"), "--password-stdin"];
    let made = with_input(&mut backline(&data, &create), PASSWORD);
    assert!(made.status.success(), "{}", stderr(&made));

    let (mut command, log) = (traced(&data, &trace), folder.path().join("log"));
    let mut running = tokio::task::spawn_blocking(move || Running::start(&mut command, &log)).await.unwrap();
    let channel = Endpoint::from_shared(format!("http://{}", running.address)).unwrap().connect_lazy();
    let root = Actor::sign_in(channel, &email_of("root"), PASSWORD, "Laptop").await.unwrap();
    let file = song(1);
    let id = root.announced(&file).await;
    root.append(&id, 0, &file).await.unwrap();
    root.complete(&id, &file).await.unwrap();
    let mut object_id = String::new();
    eventually(async || {
        object_id = root.upload(&id).await.unwrap().object_id;
        !object_id.is_empty()
    })
    .await;
    let content = crate::harness::files::files_below(&data.join("objects/content"));
    running.kill();
    let read_all = || std::fs::read_to_string(&trace).unwrap_or_default();
    eventually(async || read_all().contains("+++ killed by SIGKILL +++")).await;

    let calls = read(&read_all());
    assert_in_order(&calls, &format!("objects/staging/{id}"), &id);
    let folder = content[0].parent().unwrap().strip_prefix(&data).unwrap().display().to_string();
    assert_in_order(&calls, &folder, &object_id);
}

#[test]
fn a_reply_that_does_not_wait_is_seen() {
    let trace = "7 fsync(9</d/o/a/x#1> <unfinished ...>\n8 write(4<socket:[1]>, \"id\", 2) = 2\n7 <... fsync resumed>) = 0\n\
                 7 rename(\"/d/o/a/x#1\", \"/d/o/a/x\") = 0\n7 fsync(9</d/o/a>) = 0\n7 fdatasync(5</d/backline.db-wal>) = 0\n";
    let early = std::panic::catch_unwind(|| assert_in_order(&read(trace), "o/a", "id"));
    assert!(early.is_err(), "the reply went out before the file was synced");
    let late = format!("{}8 write(4<socket:[1]>, \"id\", 2) = 2\n", trace.replace("\"id\"", "\"\""));
    assert_in_order(&read(&late), "o/a", "id");
}
