use std::{collections::BTreeMap, time::Duration};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Mode, Problems, Section, objects::has_far_endpoint_in_the_clear, secret::hidden_table};

/// Backups that the worker takes by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackupConfig {
    /// Where they go: a store of its own, `file:///absolute/folder`, `s3://bucket/prefix`, `gs://…` or `az://…`. None are
    /// taken if unset. One place belongs to one installation.
    pub to: Option<Url>,
    /// Options of that store's client, such as `aws_endpoint` and `aws_access_key_id`. If there are none, it is reached
    /// like the store of the server's objects. They may hold secrets, so none is ever printed.
    #[serde(serialize_with = "hidden_table")]
    pub options: BTreeMap<String, SecretString>,
    /// How old the newest backup may become; 1 minute or more.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// How many are kept; 1 or more.
    pub keep: usize,
    /// How often the newest is restored into a scratch database and checked; never if unset. On PostgreSQL the role must
    /// be allowed to make databases.
    #[serde(with = "humantime_serde")]
    pub drill_every: Option<Duration>,
}

impl Default for BackupConfig {
    fn default() -> Self {
        Self { to: None, options: BTreeMap::new(), every: Duration::from_hours(24), keep: 14, drill_every: None }
    }
}

impl Section for BackupConfig {
    const NAME: &'static str = "backup";
    const SECRETS: &'static [&'static str] = &["options"];

    fn check(&self, mode: Mode, problems: &mut Problems) {
        let least = if mode == Mode::Test { Duration::from_secs(1) } else { Duration::from_mins(1) };
        if let Some(to) = &self.to {
            if !matches!(to.scheme(), "file" | "s3" | "gs" | "az") {
                problems.add("backup.to", "must begin with file://, s3://, gs:// or az://");
            }
            if !to.username().is_empty() || to.password().is_some() {
                problems.add("backup.to", "must hold no password; credentials stand below [backup.options]");
            }
        } else if self.drill_every.is_some() {
            problems.add("backup.drill_every", "wants backup.to: without backups there is nothing to restore");
        }
        if mode == Mode::Production && has_far_endpoint_in_the_clear(&self.options) {
            problems.add("backup.options", "must not name an http:// endpoint on another machine in production");
        }
        if self.every < least {
            problems.add("backup.every", "must be 1min or more");
        }
        if self.keep == 0 {
            problems.add("backup.keep", "must be 1 or more");
        }
        if self.drill_every.is_some_and(|every| every < least) {
            problems.add("backup.drill_every", "must be 1min or more");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(config: &BackupConfig) -> Vec<String> {
        let mut problems = Problems::default();
        config.check(Mode::Production, &mut problems);
        problems.iter().map(|problem| problem.key.clone()).collect()
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let to = |url: &str| Some(url.parse().unwrap());
        assert!(told(&BackupConfig::default()).is_empty());
        assert!(told(&BackupConfig { to: to("s3://bucket/backups"), ..Default::default() }).is_empty());
        let wrong = [
            (BackupConfig { to: to("memory:///"), ..Default::default() }, "backup.to"),
            (BackupConfig { to: to("s3://ana:secret@bucket"), ..Default::default() }, "backup.to"),
            (BackupConfig { every: Duration::from_secs(1), ..Default::default() }, "backup.every"),
            (BackupConfig { keep: 0, ..Default::default() }, "backup.keep"),
            (BackupConfig { drill_every: Some(Duration::from_hours(1)), ..Default::default() }, "backup.drill_every"),
        ];
        for (config, key) in wrong {
            assert_eq!(told(&config), [key]);
        }
    }

    #[test]
    fn options_are_not_printed() {
        let options = [("aws_secret_access_key".to_owned(), "hush".into())].into();
        assert!(!format!("{:?}", BackupConfig { options, ..Default::default() }).contains("hush"));
    }
}
