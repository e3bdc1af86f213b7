use serde::{Deserialize, Serialize};

use super::{Mode, Problems, Section};

/// The mobile apps that links in letters and passkeys belong to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AppsConfig {
    /// The Android app's package, `org.example.backline`.
    pub android_package: Option<String>,
    /// SHA-256 of the certificates that sign it, in hexadecimal with colons: `14:6D:…`.
    pub android_fingerprints: Vec<String>,
    /// The apps of Apple's systems, with the team before the bundle: `ABCDE12345.org.example.backline`.
    pub apple_app_ids: Vec<String>,
    /// Pages that open in the app where it is installed, without their query.
    pub paths: Vec<String>,
}

impl Default for AppsConfig {
    fn default() -> Self {
        let pages = ["/verify", "/reset", "/email", "/undo", "/unlock"];
        Self {
            android_package: None,
            android_fingerprints: Vec::new(),
            apple_app_ids: Vec::new(),
            paths: pages.map(str::to_owned).to_vec(),
        }
    }
}

impl Section for AppsConfig {
    const NAME: &'static str = "apps";

    fn check(&self, _: Mode, problems: &mut Problems) {
        if self.android_package.as_deref().is_some_and(|package| !is_package(package)) {
            problems.add("apps.android_package", "must be a package such as org.example.backline");
        }
        if self.android_package.is_some() == self.android_fingerprints.is_empty() {
            problems.add("apps.android_fingerprints", "and apps.android_package go together: set both or neither");
        }
        if !self.android_fingerprints.iter().all(|text| is_fingerprint(text)) {
            problems.add("apps.android_fingerprints", "must be 32 bytes in upper-case hexadecimal with colons between");
        }
        if !self.apple_app_ids.iter().all(|id| is_app_id(id)) {
            problems.add("apps.apple_app_ids", "must be team and bundle, such as ABCDE12345.org.example.backline");
        }
        if !self.paths.iter().all(|path| path.starts_with('/') && !path.contains(['?', '#', ' '])) {
            problems.add("apps.paths", "must each begin with / and have no query");
        }
    }
}

/// At least two words with dots between, each beginning with a letter.
fn is_package(text: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    text.contains('.') && text.split('.').all(is_word)
}

fn is_fingerprint(text: &str) -> bool {
    let is_byte =
        |byte: &str| byte.len() == 2 && byte.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
    text.split(':').count() == 32 && text.split(':').all(is_byte)
}

/// Ten letters and digits of the team, and the bundle.
fn is_app_id(text: &str) -> bool {
    let Some((team, bundle)) = text.split_once('.') else { return false };
    team.len() == 10
        && team.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        && !bundle.is_empty()
        && bundle.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_app_store_gives_out_is_refused() {
        let fingerprint = ["AB"; 32].join(":");
        assert!(is_fingerprint(&fingerprint) && !is_fingerprint(&fingerprint.to_lowercase()));
        assert!(!is_fingerprint(&fingerprint[3..]) && !is_fingerprint(""));
        assert!(is_package("org.example.backline") && !is_package("backline") && !is_package("org..x"));
        assert!(is_app_id("ABCDE12345.org.example.backline") && !is_app_id("org.example.backline"));
        let config =
            AppsConfig { android_package: Some("one".into()), paths: vec!["x".into()], ..AppsConfig::default() };
        let mut problems = Problems::default();
        config.check(Mode::Development, &mut problems);
        assert_eq!(problems.iter().count(), 3);
    }
}
