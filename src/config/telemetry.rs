use std::time::Duration;

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};
use url::Url;

use super::{Mode, Problems, Section, secret::hidden};

/// Longest name of an instance, in characters: it must fit into the database's application name.
const MAX_INSTANCE: usize = 50;

/// Traces and metrics for a collector, by OTLP over gRPC. Off unless `otlp_endpoint` is set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// The collector: `http://collector:4317`, or `https://…` with a certificate that this machine trusts.
    pub otlp_endpoint: Option<Url>,
    /// What the collector wants to see in each call: `name=value,name=value`. With `BACKLINE_TELEMETRY_OTLP_HEADERS_FILE`
    /// in a file of its own.
    #[serde(serialize_with = "hidden")]
    pub otlp_headers: Option<SecretString>,
    /// What all instances are called.
    pub service_name: String,
    /// What this one is called, to the collector and to the database; the machine's name and the process's number if
    /// unset. Up to 50 letters, digits, dots, dashes and underscores.
    pub instance: Option<String>,
    /// The share of traces that is kept, from 0 to 1, where the caller has not decided. Calls that fail are kept in any
    /// case, without what was done on the way.
    #[serde(deserialize_with = "ratio")]
    pub sample_ratio: f64,
    /// How often metrics are sent, from 100ms to 5m; spans wait no longer than that, or 5s.
    #[serde(with = "humantime_serde")]
    pub export_interval: Duration,
    /// How long the collector may take for one message, from 100ms to 1m.
    #[serde(with = "humantime_serde")]
    pub export_timeout: Duration,
}

/// Flags and the environment write fractions as text.
fn ratio<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Number(f64),
        Text(String),
    }
    match Given::deserialize(from)? {
        Given::Number(number) => Ok(number),
        Given::Text(text) => text.parse().map_err(|_| serde::de::Error::custom("must be a number from 0 to 1")),
    }
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            otlp_headers: None,
            service_name: "backline".into(),
            instance: None,
            sample_ratio: 0.01,
            export_interval: Duration::from_secs(10),
            export_timeout: Duration::from_secs(5),
        }
    }
}

impl TelemetryConfig {
    /// What this instance is called.
    pub fn instance(&self) -> String {
        self.instance.clone().unwrap_or_else(|| {
            let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            let machine: String = machine.trim().chars().filter(|c| is_plain(*c)).take(MAX_INSTANCE - 11).collect();
            format!("{machine}-{}", std::process::id()).trim_start_matches('-').to_owned()
        })
    }

    /// The headers as each call carries them.
    ///
    /// # Errors
    /// When they are no headers. Says nothing of what stands in them.
    pub fn headers(&self) -> anyhow::Result<MetadataMap> {
        let mut map = MetadataMap::new();
        let text = self.otlp_headers.as_ref().map_or("", |headers| headers.expose_secret());
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').context("a header has no =")?;
            let name: AsciiMetadataKey = name.trim().to_ascii_lowercase().parse().context("a header has no name")?;
            let value = value.trim().parse::<AsciiMetadataValue>();
            let mut value = value.context("a header's value has other than plain letters")?;
            value.set_sensitive(true);
            map.insert(name, value);
        }
        Ok(map)
    }
}

fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-_.".contains(letter)
}

impl Section for TelemetryConfig {
    const NAME: &'static str = "telemetry";
    const SECRETS: &'static [&'static str] = &["otlp_headers"];

    fn check(&self, _: Mode, problems: &mut Problems) {
        if let Some(url) = &self.otlp_endpoint {
            if !matches!(url.scheme(), "http" | "https") || !matches!(url.path(), "" | "/") || !url.has_host() {
                problems
                    .add("telemetry.otlp_endpoint", "must be http://host:4317 or https://host:4317, without a path");
            }
            if !url.username().is_empty() || url.password().is_some() {
                problems.add("telemetry.otlp_endpoint", "must hold no password: write telemetry.otlp_headers");
            }
        }
        if self.headers().is_err() {
            problems.add("telemetry.otlp_headers", "must be name=value, several separated by commas");
        }
        let plain = |name: &str| !name.is_empty() && name.len() <= MAX_INSTANCE && name.chars().all(is_plain);
        if !plain(&self.service_name) {
            problems.add("telemetry.service_name", "must be 1 to 50 letters, digits, dots, dashes or underscores");
        }
        if self.instance.as_deref().is_some_and(|name| !plain(name)) {
            problems.add("telemetry.instance", "must be 1 to 50 letters, digits, dots, dashes or underscores");
        }
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            problems.add("telemetry.sample_ratio", "must be a number from 0 to 1");
        }
        let least = Duration::from_millis(100);
        if !(least..=Duration::from_mins(5)).contains(&self.export_interval) {
            problems.add("telemetry.export_interval", "must be between 100ms and 5m");
        }
        if !(least..=Duration::from_mins(1)).contains(&self.export_timeout) {
            problems.add("telemetry.export_timeout", "must be between 100ms and 1m");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(config: &TelemetryConfig) -> Vec<String> {
        let mut problems = Problems::default();
        config.check(Mode::Production, &mut problems);
        problems.iter().map(|problem| problem.key.clone()).collect()
    }

    #[test]
    fn what_no_collector_could_use_is_refused() {
        assert_eq!(problems(&TelemetryConfig::default()), [""; 0]);
        let wrong = TelemetryConfig {
            otlp_endpoint: Some("ftp://me:secret@collector/path".parse().unwrap()),
            otlp_headers: Some("no header".into()),
            service_name: String::new(),
            instance: Some("two words".into()),
            sample_ratio: 1.5,
            export_interval: Duration::ZERO,
            export_timeout: Duration::from_hours(1),
        };
        let keys = [
            "otlp_endpoint",
            "otlp_endpoint",
            "otlp_headers",
            "service_name",
            "instance",
            "sample_ratio",
            "export_interval",
            "export_timeout",
        ];
        assert_eq!(problems(&wrong), keys.map(|key| format!("telemetry.{key}")));
    }

    #[test]
    fn headers_are_a_secret() {
        let headers = Some("Authorization=Bearer canary, x-tenant=7".into());
        let config = TelemetryConfig { otlp_headers: headers, ..TelemetryConfig::default() };
        assert!(!format!("{config:?}").contains("canary"));
        let map = config.headers().unwrap();
        assert_eq!(map.get("authorization").unwrap(), "Bearer canary");
        assert_eq!(map.get("x-tenant").unwrap(), "7");
    }

    #[test]
    fn an_instance_has_a_name_that_is_its_own() {
        let name = TelemetryConfig::default().instance();
        assert!(name.len() <= MAX_INSTANCE && name.ends_with(&std::process::id().to_string()), "{name}");
    }
}
