//! The metrics page: which names there are, and that nobody can fill it.

use std::collections::BTreeSet;

use backline::{entity::job, rpc::list::ALL, telemetry::names};
use sea_orm::EntityTrait;

use crate::{
    architecture,
    harness::{raw::frame, *},
};

async fn page(world: &World) -> String {
    let admin = world.server().admin_address;
    raw::send(admin, Http::One, http::Method::GET, "/metrics", &[], "").await.text()
}

fn file(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// `(name, type)` of each metric on the page.
fn on(page: &str) -> BTreeSet<(String, String)> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split_once(' ')).map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// The labels of a sample, without the bound of a bucket.
fn labels(sample: &str) -> BTreeSet<String> {
    let inside = sample.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(inside, _)| inside);
    let names = inside.split("\",").filter_map(|pair| pair.split_once('=')).map(|(name, _)| name.to_owned());
    names.filter(|name| name != "le").collect()
}

#[tokio::test]
async fn the_page_shows_what_is_listed_and_nothing_else() {
    let world = World::start().await;
    world.account("ana").await;
    let page = page(&world).await;
    let shown = on(&page);
    for (name, kind) in &shown {
        let metric = names::find(name).unwrap_or_else(|| panic!("{name} is not listed"));
        assert_eq!(format!("{:?}", metric.kind).to_lowercase(), *kind, "{name}");
        let help = format!("# HELP {name} {}", metric.help);
        assert!(page.contains(&help), "{name} has no help");
        let of_it = |line: &&str| {
            let rest = line.strip_prefix(name.as_str()).unwrap_or("x");
            ["", "_bucket", "_sum", "_count"].iter().any(|ending| {
                rest.strip_prefix(ending).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
            })
        };
        let listed: BTreeSet<String> = metric.labels.iter().map(|label| (*label).to_owned()).collect();
        for sample in page.lines().filter(of_it) {
            assert_eq!(labels(sample), listed, "{sample}");
        }
    }
    // What can be begun at zero is there from the start.
    for metric in names::ALL.iter().filter(|metric| metric.begins_at_zero()) {
        assert!(shown.iter().any(|(name, _)| name == metric.name), "{} is missing", metric.name);
    }
}

#[test]
fn the_list_is_what_the_code_records_and_what_people_read() {
    let listed: BTreeSet<&str> = names::ALL.iter().map(|metric| metric.name).collect();
    assert_eq!(listed.len(), names::ALL.len(), "each once");
    let code = architecture::code();
    let recorded: BTreeSet<&str> = code
        .split(['"', ' ', '\n'])
        .filter(|word| word.starts_with("backline_") || word.starts_with("rpc_server_"))
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
        .collect();
    assert_eq!(recorded, listed);

    let table = file("deploy/metrics.md");
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let wanted: Vec<String> = names::ALL
        .iter()
        .map(|metric| {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let kind = format!("{:?}", metric.kind).to_lowercase();
            let labels = labels.join(", ");
            format!("| `{}` | `{}` | {kind} | {} | {labels} | {} |", metric.name, metric.otlp, metric.unit, metric.help)
        })
        .collect();
    assert_eq!(rows, wanted, "the table must read:\n{}", wanted.join("\n"));
}

#[tokio::test]
async fn a_thousand_unknown_methods_are_one_series() {
    let world = World::start().await;
    for number in 0..1000 {
        let path = format!("/backline.v1.AccountService/Method{number}");
        let answer = world.grpc(&path, &[("grpc-timeout", "5S")], frame(&[])).await;
        assert_eq!(answer.grpc().code(), Code::Unimplemented);
    }
    let page = page(&world).await;
    let counts: Vec<&str> =
        page.lines().filter(|line| line.starts_with("rpc_server_call_duration_seconds_count{")).collect();
    let unknown = |line: &&&str| line.contains("rpc_method=\"_OTHER\"") && line.contains("UNIMPLEMENTED");
    assert_eq!(counts.iter().filter(unknown).count(), 1, "{counts:?}");
    let known: BTreeSet<&str> = ALL.iter().map(|(path, _)| path.trim_start_matches('/')).collect();
    for line in counts {
        let method = line.split("rpc_method=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let fine = known.contains(method) || method == "_OTHER" || method.starts_with("grpc.");
        assert!(fine, "{method} is no method of ours");
        assert!(line.contains("rpc_system_name=\"grpc\""), "{line}");
    }
}

#[tokio::test]
async fn the_state_of_the_queue_is_measured() {
    let world = World::with(&[("work.in_server", "true")]).await;
    world.register("ana").await;
    eventually(async || {
        let page = page(&world).await;
        ["available", "scheduled", "retryable", "running", "discarded"]
            .iter()
            .all(|state| page.contains(&format!("backline_jobs{{state=\"{state}\"}}")))
            && page.contains("backline_jobs_overdue_seconds ")
    })
    .await;
    let db = world.db().await;
    eventually(async || {
        let jobs = job::Entity::find().all(&db).await.unwrap();
        jobs.iter().all(|job| job.state == job::State::Completed)
    })
    .await;
}

#[tokio::test]
async fn a_worker_can_be_watched() {
    if database::is_postgres() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let command = &mut program::backline(folder.path(), &["work"]);
    command.env("BACKLINE_WORK_ADMIN_LISTEN", "127.0.0.1:0");
    let mut worker = program::Running::start(command, &folder.path().join("log"));
    let ask = async |path: &str| raw::send(worker.address, Http::One, http::Method::GET, path, &[], "").await;
    assert_eq!(ask("/livez").await.text(), "alive\n");
    let ready = ask("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.text());
    assert!(ask("/metrics").await.text().contains("backline_db_statements_total"));

    let busy = worker.address.to_string();
    let mut second = program::backline(folder.path(), &["work"]);
    let refused = second.env("BACKLINE_WORK_ADMIN_LISTEN", &busy).output().unwrap();
    assert!(program::stderr(&refused).contains("work.admin_listen"), "{}", program::stderr(&refused));

    worker.signal("INT");
    eventually(async || worker.has_ended()).await;
}
