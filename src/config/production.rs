//! What no section can judge alone: settings that are safe or unsafe together, and the folders on this machine.
//!
//! What a section knows by itself stands in its own `check`; `deploy/production.md` has the whole list.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use url::Url;

use super::{Config, Mode, Problems, sources::is_open_to_others};

/// Words that stand in examples and are tried first.
const PLACEHOLDERS: [&str; 12] = [
    "admin",
    "backline",
    "change-me",
    "changeme",
    "default",
    "example",
    "password",
    "postgres",
    "redis",
    "root",
    "secret",
    "test",
];

/// Whether a secret, or the password in a URL, is such a word.
pub fn is_placeholder(secret: &str) -> bool {
    let url = Url::parse(secret).ok().filter(Url::has_host);
    let word = match &url {
        Some(url) => url.password().unwrap_or_default(),
        None => secret.trim(),
    };
    PLACEHOLDERS.contains(&word.to_ascii_lowercase().as_str())
}

/// Adds what is unsafe together.
pub fn check(config: &Config, problems: &mut Problems) {
    if config.mode == Mode::Test && !config.server.listen.ip().is_loopback() {
        problems.add("mode", "test is for this machine only: passwords are hashed cheaply; listen on 127.0.0.1");
    }
    if config.mode != Mode::Production {
        return;
    }
    let server = &config.server;
    let no_proxy = server.trusted_proxies.as_ref().is_some_and(Vec::is_empty);
    if !config.tls.is_on() && no_proxy {
        problems.add(
            "tls.certificate_file",
            "must be set in production, or the proxy that ends TLS be named in server.trusted_proxies",
        );
    }
    let fenced = server.admin_is_fenced || config.tls.admin_client_ca_file.is_some();
    for (key, listen) in [("server.admin_listen", server.admin_listen), ("work.admin_listen", config.work.admin_listen)]
    {
        if !listen.ip().is_loopback() && !fenced {
            problems.add(
                key,
                "must be an address of this machine in production; or set tls.admin_client_ca_file, or, where a firewall \
                 keeps strangers out, server.admin_is_fenced",
            );
        }
    }
    for (key, path) in [("data_dir", &config.data_dir), ("keys.dir", &config.keys_dir())] {
        if is_my_open_folder(path) {
            problems.add(key, format!("{} can be read by others; run chmod 700 on it", path.display()));
        }
    }
    if let Some(key) = &config.tls.key_file
        && std::fs::metadata(key).is_ok_and(|meta| is_open_to_others(&meta.permissions()))
    {
        problems.add(
            "tls.key_file",
            format!(
                "{} can be read by others; run chmod 600 on it, or mount it with the mode 0400 or 0440",
                key.display()
            ),
        );
    }
}

/// Whether the folder is there, is this user's, and lets others in. One that is not there yet is made for its owner alone;
/// a mounted volume is somebody else's, and what it lets in is settled by whoever mounts it.
fn is_my_open_folder(folder: &Path) -> bool {
    let Ok(meta) = std::fs::metadata(folder) else { return false };
    let mine = std::fs::metadata("/proc/self").map_or(true, |own| own.uid() == meta.uid());
    mine && meta.permissions().mode() & 0o007 != 0
}

/// What production would better have.
pub fn advice(config: &Config) -> Vec<&'static str> {
    let in_production = config.mode == Mode::Production;
    let lacks = [
        (
            config.passwords.pepper.is_none(),
            "passwords.pepper is not set: whoever steals the database can guess at passwords",
        ),
        (
            config.database.allow_plaintext,
            "database.allow_plaintext is set: whoever listens on that network reads everything",
        ),
        (
            config.redis.allow_plaintext,
            "redis.allow_plaintext is set: whoever listens on that network reads what instances tell each other",
        ),
        (
            config.mail.allow_plaintext,
            "mail.allow_plaintext is set: whoever listens on that network reads every letter",
        ),
    ];
    lacks.into_iter().filter(|(lacks, _)| in_production && *lacks).map(|(_, sentence)| sentence).collect()
}
