//! Settings: where they come from, what production refuses, and examples that are sound.

mod examples;
mod refusals;
mod secrets;

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt, path::Path};

use backline::config::{Problems, Source, load};

/// A folder of its owner's.
fn private_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o700);
    folder
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Settings that production takes: a server behind a proxy.
fn sound(folder: &Path) -> BTreeMap<String, String> {
    [
        ("mode", "production"),
        ("data_dir", folder.to_str().unwrap()),
        ("web.public_url", "https://backline.example.org"),
        ("server.trusted_proxies", "10.1.0.0/16"),
        ("mail.url", "smtps://mail.example.org"),
        ("mail.from", "Backline <hello@example.org>"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// Each problem as `key: sentence`.
fn problems(flags: BTreeMap<String, String>) -> Vec<String> {
    let found = load(&Source { file: None, flags }).map_or_else(|problems| problems, |_| Problems::default());
    found.iter().map(|problem| format!("{}: {}", problem.key, problem.text)).collect()
}
