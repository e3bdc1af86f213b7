//! Secrets: each may stand in a file, and nothing shows one.

use std::{collections::BTreeMap, path::Path};

use backline::config::{Origin, Setting, Source, explain, load};
use secrecy::ExposeSecret;

use super::{private_folder, set_mode, sound};
use crate::harness::program::{backline, stderr, stdout};

/// A value that the key takes.
fn value_for(key: &str) -> String {
    match key {
        "database.url" | "database.direct_url" => "postgres://backline:5u8c@127.0.0.1:1/backline".to_owned(),
        "redis.url" => "redis://:5u8c@127.0.0.1:1".to_owned(),
        "telemetry.otlp_headers" => "authorization=5u8c".to_owned(),
        "passwords.pepper" => "5u8c".repeat(10) + "5u8=",
        _ => "5u8c 42".to_owned(),
    }
}

fn secrets() -> Vec<String> {
    let (settings, _) = explain(&Source::default());
    settings.into_iter().filter(|setting| setting.is_secret).map(|setting| setting.key).collect()
}

/// Tables of other people's settings, each of which may be a secret.
const TABLES: [&str; 2] = ["backup.options", "objects.options"];

fn setting(settings: &[Setting], key: &str) -> Setting {
    settings.iter().find(|setting| setting.key == key).unwrap().clone()
}

/// Files as an orchestrator mounts them, below `/run/secrets` for example: one for each secret, with a newline.
fn mounted(folder: &Path) -> BTreeMap<String, String> {
    let file = |key: String| {
        let path = folder.join(key.replace('.', "_"));
        std::fs::write(&path, value_for(&key) + "\n").unwrap();
        set_mode(&path, 0o400);
        (key, path.display().to_string())
    };
    secrets().into_iter().filter(|key| !TABLES.contains(&key.as_str())).map(file).collect()
}

#[test]
fn every_setting_that_is_a_secret_is_known_as_one() {
    let known = secrets();
    let mut found = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/config")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let Some(section) = text.split("const NAME: &'static str = \"").nth(1).and_then(|rest| rest.split('"').next())
        else {
            continue;
        };
        for line in text.lines().filter(|line| line.trim_start().starts_with("pub ") && line.contains("SecretString")) {
            let field = line.trim_start().trim_start_matches("pub ").split(':').next().unwrap();
            assert!(
                known.contains(&format!("{section}.{field}")),
                "{section}.{field} is no secret to `Section::SECRETS`"
            );
            found += 1;
        }
    }
    assert_eq!(found, known.len(), "{known:?}");
    assert!(found >= 4);
}

#[test]
fn each_secret_is_read_from_a_file_that_a_flag_or_a_table_names() {
    let folder = private_folder();
    for (key, path) in mounted(folder.path()) {
        let flag = [(format!("{key}_file"), path.clone())].into();
        let table = folder.path().join("backline.toml");
        let (section, name) = key.split_once('.').unwrap();
        std::fs::write(&table, format!("[{section}]\n{name}_file = \"{path}\"\n")).unwrap();
        for (source, origin) in [
            (Source { file: None, flags: flag }, Origin::Flag),
            (Source { file: Some(table), flags: BTreeMap::new() }, Origin::File),
        ] {
            let (settings, problems) = explain(&source);
            let setting = setting(&settings, &key);
            assert_eq!((setting.value.as_str(), setting.origin), ("«set»", origin), "{key}: {problems}");
            assert!(!problems.to_string().contains("5u8c") && !problems.to_string().contains(&format!("{key}_file")));
        }
    }
}

#[test]
fn each_secret_is_read_from_a_file_that_a_variable_names_and_is_not_shown() {
    let folder = private_folder();
    let mut command = backline(folder.path(), &["check-config", "--show"]);
    command
        .env("BACKLINE_MAIL_USERNAME", "backline")
        .env("BACKLINE_DATABASE_POOLER", "transaction")
        .env("BACKLINE_WEB_ALLOWED_ORIGINS", "https://a.test,https://b.test");
    command.arg("--set").arg("sessions.idle_life=1day");
    for (key, path) in mounted(folder.path()) {
        command.env(format!("BACKLINE_{}_FILE", key.replace('.', "_").to_uppercase()), path);
    }
    let output = command.output().unwrap();
    let said = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    for (key, _) in mounted(folder.path()) {
        assert!(said.contains(&format!("{key} = «set» (environment)\n")), "{key}:\n{said}");
    }
    for line in [
        "server.reflection = true (default)",
        "mail.username = backline (environment)",
        "web.allowed_origins = [https://a.test/, https://b.test/] (environment)",
        "sessions.idle_life = 1day (flag)",
        "objects.options = unset (default)",
        "mode = test (environment)",
    ] {
        assert!(said.contains(&format!("{line}\n")), "{line} is missing:\n{said}");
    }
    assert!(!said.contains("5u8c"), "{said}");
}

#[test]
fn a_file_gives_its_value_without_the_newline_and_a_nearer_source_wins() {
    let folder = private_folder();
    let file = folder.path().join("password");
    let read = |text: &str, also: &[(&str, &str)]| {
        std::fs::write(&file, text).unwrap();
        let mut flags = sound(folder.path());
        flags.extend([("mail.username".into(), "b".into()), ("mail.password_file".into(), file.display().to_string())]);
        set_mode(&file, 0o600);
        flags.extend(also.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        load(&Source { file: None, flags }).map(|config| config.mail.password.unwrap().expose_secret().to_owned())
    };
    for (text, value) in [("5u8c", "5u8c"), ("5u8c\n", "5u8c"), (" 5u8c \r\n", " 5u8c "), ("0042\n", "0042")] {
        assert_eq!(read(text, &[]).unwrap(), value);
    }
    assert_eq!(read("5u8c", &[("mail.password", "itself")]).unwrap(), "itself", "the key itself, within one layer");
    let table = folder.path().join("backline.toml");
    std::fs::write(&table, "[mail]\nusername = \"b\"\npassword = \"in the table\"\n").unwrap();
    let flags = [("mail.password_file".to_owned(), file.display().to_string())].into();
    let config = load(&Source { file: Some(table), flags }).unwrap();
    assert_eq!(config.mail.password.unwrap().expose_secret(), "5u8c", "a flag's file wins over the table's value");

    for (text, words) in [("\n", "is empty"), (&"x".repeat(70_000), "is longer than 64 KiB")] {
        let told = read(text, &[]).unwrap_err().to_string();
        assert!(told.contains(&format!("mail.password_file: {} {words}", file.display())), "{told}");
    }
    std::fs::remove_file(&file).unwrap();
    let mut flags = sound(folder.path());
    flags.extend([("mail.username".into(), "b".into()), ("mail.password_file".into(), file.display().to_string())]);
    let told = load(&Source { file: None, flags }).unwrap_err().to_string();
    assert!(told.contains("mail.password_file: ") && told.contains("cannot be read (No such file"), "{told}");
}

#[test]
fn a_key_that_itself_names_a_file_is_left_alone() {
    let folder = private_folder();
    let output = backline(folder.path(), &["check-config", "--show"])
        .env("BACKLINE_MAIL_CA_FILE", "/etc/ssl/ca.pem")
        .env("BACKLINE_TLS_KEY_FILE", "/etc/ssl/key.pem")
        .env("BACKLINE_TLS_CERTIFICATE_FILE", "/etc/ssl/certificate.pem")
        .output()
        .unwrap();
    let said = stdout(&output);
    assert!(said.contains("mail.ca_file = /etc/ssl/ca.pem (environment)"), "{said}{}", stderr(&output));
    assert!(said.contains("tls.key_file = /etc/ssl/key.pem (environment)"), "{said}");
}

#[test]
fn problems_are_told_beside_the_settings() {
    let folder = private_folder();
    let output = backline(folder.path(), &["check-config", "--show", "--set", "uploads.colour=red"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("uploads.max_open = 20 (default)") && stderr(&output).contains("uploads.colour"));
}
