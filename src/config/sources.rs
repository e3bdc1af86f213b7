//! The layers that settings come from, before anyone knows what they mean: the file, the environment, the flags.
//!
//! A later layer wins. In each of them `…_file` may stand for the key before it, and names a file that holds its value;
//! within one layer the key itself wins over its file.

use std::{collections::BTreeMap, fmt, io::Read, os::unix::fs::PermissionsExt, path::PathBuf};

use figment::{
    Figment,
    providers::{Env, Format, Toml},
    value::{Dict, Value},
};

use super::load::{Problems, Source};

/// Which layer said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    /// The TOML file.
    File,
    Environment,
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Flag => "flag",
        })
    }
}

/// One value as it was given. It cannot print itself: it may be a secret.
pub struct Given {
    pub raw: Raw,
    pub origin: Origin,
}

/// What a layer can say.
pub enum Raw {
    /// Flags and the environment know only text.
    Text(String),
    Value(Value),
}

impl Given {
    /// Text as it stands.
    pub fn text(&self) -> Option<&str> {
        match &self.raw {
            Raw::Text(text) => Some(text),
            Raw::Value(value) => value.as_str(),
        }
    }

    /// Numbers and booleans as such, everything else as text; of a secret everything, whatever it looks like.
    pub fn value(&self, is_secret: bool) -> Value {
        match &self.raw {
            Raw::Value(value) => value.clone(),
            Raw::Text(text) if is_secret => Value::from(text.as_str()),
            Raw::Text(text) => scalar(text),
        }
    }
}

/// Everything that was given, by section and key; what stands outside any section by its key.
#[derive(Default)]
pub struct Gathered {
    pub top: BTreeMap<String, Given>,
    pub sections: BTreeMap<String, BTreeMap<String, Given>>,
}

/// Keys that stand outside any section. `listen`, `admin_listen` and `public_url` are short for `server.…` and `web.…`.
const TOP_LEVEL: [(&str, &str); 5] = [
    ("mode", "mode"),
    ("data_dir", "data_dir"),
    ("listen", "server.listen"),
    ("admin_listen", "server.admin_listen"),
    ("public_url", "web.public_url"),
];

const PREFIX: &str = "BACKLINE_";
const FILE: &str = "_file";

/// No value of ours is longer: what a mistaken path leads to must not fill the memory.
const MOST_BYTES: u64 = 64 * 1024;

impl Gathered {
    /// Merges all layers.
    pub fn from(source: &Source, problems: &mut Problems) -> Self {
        let mut all = Self::default();
        if let Some(file) = &source.file {
            all.layer(in_file(file, problems));
        }
        all.layer(in_environment());
        let flag = |text: &String| Given { raw: Raw::Text(text.clone()), origin: Origin::Flag };
        all.layer(source.flags.iter().map(|(key, value)| (qualified(key), flag(value))).collect());
        all
    }

    fn layer(&mut self, layer: BTreeMap<String, Given>) {
        let exact: Vec<String> = layer.keys().cloned().collect();
        for (key, given) in layer {
            let base = key.strip_suffix(FILE);
            if base.is_some_and(|base| exact.iter().any(|key| key == base)) {
                continue;
            }
            let (table, name) = match key.split_once('.') {
                Some((section, name)) => (self.sections.entry(section.to_owned()).or_default(), name),
                None => (&mut self.top, key.as_str()),
            };
            // What an earlier layer said in the other way is overruled.
            table.remove(&format!("{name}{FILE}"));
            if let Some(base) = name.strip_suffix(FILE) {
                table.remove(base);
            }
            table.insert(name.to_owned(), given);
        }
    }
}

fn in_file(file: &PathBuf, problems: &mut Problems) -> BTreeMap<String, Given> {
    if !file.is_file() {
        problems.add("--config", format!("{} is not a file that can be read", file.display()));
        return BTreeMap::new();
    }
    let dict = Figment::from(Toml::file_exact(file)).extract::<Dict>().unwrap_or_else(|error| {
        problems.add("the file", without_its_lines(&error.to_string()));
        Dict::new()
    });
    let given = |value| Given { raw: Raw::Value(value), origin: Origin::File };
    let mut layer = BTreeMap::new();
    for (name, value) in dict {
        match value {
            Value::Dict(_, section) => {
                layer.extend(section.into_iter().map(|(key, value)| (format!("{name}.{key}"), given(value))));
            }
            other => drop(layer.insert(name, given(other))),
        }
    }
    layer
}

/// A parser's message without the lines of the file that it quotes: a secret may stand there.
fn without_its_lines(message: &str) -> String {
    let mut lines = message.lines();
    let (first, last) = (lines.next().unwrap_or_default(), lines.next_back());
    last.map_or_else(|| first.to_owned(), |last| format!("{first}: {last}"))
}

fn in_environment() -> BTreeMap<String, Given> {
    let given = |text: String| Given { raw: Raw::Text(text), origin: Origin::Environment };
    let variables = Env::prefixed(PREFIX);
    let named = variables.iter().map(|(key, value)| (key.as_str().to_lowercase(), value));
    // `config` names the TOML file itself; it was read already.
    named.filter(|(key, _)| key != "config").map(|(key, value)| (qualified(&key), given(value))).collect()
}

/// Sections with a table of options for somebody else's client.
const WITH_OPTIONS: [&str; 2] = ["objects", "backup"];

/// `database_url` → `database.url`; top-level keys, their files, and options of other people's clients go where they
/// belong.
fn qualified(key: &str) -> String {
    let (base, file) = key.strip_suffix(FILE).map_or((key, ""), |base| (base, FILE));
    if let Some((_, full)) = TOP_LEVEL.iter().find(|(short, _)| *short == base) {
        return format!("{full}{file}");
    }
    match key.split_once(['.', '_']) {
        Some((section, rest)) => match rest.strip_prefix("options_").filter(|_| WITH_OPTIONS.contains(&section)) {
            Some(option) => format!("{section}.options.{option}"),
            None => format!("{section}.{rest}"),
        },
        None => key.to_owned(),
    }
}

fn scalar(text: &str) -> Value {
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
pub fn list(value: &Value) -> Option<Value> {
    let parts = value.as_str()?.split(',').map(str::trim).filter(|part| !part.is_empty());
    Some(Value::from(parts.map(Value::from).collect::<Vec<_>>()))
}

/// What a file holds, without the newline at its end.
///
/// # Errors
/// In words: it is not there, is empty or too long, or is no text; if it must be `private`, others can read it.
pub fn read_value(path: &str, private: bool) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("{path} cannot be read ({error}); it must be a file with the value");
    let file = std::fs::File::open(path).map_err(failed)?;
    if private && is_open_to_others(&file.metadata().map_err(failed)?.permissions()) {
        return Err(format!(
            "{path} can be read by others; run chmod 600 on it, or mount it with the mode 0400 or 0440"
        ));
    }
    let mut text = String::new();
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(format!("{path} is longer than 64 KiB; it must hold the value and nothing else"));
    }
    let value = text.trim_end_matches(['\r', '\n']);
    if value.is_empty() { Err(format!("{path} is empty; it must hold the value")) } else { Ok(value.to_owned()) }
}

/// Whether anyone but the owner and its group may do anything with it, or the group more than read.
pub fn is_open_to_others(permissions: &std::fs::Permissions) -> bool {
    permissions.mode() & 0o037 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_broken_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("backline.toml");
        std::fs::write(&file, "[mail]\npassword = \"hunter2\n").unwrap();
        let mut problems = Problems::default();
        assert!(in_file(&file, &mut problems).is_empty());
        let told = problems.to_string();
        assert!(told.contains("the file: ") && !told.contains("hunter2"), "{told}");
    }

    #[test]
    fn files_of_keys_go_where_the_keys_do() {
        for (short, full) in [
            ("database_url_file", "database.url_file"),
            ("public_url_file", "web.public_url_file"),
            ("mail.password_file", "mail.password_file"),
            ("mail_ca_file", "mail.ca_file"),
            ("data_dir", "data_dir"),
            ("objects_options_aws_session_token_file", "objects.options.aws_session_token_file"),
        ] {
            assert_eq!(qualified(short), full);
        }
    }
}
