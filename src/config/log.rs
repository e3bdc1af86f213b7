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

    fn check(&self, mode: Mode, problems: &mut Problems) {
        if self.filter.parse::<tracing_subscriber::EnvFilter>().is_err() {
            problems.add("log.filter", "must be a filter such as info,backline::jobs=debug");
        }
        if mode == Mode::Production && self.filter.split(',').any(tells_too_much) {
            problems.add(
                "log.filter",
                "must not reach below info in production, but for backline's own parts: libraries log headers and statements",
            );
        }
    }
}

/// Whether a directive (`level`, `target`, `target[span]=level`) lets a library's inner life into the log. A target alone
/// means all of it.
fn tells_too_much(directive: &str) -> bool {
    let directive = directive.trim();
    let (target, level) = directive.rsplit_once('=').unwrap_or((directive, directive));
    let is_level =
        |text: &str| ["off", "error", "warn", "info", "0", "1", "2", "3"].contains(&text.to_ascii_lowercase().as_str());
    let is_ours = target == "backline" || target.starts_with("backline::") || target.starts_with("backline[");
    !directive.is_empty() && !is_ours && !is_level(level)
}
