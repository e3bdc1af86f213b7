//! What production refuses, setting by setting, and the table that tells it to people.

use std::collections::BTreeSet;

use super::{private_folder, problems, set_mode, sound};

/// Takes the setting away.
const UNSET: &str = "\0";

/// Settings beside sound ones, the key that is complained of, and words of the sentence.
type Refused = (&'static [(&'static str, &'static str)], &'static str, &'static str);

/// Of what is on disk, `{folder}` is a folder with `open` (a folder) and `open.txt`, which others can read.
const REFUSED: [Refused; 58] = [
    (&[("server.trusted_proxies", UNSET)], "server.trusted_proxies", "must be set in production"),
    (&[("server.trusted_proxies", "0.0.0.0/0")], "server.trusted_proxies", "no wider"),
    (&[("server.trusted_proxies", "::/1")], "server.trusted_proxies", "no wider"),
    (&[("server.trusted_proxies", "")], "tls.certificate_file", "must be set in production, or the proxy"),
    (&[("server.reflection", "true")], "server.reflection", "must be off in production"),
    (&[("server.admin_listen", "0.0.0.0:7071")], "server.admin_listen", "must be an address of this machine"),
    (&[("work.admin_listen", "0.0.0.0:7072")], "work.admin_listen", "must be an address of this machine"),
    (&[("redis.url", "redis://:5u8c@cache.example.org")], "redis.url", "must begin with rediss:// in production"),
    (
        &[("redis.url", "redis-cluster://:5u8c@localhost:7000?node=cache.example.org:7000")],
        "redis.url",
        "must begin with rediss:// in production",
    ),
    (&[("redis.url", "redis://:redis@localhost")], "redis.url", "a secret of your own"),
    (
        &[
            ("objects.url", "s3://bucket"),
            ("objects.endpoint", "http://s3.example.org"),
            ("objects.allow_http", "true"),
        ],
        "objects.endpoint",
        "must begin with https:// in production",
    ),
    (
        &[("objects.url", "s3://bucket"), ("objects.options.aws_endpoint", "http://s3.example.org")],
        "objects.options",
        "must not name an http:// endpoint",
    ),
    (
        &[("backup.to", "s3://bucket"), ("backup.options.aws_endpoint", "http://s3.example.org")],
        "backup.options",
        "must not name an http:// endpoint",
    ),
    (
        &[
            ("database.url", "postgres://b:5u8c@localhost/b"),
            ("database.pooler", "transaction"),
            ("database.direct_url", "postgres://b:5u8c@db.example.org/b"),
        ],
        "database.direct_url",
        "?sslmode=verify-full",
    ),
    (&[("server.handshake_timeout", "10m")], "server.handshake_timeout", "must be 30s or less"),
    (&[("server.max_connections_per_address", "20000")], "server.max_connections_per_address", "must be 10000 or less"),
    (&[("tls.certificate_file", "{folder}/a"), ("tls.key_file", "{folder}/open.txt")], "tls.key_file", "chmod 600"),
    (&[("web.public_url", UNSET)], "web.public_url", "must be set in production"),
    (&[("web.public_url", "http://backline.example.org")], "web.public_url", "must begin with https://"),
    (&[("web.public_url", "https://localhost")], "web.public_url", "that others can reach"),
    (&[("web.sign_in_url", "http://app.example.org/")], "web.sign_in_url", "in production https://"),
    (&[("web.allowed_origins", "http://app.example.org")], "web.allowed_origins", "must begin with https://"),
    (&[("web.allowed_origins", "https://*.example.org")], "web.allowed_origins", "a wildcard would let in strangers"),
    (&[("objects.url", "memory:///")], "objects.url", "forgets every file"),
    (&[("database.url", "sqlite://:memory:")], "database.url", "forgets everything"),
    (&[("database.url", "postgres://b:5u8c@db.example.org/b")], "database.url", "?sslmode=verify-full"),
    (&[("database.url", "postgres://b:5u8c@10.1.2.3/b?sslmode=prefer")], "database.url", "?sslmode=verify-full"),
    (&[("database.url", "postgres://backline:backline@localhost/b")], "database.url", "a secret of your own"),
    (&[("mail.url", UNSET)], "mail.url", "letters in a folder reach nobody"),
    (&[("mail.from", UNSET)], "mail.from", "must have a domain of yours"),
    (
        &[("mail.allow_plaintext", "true"), ("mail.username", "b"), ("mail.password", "5u8c")],
        "mail.allow_plaintext",
        "the password would travel in the clear",
    ),
    (&[("mail.username", "b"), ("mail.password", "changeme")], "mail.password", "a secret of your own"),
    (&[("mail.username", "b"), ("mail.password_file", "{folder}/open.txt")], "mail.password_file", "read by others"),
    (&[("challenges.cost", "1")], "challenges.cost", "must be 1000 or more"),
    (
        &[("challenges.kind", "turnstile"), ("challenges.site_key", "k")],
        "challenges.secret",
        "must be set: the vendor gives it",
    ),
    (
        &[
            ("challenges.kind", "turnstile"),
            ("challenges.site_key", "k"),
            ("challenges.secret", "5u8c"),
            ("challenges.verify_url", "http://challenges.example.org"),
        ],
        "challenges.verify_url",
        "the secret goes there",
    ),
    (&[("passkeys.staff_must_have_factor", "false")], "passkeys.staff_must_have_factor", "cannot be false"),
    (&[("passwords.memory_kib", "8")], "passwords.memory_kib", "OWASP's floor"),
    (&[("passwords.pepper", "secret")], "passwords.pepper", "a secret of your own"),
    (&[("log.filter", "debug")], "log.filter", "must not reach below info"),
    (&[("log.filter", "info,sqlx=trace")], "log.filter", "must not reach below info"),
    (&[("log.filter", "info,h2")], "log.filter", "must not reach below info"),
    (&[("sessions.staff_idle_life", "3h")], "sessions.staff_idle_life", "1h or less"),
    (&[("sessions.idle_life", "100days")], "sessions.idle_life", "90days or less"),
    (&[("sessions.absolute_life", "400days")], "sessions.absolute_life", "365days or less"),
    (&[("sessions.staff_absolute_life", "48h")], "sessions.staff_absolute_life", "24h or less"),
    (&[("sessions.refresh_grace", "10m")], "sessions.refresh_grace", "5m or less"),
    (&[("devices.trust_life", "120days")], "devices.trust_life", "90days or less"),
    (&[("guessing.lock_for", "1s")], "guessing.lock_for", "or a lock stops nobody"),
    (&[("guessing.lock_after", "50")], "guessing.lock_after", "must be 20 or less"),
    (&[("guessing.network_challenge_all_after", "5000")], "guessing.network_challenge_all_after", "1000 or less"),
    (&[("limits.logins_per_minute", "100000")], "limits.logins_per_minute", "must be 10000 or less"),
    (&[("limits.letters_per_hour", "1000")], "limits.letters_per_hour", "must be 100 or less"),
    (&[("limits.reads_per_minute", "2000000")], "limits", "must be 1000000 or less each"),
    (&[("uploads.download_url_life", "2h")], "uploads.download_url_life", "cannot be called back"),
    (&[("data_dir", "{folder}/open")], "data_dir", "chmod 700"),
    (&[("keys.dir", "{folder}/open")], "keys.dir", "chmod 700"),
    (&[("guessing.off_after", "500")], "guessing.off_after", "NIST"),
];

/// As [`REFUSED`], and nothing else changes: settings with which reasonable people may differ from the defaults.
const TAKEN: [&[(&str, &str)]; 14] = [
    &[("server.admin_listen", "0.0.0.0:7071"), ("server.admin_is_fenced", "true")],
    &[("database.url", "postgres://b:5u8c@db.example.org/b?sslmode=verify-full")],
    &[("database.url", "postgres://b:5u8c@db/b"), ("database.allow_plaintext", "true")],
    &[("database.url", "postgres://b:5u8c@127.0.0.1/b")],
    &[("redis.url", "redis://:5u8c@cache"), ("redis.allow_plaintext", "true")],
    &[("redis.url", "rediss-cluster://:5u8c@one.example.org:7000?node=two.example.org:7000")],
    &[("database.url", "postgres:///b?host=/run/postgresql")],
    &[("mail.allow_plaintext", "true"), ("mail.url", "smtp://relay.example.org:25")],
    &[("mail.username", "b"), ("mail.password_file", "{folder}/mounted.txt")],
    &[("web.allowed_origins", "https://app.example.org,https://staff.example.org")],
    &[("log.filter", "warn,backline::jobs=debug,h2=off")],
    &[("server.trusted_proxies", "10.0.0.0/8,fd00::/16,192.0.2.1/32")],
    &[("objects.url", "s3://bucket/prefix")],
    &[("limits.open_reads_per_minute", "100000"), ("limits.logins_per_minute", "5000")],
];

fn with(settings: &[(&str, &str)]) -> Vec<String> {
    let folder = private_folder();
    let place = folder.path().to_str().unwrap();
    std::fs::create_dir(folder.path().join("open")).unwrap();
    set_mode(&folder.path().join("open"), 0o755);
    for (name, mode) in [("open.txt", 0o644), ("mounted.txt", 0o440)] {
        std::fs::write(folder.path().join(name), "5u8c\n").unwrap();
        set_mode(&folder.path().join(name), mode);
    }
    let mut all = sound(folder.path());
    for (key, value) in settings {
        match *value {
            UNSET => drop(all.remove(*key)),
            value => drop(all.insert((*key).to_owned(), value.replace("{folder}", place))),
        }
    }
    problems(all)
}

#[test]
fn each_unsafe_setting_is_refused_in_one_sentence() {
    assert_eq!(with(&[]), [""; 0]);
    for (settings, key, words) in REFUSED {
        let told = with(settings);
        let about: Vec<&String> = told.iter().filter(|line| line.starts_with(&format!("{key}: "))).collect();
        assert!(
            about.iter().any(|line| line.contains(words)),
            "{settings:?} should tell «{key}: … {words} …»: {told:?}"
        );
        assert!(about.len() == told.len(), "{settings:?} tells of more: {told:?}");
        assert!(!told.iter().any(|line| line.contains("5u8c")), "a secret is told: {told:?}");
    }
}

#[test]
fn what_reasonable_people_set_is_taken() {
    for settings in TAKEN {
        assert_eq!(with(settings), [""; 0], "{settings:?}");
    }
}

#[test]
fn unsafe_settings_are_refused_all_at_once() {
    let settings: Vec<(&str, &str)> = REFUSED.iter().flat_map(|(settings, _, _)| settings.iter().copied()).collect();
    let told = with(&settings);
    assert!(told.len() >= 25, "{told:#?}");
}

#[test]
fn tests_stay_on_their_machine() {
    let told = with(&[("mode", "test"), ("server.listen", "0.0.0.0:7070")]);
    assert!(told.iter().any(|line| line.starts_with("mode: test is for this machine only")), "{told:?}");
}

#[test]
fn the_list_for_people_has_every_refusal_and_no_other() {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/production.md")).unwrap();
    let table = guide.split("## What production refuses").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let told: BTreeSet<&str> = rows.collect();
    let any_secret = |key: &'static str| if key == "mail.password_file" { "…_file" } else { key };
    let refused: BTreeSet<&str> = REFUSED.iter().map(|(_, key, _)| any_secret(key)).collect();
    assert_eq!(told, refused);
    assert!(told.len() >= 25, "{}", told.len());
}
