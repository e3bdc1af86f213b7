use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Mode, Problems, Section};

/// Devices that people ask to be remembered on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DevicesConfig {
    /// A device unused for this long is forgotten.
    #[serde(with = "humantime_serde")]
    pub life: Duration,
    /// For how long no second factor is wanted where one was given.
    #[serde(with = "humantime_serde")]
    pub trust_life: Duration,
    /// For one account; the least recently used one is forgotten when another comes.
    pub max_devices: u32,
}

impl Default for DevicesConfig {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self { life: Duration::from_secs(180 * DAY), trust_life: Duration::from_secs(30 * DAY), max_devices: 30 }
    }
}

impl Section for DevicesConfig {
    const NAME: &'static str = "devices";

    fn check(&self, mode: Mode, problems: &mut Problems) {
        if self.max_devices < 2 {
            problems.add("devices.max_devices", "must be 2 or more, or one device ends another");
        }
        if self.trust_life > self.life {
            problems.add("devices.trust_life", "must not exceed devices.life");
        }
        if mode == Mode::Production && self.trust_life > Duration::from_hours(90 * 24) {
            problems.add(
                "devices.trust_life",
                "must be 90days or less in production: no second factor is wanted that long",
            );
        }
    }
}
