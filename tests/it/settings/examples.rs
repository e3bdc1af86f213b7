//! The example configurations are sound in production, with the files that they name.

use std::path::Path;

use backline::config::{Mode, Source, load};

use super::{private_folder, problems, set_mode};

const EXAMPLES: [&str; 3] = ["one-machine.toml", "containers.toml", "cluster.toml"];

/// A copy of an example that looks for its files below `folder`, and those files.
fn placed(name: &str, folder: &Path) -> std::path::PathBuf {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples").join(name);
    let mut text = std::fs::read_to_string(original).unwrap();
    for place in ["/run/secrets", "/etc/backline", "/var/lib/backline"] {
        text = text.replace(place, &format!("{}{place}", folder.display()));
        std::fs::create_dir_all(folder.join(&place[1..])).unwrap();
        set_mode(&folder.join(&place[1..]), 0o700);
    }
    let named = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once("_file = \""));
    for (key, path) in named {
        let value = match key {
            "url" if path.contains("redis") => "rediss://:5u8c@redis.example.org:6380/0\n".to_owned(),
            "url" => "postgres://backline:5u8c@db.example.org/backline?sslmode=verify-full\n".to_owned(),
            "pepper" => "5u8c".repeat(10) + "5u8=\n",
            _ => "5u8c\n".to_owned(),
        };
        let path = Path::new(path.trim_end_matches('"'));
        std::fs::write(path, value).unwrap();
        set_mode(path, 0o400);
    }
    let copy = folder.join(name);
    std::fs::write(&copy, text).unwrap();
    copy
}

#[test]
fn every_example_is_sound_in_production() {
    for name in EXAMPLES {
        let folder = private_folder();
        let file = placed(name, folder.path());
        let config = load(&Source { file: Some(file), ..Source::default() });
        let config = config.unwrap_or_else(|problems| panic!("{name}: {problems}"));
        assert_eq!(config.mode, Mode::Production, "{name}");
        assert_eq!(config.advice(), [""; 0], "{name}");
    }
    assert!(!problems([("mode".to_owned(), "production".to_owned())].into()).is_empty(), "production does refuse");
}

#[test]
fn no_example_holds_a_secret() {
    for name in EXAMPLES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples").join(name);
        let text = std::fs::read_to_string(path).unwrap();
        for key in ["password = ", "secret = ", "pepper = ", "[database]\nurl = "] {
            assert!(!text.contains(key), "{name} holds {key}");
        }
    }
}
