//! Configuration: defaults < TOML file < `BACKLINE_…` environment < flags.
//!
//! Every section knows its defaults and checks itself. Loading gathers *all* problems before it gives up, so that one
//! run of `backline check-config` is enough. Unknown keys are problems too: a misspelt limit is no limit.
//!
//! In the environment a section's name leads: `BACKLINE_DATABASE_URL` is `url` in `[database]`. In every source a key that
//! ends in `_file` names a file that holds the value, for secrets that must not stand in the environment: `database.url_file`,
//! `BACKLINE_DATABASE_URL_FILE`.

mod apps;
mod backup;
mod challenges;
mod database;
mod devices;
mod guessing;
mod keys;
mod limits;
mod load;
mod log;
mod mail;
mod objects;
mod passkeys;
mod passwords;
mod production;
mod redis;
mod secret;
mod server;
mod sessions;
mod show;
mod sources;
mod telemetry;
mod tls;
mod uploads;
mod web;
mod work;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::{
    apps::AppsConfig,
    backup::BackupConfig,
    challenges::{ChallengeKind, ChallengesConfig},
    database::{DatabaseConfig, Pooler},
    devices::DevicesConfig,
    guessing::GuessingConfig,
    keys::KeysConfig,
    limits::LimitsConfig,
    load::{Problem, Problems, Source, explain, load},
    log::{LogConfig, LogFormat},
    mail::{MailConfig, Relay, RelayTls},
    objects::ObjectsConfig,
    passkeys::PasskeysConfig,
    passwords::PasswordsConfig,
    redis::RedisConfig,
    server::{ForwardedHeader, ServerConfig},
    sessions::SessionsConfig,
    show::Setting,
    sources::Origin,
    telemetry::TelemetryConfig,
    tls::TlsConfig,
    uploads::UploadsConfig,
    web::WebConfig,
    work::WorkConfig,
};

/// A part of the configuration that can judge itself.
pub trait Section: Default + Serialize + for<'de> Deserialize<'de> {
    /// The table's name in TOML, and the word after `BACKLINE_` in the environment.
    const NAME: &'static str;

    /// Keys whose values nothing may show. Each must be text, and in production a file that holds one is its owner's.
    const SECRETS: &'static [&'static str] = &[];

    /// What holds where nothing is given.
    fn defaults(_: Mode) -> Self {
        Self::default()
    }

    fn check(&self, mode: Mode, problems: &mut Problems);
}

/// How strict the server is with its own settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The embedded default: safe for one machine and a few people.
    #[default]
    Development,
    /// Refuses settings that would hurt strangers.
    Production,
    /// Cheap password hashes and a clock that stands still. For this project's own tests only.
    Test,
}

/// Everything that can be configured.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub mode: Mode,
    /// Where the embedded database, files, letters and keys lie.
    pub data_dir: PathBuf,
    pub server: ServerConfig,
    pub tls: TlsConfig,
    pub web: WebConfig,
    pub apps: AppsConfig,
    pub database: DatabaseConfig,
    pub redis: RedisConfig,
    pub objects: ObjectsConfig,
    pub keys: KeysConfig,
    pub mail: MailConfig,
    pub passwords: PasswordsConfig,
    pub passkeys: PasskeysConfig,
    pub sessions: SessionsConfig,
    pub limits: LimitsConfig,
    pub guessing: GuessingConfig,
    pub challenges: ChallengesConfig,
    pub devices: DevicesConfig,
    pub uploads: UploadsConfig,
    pub work: WorkConfig,
    pub backup: BackupConfig,
    pub telemetry: TelemetryConfig,
    pub log: LogConfig,
}

impl Config {
    /// The database's URL: what was configured, or the embedded SQLite file.
    pub fn database_url(&self) -> String {
        match &self.database.url {
            Some(url) => secrecy::ExposeSecret::expose_secret(url).to_owned(),
            None => format!("sqlite://{}", self.data_dir.join("backline.db").display()),
        }
    }

    /// The URL of the database itself, for what wants a session of its own: behind a pooler not the pooler's.
    pub fn direct_database_url(&self) -> String {
        match &self.database.direct_url {
            Some(url) if self.database.pooler == Pooler::Transaction => {
                secrecy::ExposeSecret::expose_secret(url).to_owned()
            }
            _ => self.database_url(),
        }
    }

    /// The object store's URL: what was configured, or a folder of the data folder.
    pub fn objects_url(&self) -> String {
        match &self.objects.url {
            Some(url) => url.to_string(),
            None => format!("file://{}", self.data_dir.join("objects").display()),
        }
    }

    /// Where letters go when no mail server is configured.
    pub fn mail_dir(&self) -> PathBuf {
        self.data_dir.join("mail")
    }

    /// The folder of the server's own keys.
    pub fn keys_dir(&self) -> PathBuf {
        self.keys.dir.clone().unwrap_or_else(|| self.data_dir.join("keys"))
    }

    /// The base of links in letters and of download URLs, without a slash at its end.
    pub fn public_url(&self) -> String {
        match &self.web.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http{}://{}", if self.tls.is_on() { "s" } else { "" }, self.server.listen),
        }
    }

    /// The name or address that clients know this server by.
    pub fn public_host(&self) -> String {
        let named = self.web.public_url.as_ref().and_then(|url| url.host_str());
        named.map_or_else(|| self.server.listen.ip().to_string(), ToOwned::to_owned)
    }

    /// Where letters send people to sign in.
    pub fn sign_in_url(&self) -> String {
        self.web.sign_in_url.as_ref().map_or_else(|| self.public_url(), ToString::to_string)
    }

    /// What production would better have and does without, each in one sentence. None of it is a reason not to start.
    pub fn advice(&self) -> Vec<&'static str> {
        production::advice(self)
    }

    /// Whether staff without a second factor can do nothing of their office.
    pub fn staff_must_have_factor(&self) -> bool {
        self.passkeys.staff_must_have_factor.unwrap_or(self.mode == Mode::Production)
    }
}
