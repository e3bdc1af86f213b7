//! What the lock file may hold: no version with a hole that is known, one of each library whose types meet ours.
//!
//! `deny.toml` judges licences, sources and advisories. An advisory database only knows what was reported to it; these
//! floors also come from reading changelogs, and hold without a network.

use std::fmt::Write;

use figment::{
    Figment,
    providers::{Format, Toml},
};
use serde::Deserialize;

/// The oldest version of each that is safe to run, and why. A library that leaves the lock file is no failure.
const FLOORS: [(&str, &str, &str); 15] = [
    ("h2", "0.4.20", "floods of empty frames"),
    ("tonic", "0.14.9", "a panic by one request; compressed bombs before 0.14.3"),
    ("rustls", "0.23.18", "a panic that the network can cause"),
    ("rustls-webpki", "0.103.13", "a panic by a revocation list; names wrongly accepted"),
    ("ring", "0.17.12", "a panic by AES with overflow checks"),
    ("bytes", "1.11.1", "an overflow in reserve"),
    ("time", "0.3.47", "a stack used up by one date"),
    ("tokio", "1.44.2", "a broadcast of values that may not be shared"),
    ("sqlx-core", "0.8.1", "lengths cut short in the protocol"),
    ("object_store", "0.10.2", "credentials in logs"),
    ("quick-xml", "0.41.0", "memory and time used up by one document"),
    ("zip", "2.3.0", "links that lead out of the folder"),
    ("lettre", "0.11.22", "host names of certificates unchecked"),
    ("aes-gcm", "0.10.3", "plain text left behind where the tag is wrong"),
    ("idna", "1.0.0", "two spellings of one name taken for two"),
];

/// Their types meet ours or each other's, or two of them would be two truths.
const SINGLE: [&str; 12] = [
    "tonic",
    "prost",
    "hyper",
    "h2",
    "http",
    "axum",
    "rustls",
    "ring",
    "tokio",
    "sqlx-core",
    "sea-orm",
    "libsqlite3-sys",
];

/// TLS by other means, and what needs more than Rust and a C compiler to build.
const BANNED: [&str; 9] = [
    "openssl",
    "openssl-sys",
    "native-tls",
    "aws-lc-rs",
    "aws-lc-sys",
    "aws-lc-fips-sys",
    "boring-sys",
    "cmake",
    "paseto",
];

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
}

/// Everything that is wrong with a lock file, a line each.
fn problems(lock: &str) -> String {
    let lock: Lock = Figment::from(Toml::string(lock)).extract().unwrap();
    let named = |name: &'static str| lock.package.iter().filter(move |package| package.name == name);
    let mut found = String::new();
    for (name, floor, why) in FLOORS {
        for old in named(name).filter(|package| release(&package.version) < release(floor)) {
            writeln!(found, "{name} {} is older than {floor}: {why}", old.version).unwrap();
        }
    }
    for name in SINGLE {
        let versions: Vec<_> = named(name).map(|package| package.version.as_str()).collect();
        if versions.len() != 1 {
            writeln!(found, "{name} must be there once, not as [{}]", versions.join(", ")).unwrap();
        }
    }
    for package in BANNED.into_iter().flat_map(named) {
        writeln!(found, "{} must not be there", package.name).unwrap();
    }
    for package in &lock.package {
        if package.source.as_ref().is_some_and(|from| from != "registry+https://github.com/rust-lang/crates.io-index") {
            writeln!(found, "{} does not come from crates.io", package.name).unwrap();
        }
    }
    found
}

/// For comparing: the numbers, then whether it is a release and not on the way to one.
fn release(version: &str) -> ([u64; 3], bool) {
    let bare = version.split('+').next().unwrap_or_default();
    let (numbers, before) = bare.split_once('-').map_or((bare, ""), |(numbers, before)| (numbers, before));
    let mut parts = numbers.split('.').map(|part| part.parse().unwrap());
    (std::array::from_fn(|_| parts.next().unwrap_or(0)), before.is_empty())
}

#[test]
fn the_lock_file_is_above_every_floor() {
    let lock = include_str!("../../Cargo.lock");
    assert_eq!(problems(lock), "", "raise the versions by `cargo update -p NAME`, or say in Cargo.toml why not");
}

/// A lock file of what must be there, and of `more`.
fn lock_with(more: &[(&str, &str)]) -> String {
    let single = SINGLE.map(|name| {
        let floor = FLOORS.iter().find(|(floored, ..)| *floored == name);
        (name, floor.map_or("1.0.0", |(_, version, _)| version))
    });
    let all = single.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name)).chain(more);
    let packages = all.map(|(name, version)| format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n"));
    packages.collect::<Vec<_>>().join("\n")
}

#[test]
fn an_old_version_anywhere_in_a_lock_file_is_found() {
    assert_eq!(problems(&lock_with(&[])), "");
    for (name, old) in [
        ("h2", "0.4.19"),
        ("h2", "0.4.20-rc.1"),
        ("tonic", "0.14.8"),
        ("rustls", "0.22.99"),
        ("time", "0.3.9"),
        ("zip", "0.6.6"),
    ] {
        let found = problems(&lock_with(&[(name, old)]));
        assert!(found.starts_with(&format!("{name} {old} is older than ")), "{found}");
    }
    for (name, new) in
        [("h2", "0.4.20"), ("h2", "0.10.0"), ("zip", "9.8.1"), ("time", "0.3.47+build"), ("tokio", "2.0.0")]
    {
        assert_eq!(problems(&lock_with(&[(name, new)])), "", "{name} {new}");
    }
    // The second of two counts as well.
    assert!(problems(&lock_with(&[("quick-xml", "0.41.0"), ("quick-xml", "0.37.5")])).starts_with("quick-xml 0.37.5"));
}

#[test]
fn what_must_not_be_in_a_lock_file_is_found() {
    let two = problems(&lock_with(&[("hyper", "1.12.0"), ("hyper", "2.0.0")]));
    assert_eq!(two, "hyper must be there once, not as [1.12.0, 2.0.0]\n");
    assert_eq!(problems(&lock_with(&[("openssl-sys", "0.9.100")])), "openssl-sys must not be there\n");
    let stray = lock_with(&[])
        + "[[package]]\nname = \"mine\"\nversion = \"1.0.0\"\nsource = \"git+https://example.org/mine\"\n";
    assert_eq!(problems(&stray), "mine does not come from crates.io\n");
}
