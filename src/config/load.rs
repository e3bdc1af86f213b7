//! Reading the configuration from its sources, and gathering everything that is wrong with it.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    providers::Serialized,
    value::{Dict, Value},
};

use super::{
    Config, Mode, Section, production, show,
    show::Setting,
    sources::{Gathered, Given, Origin, Raw, list, read_value},
};

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

/// Loads and checks the configuration.
///
/// # Errors
/// Every problem at once: unreadable files, unknown keys, values of the wrong kind or out of range.
pub fn load(source: &Source) -> Result<Config, Problems> {
    let (config, _, problems) = read(source);
    if problems.0.is_empty() { Ok(config) } else { Err(problems) }
}

/// Every setting with its value and where it came from, secrets only as set or not; and every problem.
pub fn explain(source: &Source) -> (Vec<Setting>, Problems) {
    let (_, settings, problems) = read(source);
    (settings, problems)
}

fn read(source: &Source) -> (Config, Vec<Setting>, Problems) {
    let mut problems = Problems::default();
    let given = Gathered::from(source, &mut problems);
    let mut reading = Reading { given, problems, settings: Vec::new() };

    let mode = reading.top("mode", Mode::default());
    let config = Config {
        mode,
        data_dir: absolute(&reading.top("data_dir", PathBuf::from("./data"))),
        server: reading.section(mode),
        tls: reading.section(mode),
        web: reading.section(mode),
        apps: reading.section(mode),
        database: reading.section(mode),
        redis: reading.section(mode),
        objects: reading.section(mode),
        keys: reading.section(mode),
        mail: reading.section(mode),
        passwords: reading.section(mode),
        passkeys: reading.section(mode),
        sessions: reading.section(mode),
        limits: reading.section(mode),
        guessing: reading.section(mode),
        challenges: reading.section(mode),
        devices: reading.section(mode),
        uploads: reading.section(mode),
        work: reading.section(mode),
        backup: reading.section(mode),
        telemetry: reading.section(mode),
        log: reading.section(mode),
    };
    reading.refuse_unknown_keys();
    production::check(&config, &mut reading.problems);
    (config, reading.settings, reading.problems)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

struct Reading {
    given: Gathered,
    problems: Problems,
    settings: Vec<Setting>,
}

impl Reading {
    /// A key outside any section.
    fn top<T: serde::Serialize + for<'de> serde::Deserialize<'de>>(&mut self, key: &str, default: T) -> T {
        let file = self.given.top.remove(&format!("{key}_file"));
        let given = self.given.top.remove(key).or_else(|| self.held_by(key, &file?, false));
        let origin = given.as_ref().map_or(Origin::Default, |given| given.origin);
        let value = match given.map(|given| given.value(true).deserialize().map_err(|error| error.kind.to_string())) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(error)) => {
                self.problems.add(key, error);
                default
            }
        };
        self.settings.push(Setting { key: key.to_owned(), value: show::text(&value), origin, is_secret: false });
        value
    }

    /// Takes a section out of what was given.
    ///
    /// Each key is tried alone against the defaults, so that one bad value does not hide the next.
    fn section<S: Section>(&mut self, mode: Mode) -> S {
        if self.given.top.remove(S::NAME).is_some() {
            self.problems.add(S::NAME, "is a section: write its keys below it");
        }
        let defaults = Figment::from(Serialized::defaults(S::defaults(mode)));
        let known = defaults.extract::<Dict>().unwrap_or_default();
        let (mut figment, mut origins, mut unread) = (defaults.clone(), BTreeMap::new(), Vec::new());
        for (key, given) in self.given.sections.remove(S::NAME).unwrap_or_default() {
            let Some((key, given)) = self.read_file::<S>(&key, given, &known, mode) else {
                unread.push(format!("{}.{}", S::NAME, key.trim_end_matches("_file")));
                continue;
            };
            let is_secret = is_secret::<S>(&key);
            if is_secret && mode == Mode::Production && given.text().is_some_and(production::is_placeholder) {
                self.problems
                    .add(format!("{}.{key}", S::NAME), "must be a secret of your own, not a word everyone tries");
            }
            let alone = |value: &Value| {
                let tried = defaults.clone().merge((key.as_str(), value.clone())).extract::<S>();
                // The sentence without figment's trailing "for key … in …": the key is printed before it.
                tried.map(drop).map_err(|error| error.kind.to_string())
            };
            let value = given.value(is_secret);
            let fits = alone(&value).map(|()| value.clone());
            match fits.or_else(|error| list(&value).filter(|list| alone(list).is_ok()).ok_or(error)) {
                Ok(value) => {
                    origins.insert(table(&key).to_owned(), given.origin);
                    figment = figment.merge((key.as_str(), value));
                }
                // Its own words would quote the value.
                Err(_) if is_secret => self.problems.add(format!("{}.{key}", S::NAME), "must be text"),
                Err(error) => self.problems.add(format!("{}.{key}", S::NAME), error),
            }
        }
        let section = figment.extract::<S>().unwrap_or_default();
        let mut judged = Problems::default();
        section.check(mode, &mut judged);
        // What is missing because its file cannot be read was told already.
        self.problems.0.extend(judged.0.into_iter().filter(|problem| !unread.contains(&problem.key)));
        self.settings.extend(show::section(&section, &origins));
        section
    }

    /// The key and the value that a `…_file` stands for; `None` if that cannot be read. Others are as they were.
    fn read_file<S: Section>(&mut self, key: &str, given: Given, known: &Dict, mode: Mode) -> Option<(String, Given)> {
        match key.strip_suffix("_file").filter(|base| !known.contains_key(key) && known.contains_key(table(base))) {
            None => Some((key.to_owned(), given)),
            Some(base) => {
                let private = mode == Mode::Production && is_secret::<S>(base);
                let given = self.held_by(&format!("{}.{base}", S::NAME), &given, private)?;
                Some((base.to_owned(), given))
            }
        }
    }

    fn held_by(&mut self, key: &str, given: &Given, private: bool) -> Option<Given> {
        let Some(path) = given.text() else {
            self.problems.add(format!("{key}_file"), "must be the path of a file");
            return None;
        };
        match read_value(path, private) {
            Ok(text) => Some(Given { raw: Raw::Text(text), origin: given.origin }),
            Err(sentence) => {
                self.problems.add(format!("{key}_file"), sentence);
                None
            }
        }
    }

    fn refuse_unknown_keys(&mut self) {
        let names: Vec<&String> = self.given.top.keys().chain(self.given.sections.keys()).collect();
        for name in names {
            self.problems.0.push(Problem { key: name.clone(), text: "is not a key or section of Backline".into() });
        }
    }
}

/// The part of a key before its first dot: of a table, such as the options of a store's client, its name.
fn table(key: &str) -> &str {
    key.split('.').next().unwrap_or_default()
}

/// Whether nothing may show the value: of a table that holds secrets, none of its values.
fn is_secret<S: Section>(key: &str) -> bool {
    S::SECRETS.contains(&table(key))
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
    fn a_secret_of_the_wrong_kind_is_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("backline.toml");
        std::fs::write(&file, "[mail]\nusername = \"backline\"\npassword = 4711\n").unwrap();
        let told = load(&Source { file: Some(file), flags: BTreeMap::new() }).unwrap_err().to_string();
        assert!(told.contains("mail.password: must be text") && !told.contains("4711"), "{told}");
    }

    #[test]
    fn production_refuses_what_only_tests_may_have() {
        let flags = [("mode", "test"), ("passwords.memory_kib", "8")];
        assert!(with_flags(&flags).is_ok());
        assert!(with_flags(&[("mode", "production"), ("passwords.memory_kib", "8")]).is_err());
    }
}
