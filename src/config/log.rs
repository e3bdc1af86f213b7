use serde::{Deserialize, Serialize};

use super::{Mode, Problems, Section};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people on a terminal, JSON otherwise.
    #[default]
    Auto,
    Text,
    Json,
}

/// What is logged, and in which form.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    pub format: LogFormat,
    /// A filter such as `info` or `info,backline::jobs=debug`.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Auto, filter: "info,sea_orm_migration=warn".into() }
    }
}

impl Section for LogConfig {
    const NAME: &'static str = "log";

    fn check(&self, _: Mode, problems: &mut Problems) {
        if self.filter.parse::<tracing_subscriber::EnvFilter>().is_err() {
            problems.add("log.filter", "must be a filter such as info,backline::jobs=debug");
        }
    }
}
