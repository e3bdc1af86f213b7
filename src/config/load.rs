//! Reading the configuration from its sources, and gathering everything that is wrong with it.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
    value::{Dict, Value},
};

use super::{Config, Mode, Section};

/// Where a configuration comes from, besides the environment.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// A TOML file; must exist when given.
    pub file: Option<PathBuf>,
    /// Values from flags, as `section.key` or a top-level key; they win.
    pub flags: BTreeMap<String, String>,
}

/// One thing that is wrong: where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub key: String,
    pub text: String,
}

/// Everything that is wrong, in the order found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub fn add(&mut self, key: impl Into<String>, text: impl Into<String>) {
        self.0.push(Problem { key: key.into(), text: text.into() });
    }

    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} problem{}:", self.0.len(), if self.0.len() == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {}: {}", problem.key, problem.text))
    }
}

impl std::error::Error for Problems {}

/// Keys that stand outside any section. `listen`, `admin_listen` and `public_url` are short for `server.…` and `web.…`.
const TOP_LEVEL: [(&str, &str); 5] = [
    ("mode", "mode"),
    ("data_dir", "data_dir"),
    ("listen", "server.listen"),
    ("admin_listen", "server.admin_listen"),
    ("public_url", "web.public_url"),
];

const PREFIX: &str = "BACKLINE_";

/// Loads and checks the configuration.
///
/// # Errors
/// Every problem at once: unreadable files, unknown keys, values of the wrong kind or out of range.
pub fn load(source: &Source) -> Result<Config, Problems> {
    let mut problems = Problems::default();
    let given = gather(source, &mut problems);
    let mut given = Given { sections: given, problems };

    let mode = given.top("mode").unwrap_or_default();
    let config = Config {
        mode,
        data_dir: given.top("data_dir").unwrap_or_else(|| PathBuf::from("./data")),
        server: given.section(mode),
        web: given.section(mode),
        apps: given.section(mode),
        database: given.section(mode),
        redis: given.section(mode),
        objects: given.section(mode),
        mail: given.section(mode),
        passwords: given.section(mode),
        passkeys: given.section(mode),
        sessions: given.section(mode),
        limits: given.section(mode),
        guessing: given.section(mode),
        challenges: given.section(mode),
        devices: given.section(mode),
        uploads: given.section(mode),
        work: given.section(mode),
        backup: given.section(mode),
        telemetry: given.section(mode),
        log: given.section(mode),
    };
    given.refuse_unknown_keys();

    let config = Config { data_dir: absolute(&config.data_dir), ..config };
    if given.problems.0.is_empty() { Ok(config) } else { Err(given.problems) }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Merges all sources into one dictionary of what was given (defaults not included).
fn gather(source: &Source, problems: &mut Problems) -> Dict {
    let mut figment = Figment::new();
    if let Some(file) = &source.file {
        if !file.is_file() {
            problems.add("--config", format!("{} is not a file that can be read", file.display()));
        }
        figment = figment.merge(Toml::file_exact(file));
    }
    for (key, value) in environment(problems) {
        figment = figment.merge((key, value));
    }
    for (key, value) in &source.flags {
        figment = figment.merge((qualified(key), scalar(key, value)));
    }
    match figment.extract::<Dict>() {
        Ok(given) => given,
        Err(error) => {
            problems.add("the file", error.to_string());
            Dict::new()
        }
    }
}

/// What the environment says, under full keys, with `…_FILE` read. An exact variable wins over its file.
fn environment(problems: &mut Problems) -> BTreeMap<String, Value> {
    let mut plain = BTreeMap::new();
    let mut files = BTreeMap::new();
    for (key, value) in Env::prefixed(PREFIX).iter() {
        let key = key.as_str().to_lowercase();
        match key.strip_suffix("_file") {
            Some(base) => match std::fs::read_to_string(&value) {
                Ok(text) => drop(files.insert(qualified(base), Value::from(text.trim_end()))),
                Err(error) => {
                    problems.add(format!("{PREFIX}{}", key.to_uppercase()), format!("cannot be read: {error}"));
                }
            },
            // `config` names the TOML file itself; it was read already.
            None if key == "config" => {}
            None => drop(plain.insert(qualified(&key), scalar(&key, &value))),
        }
    }
    files.extend(plain);
    files
}

/// Numbers and booleans as such, everything else as text; so is a password, whatever it looks like.
fn scalar(key: &str, text: &str) -> Value {
    let secret = ["password", "secret", "access_key_id", "access_key"].iter().any(|ending| key.ends_with(ending));
    if secret || qualified(key).starts_with("objects.options.") {
        return Value::from(text);
    }
    if let Ok(number) = text.parse::<i64>() {
        return Value::from(number);
    }
    match text {
        "true" => Value::from(true),
        "false" => Value::from(false),
        _ => Value::from(text),
    }
}

/// A list as flags and the environment write it: separated by commas. Nothing between two of them is no member.
fn list(value: &Value) -> Option<Value> {
    let parts = value.as_str()?.split(',').map(str::trim).filter(|part| !part.is_empty());
    Some(Value::from(parts.map(Value::from).collect::<Vec<_>>()))
}

/// `database_url` → `database.url`; top-level keys and the options of the object store go where they belong.
fn qualified(key: &str) -> String {
    if let Some((_, full)) = TOP_LEVEL.iter().find(|(short, _)| *short == key) {
        return (*full).to_owned();
    }
    if let Some(option) = key.strip_prefix("objects_options_") {
        return format!("objects.options.{option}");
    }
    match key.split_once(['.', '_']) {
        Some((section, rest)) => format!("{section}.{rest}"),
        None => key.to_owned(),
    }
}

struct Given {
    sections: Dict,
    problems: Problems,
}

impl Given {
    fn top<T: for<'de> serde::Deserialize<'de>>(&mut self, key: &str) -> Option<T> {
        let value = self.sections.remove(key)?;
        value.deserialize().map_err(|error| self.problems.add(key, error.to_string())).ok()
    }

    /// Takes a section out of what was given.
    ///
    /// Each key is tried alone against the defaults, so that one bad value does not hide the next.
    fn section<S: Section>(&mut self, mode: Mode) -> S {
        let defaults = Figment::from(Serialized::defaults(S::defaults(mode)));
        let mut figment = defaults.clone();
        let given = match self.sections.remove(S::NAME) {
            None => Dict::new(),
            Some(Value::Dict(_, given)) => given,
            Some(_) => {
                self.problems.add(S::NAME, "is a section: write its keys below it");
                Dict::new()
            }
        };
        for (key, value) in given {
            let alone = |value: &Value| {
                let tried = defaults.clone().merge((key.as_str(), value.clone())).extract::<S>();
                tried.map(drop).map_err(|error| plain(&error))
            };
            match alone(&value) {
                Ok(()) => figment = figment.merge((key.as_str(), value)),
                Err(error) => match list(&value).filter(|list| alone(list).is_ok()) {
                    Some(list) => figment = figment.merge((key.as_str(), list)),
                    None => self.problems.add(format!("{}.{key}", S::NAME), error),
                },
            }
        }
        let section = figment.extract::<S>().unwrap_or_default();
        section.check(mode, &mut self.problems);
        section
    }

    fn refuse_unknown_keys(&mut self) {
        for key in self.sections.keys() {
            self.problems.0.push(Problem { key: key.clone(), text: "is not a key or section of Backline".into() });
        }
    }
}

/// The sentence without figment's trailing "for key … in …": the key is printed before it.
fn plain(error: &figment::Error) -> String {
    error.kind.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_flags(flags: &[(&str, &str)]) -> Result<Config, Problems> {
        let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        load(&Source { file: None, flags })
    }

    #[test]
    fn the_defaults_are_sound() {
        let config = with_flags(&[]).unwrap();
        assert_eq!(config.public_url(), "http://127.0.0.1:7070");
        assert!(config.database_url().starts_with("sqlite:///"));
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let problems = with_flags(&[
            ("mode", "lax"),
            ("server.listen", "nowhere"),
            ("uploads.expire_after", "1s"),
            ("uploads.colour", "red"),
            ("tunes.volume", "11"),
        ])
        .unwrap_err();
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["mode", "server.listen", "uploads.colour", "uploads.expire_after", "tunes"]);
    }

    #[test]
    fn a_list_is_written_with_commas() {
        let origins = "https://app.example.org, https://staff.example.org";
        let config = with_flags(&[("web.allowed_origins", origins), ("server.unlimited_addresses", "::1")]).unwrap();
        assert_eq!((config.web.allowed_origins.len(), config.server.unlimited_addresses.len()), (2, 1));
        assert!(with_flags(&[("web.allowed_origins", "nonsense")]).is_err());
        let config = with_flags(&[("server.trusted_proxies", "")]).unwrap();
        assert_eq!(config.server.trusted_proxies, Some(Vec::new()), "none, and said so");
        let config = with_flags(&[("server.trusted_proxies", "10.0.0.0/8")]).unwrap();
        assert_eq!(config.server.trusted_proxies.unwrap().len(), 1);
    }

    #[test]
    fn a_password_of_digits_is_a_password() {
        let config = with_flags(&[("mail.username", "backline"), ("mail.password", "0042")]).unwrap();
        let password = config.mail.password.unwrap();
        assert_eq!(secrecy::ExposeSecret::expose_secret(&password), "0042");
    }

    #[test]
    fn options_of_the_object_store_are_texts() {
        let url = ("objects.url", "s3://bucket");
        let config = with_flags(&[url, ("objects.options.aws_allow_http", "true"), ("objects_options_timeout", "7")]);
        let options: Vec<String> = config.unwrap().objects.options.into_keys().collect();
        assert_eq!(options, ["aws_allow_http", "timeout"]);
    }

    #[test]
    fn production_refuses_what_only_tests_may_have() {
        let flags = [("mode", "test"), ("passwords.memory_kib", "8")];
        assert!(with_flags(&flags).is_ok());
        assert!(with_flags(&[("mode", "production"), ("passwords.memory_kib", "8")]).is_err());
    }
}
