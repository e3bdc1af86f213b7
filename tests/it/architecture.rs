//! The house keeps its order: who imports whom, where SQL may stand, how large a file may be.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// What each layer below the features may import, besides itself. Arrows point down.
const LAYERS: [(&str, &[&str]); 23] = [
    ("kernel", &[]),
    ("pb", &[]),
    ("config", &["kernel"]),
    ("cache", &["kernel", "config"]),
    ("entity", &["kernel"]),
    // Engines read their own section of the configuration.
    ("telemetry", &["kernel", "config"]),
    ("db", &["kernel", "config", "telemetry"]),
    ("mail", &["kernel", "config", "telemetry"]),
    ("objects", &["kernel", "config", "telemetry"]),
    ("vault", &["kernel", "config"]),
    // Keys and clocks are agreed on before there is an app.
    ("fleet", &["kernel", "config", "db", "entity", "vault"]),
    ("outgoing", &["telemetry"]),
    ("pages", &[]),
    ("logging", &["config", "telemetry"]),
    ("rpc", &["pb", "kernel", "db", "entity", "vault", "telemetry"]),
    ("app", &["kernel", "config", "db", "fleet", "objects", "cache", "mail", "vault", "outgoing", "rpc", "jobs"]),
    // The queue is one of the app's parts, and its jobs run on the app.
    ("jobs", &["kernel", "db", "entity", "cache", "app", "rpc", "telemetry"]),
    ("subject", &["kernel", "db", "entity", "vault", "app"]),
    // Reading the trail is a service like others; writing it is below every feature.
    ("audit", &["kernel", "db", "entity", "vault", "app", "subject", "rpc", "pb"]),
    ("limits", &["kernel", "config", "cache", "app", "rpc"]),
    ("notifications", &["kernel", "db", "entity", "mail", "app", "jobs"]),
    ("main", &["cli", "logging"]),
    ("lib", &[]),
];

/// Who may know the features: what puts them together.
const ROOTS: [&str; 3] = ["cli", "server", "work"];

const FEATURES: [&str; 17] = [
    "accounts",
    "admin",
    "applications",
    "artists",
    "backup",
    "challenges",
    "privacy",
    "enrolment",
    "factors",
    "review",
    "search",
    "service_accounts",
    "security",
    "sessions",
    "storage",
    "submissions",
    "tracks",
];

/// Files that hold SQL as text, and why: search asks two databases in two dialects.
const RAW_SQL: [&str; 1] = ["src/search/store.rs"];

/// The engine that every statement passes through.
const ENGINE: &str = "src/db/";

/// Parts of a feature's gRPC face that have a file of their own: streams.
const STREAMS: [&str; 3] = ["src/sessions/watch.rs", "src/storage/pump.rs", "src/submissions/watch.rs"];

/// A source file without its tests and comments.
struct Source {
    /// From the root of the repository: `src/accounts/store.rs`.
    path: String,
    text: String,
}

impl Source {
    /// `accounts` for `src/accounts/store.rs`, `app` for `src/app.rs`.
    fn module(&self) -> &str {
        let inner = self.path.strip_prefix("src/").unwrap();
        inner.split('/').next().unwrap().trim_end_matches(".rs")
    }

    fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap()
    }

    /// What follows `crate::` anywhere, to the first segment, and in nested imports.
    fn imports(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (at, _) in self.text.match_indices("crate::") {
            let rest = &self.text[at + "crate::".len()..];
            match rest.strip_prefix('{') {
                Some(group) => found.extend(top_level(group)),
                None => drop(found.insert(first_word(rest))),
            }
        }
        found.remove("");
        found
    }

    fn uses(&self, module: &str) -> bool {
        self.imports().contains(module)
    }
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

/// The first words of a group's entries: `{a::b, c::{d, e}}` holds `a` and `c`.
fn top_level(group: &str) -> Vec<String> {
    let (mut depth, mut words, mut entry) = (0, Vec::new(), String::new());
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => words.push(first_word(&std::mem::take(&mut entry))),
            _ => entry.push(letter),
        }
    }
    words.push(first_word(&entry));
    words
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<(String, String)> {
    let (mut folders, mut files) = (vec![root().join(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let name = path.strip_prefix(root()).unwrap_or(Path::new("")).display().to_string();
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// What the server is made of: `src/` without tests and comments.
fn sources() -> Vec<Source> {
    let is_test = |path: &str| path.contains("/tests/") || path.ends_with("/tests.rs");
    rust_files("src")
        .into_iter()
        .filter(|(path, _)| !is_test(path))
        .map(|(path, text)| {
            let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
            let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
            Source { path, text: lines.collect::<Vec<_>>().join("\n") }
        })
        .collect()
}

/// All of it, as one text.
pub fn code() -> String {
    sources().into_iter().filter(|source| source.module() != "telemetry").map(|source| source.text + "\n").collect()
}

#[test]
fn layers_import_only_what_is_below_them() {
    for source in sources() {
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == source.module()) else { continue };
        for import in source.imports() {
            let fine = import == source.module() || allowed.contains(&import.as_str());
            assert!(fine, "{} imports {import}", source.path);
        }
    }
}

#[test]
fn every_module_has_its_place() {
    for source in sources() {
        let module = source.module();
        let known =
            FEATURES.contains(&module) || ROOTS.contains(&module) || LAYERS.iter().any(|(layer, _)| *layer == module);
        assert!(known, "{} is neither a layer nor a feature: give it a row here", source.path);
    }
}

#[test]
fn features_know_nothing_of_what_puts_them_together() {
    for source in sources().iter().filter(|source| FEATURES.contains(&source.module())) {
        for root in ROOTS.iter().chain(&["logging"]) {
            assert!(!source.uses(root), "{} imports {root}", source.path);
        }
    }
}

#[test]
fn features_do_not_go_round_in_circles() {
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources().iter().filter(|source| FEATURES.contains(&source.module())) {
        let known = edges.entry(source.module().to_owned()).or_default();
        known
            .extend(source.imports().into_iter().filter(|to| FEATURES.contains(&to.as_str()) && to != source.module()));
    }
    // Whoever needs nobody that is left can be taken away; what stays goes round in a circle.
    while let Some(free) = edges.iter().find(|(_, to)| to.iter().all(|to| !edges.contains_key(to))) {
        let free = free.0.clone();
        edges.remove(&free);
    }
    assert!(edges.is_empty(), "these need each other: {edges:?}");
}

#[test]
fn messages_stop_at_the_service_and_its_wire() {
    let face = ["service.rs", "wire.rs", "error.rs"];
    for source in sources().iter().filter(|source| FEATURES.contains(&source.module())) {
        if face.contains(&source.file_name()) || STREAMS.contains(&source.path.as_str()) {
            continue;
        }
        let other = Source { path: String::new(), text: source.text.replace("pb::ErrorReason", "") };
        assert!(!other.uses("pb"), "{} knows messages of the wire", source.path);
    }
}

#[test]
fn stores_only_ask_and_tell_the_database() {
    for source in sources().iter().filter(|source| source.file_name() == "store.rs") {
        for above in ["pb", "audit", "notifications", "mail", "objects", "jobs"] {
            assert!(!source.uses(above) || source.module() == above, "{} imports {above}", source.path);
        }
        assert!(!source.text.contains("begin_write"), "{} opens a transaction", source.path);
        for upwards in ["super::domain", "super::service", "super::wire"] {
            assert!(!source.text.contains(upwards), "{} imports {upwards}", source.path);
        }
    }
}

#[test]
fn sql_is_written_by_hand_only_where_it_must_be() {
    let marks = ["Statement::from", "execute_unprepared(", "_raw(", "sqlx::", "Expr::cust", "raw_sql"];
    for source in sources() {
        // The one way to hand a whole message to a mail server.
        let text = source.text.replace("transport.send_raw(", "");
        let Some(mark) = marks.iter().find(|mark| text.contains(**mark)) else { continue };
        let fine = RAW_SQL.contains(&source.path.as_str()) || source.path.starts_with(ENGINE);
        assert!(fine, "{} has SQL of its own: {mark}", source.path);
    }
    for path in RAW_SQL {
        assert!(root().join(path).is_file(), "{path} is gone: take it off the list");
    }
}

#[test]
fn nothing_unwraps_outside_tests() {
    for source in sources() {
        for mark in [".unwrap()", "panic!(", "todo!(", "unimplemented!(", "dbg!(", "FIXME", "TODO"] {
            assert!(!source.text.contains(mark), "{} has {mark}", source.path);
        }
    }
}

#[test]
fn files_stay_readable() {
    for folder in ["src", "tests/it", "migrations/src"] {
        for (path, text) in rust_files(folder) {
            let lines = text.lines().count();
            assert!(lines <= 400, "{path} has {lines} lines");
        }
    }
}

#[test]
fn folders_say_what_they_own_and_promise() {
    for (path, text) in rust_files("src") {
        if path.ends_with("/mod.rs") || path == "src/lib.rs" {
            assert!(text.starts_with("//! "), "{path} begins without a word");
        }
    }
}

#[test]
fn migrations_know_nothing_of_the_server() {
    for (path, text) in rust_files("migrations/src") {
        assert!(!text.contains("backline::"), "{path} imports the server");
    }
    let manifest = std::fs::read_to_string(root().join("migrations/Cargo.toml")).unwrap();
    assert!(!manifest.contains("backline"), "migrations must mean the same in ten years");
}

#[test]
fn nested_imports_are_read() {
    let text = "use crate::{a::b, c::{d, e}, f};\nuse crate::g::h;\nlet i = crate::j::k();".to_owned();
    let source = Source { path: "src/x.rs".to_owned(), text };
    assert_eq!(source.imports().into_iter().collect::<Vec<_>>(), ["a", "c", "f", "g", "j"]);
}
