use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Mode, Problems, Section};

const MIB: i64 = 1024 * 1024;

/// What may be uploaded, how much, and how long unfinished uploads wait.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UploadsConfig {
    pub max_audio_bytes: i64,
    pub max_artwork_bytes: i64,
    pub max_tax_form_bytes: i64,
    pub max_attachment_bytes: i64,
    /// Uploads of one account that are neither finalised nor given up.
    pub max_open: u32,
    /// Declared bytes of those, together.
    pub max_in_flight_bytes: i64,
    /// An upload without news for this long expires.
    #[serde(with = "humantime_serde")]
    pub expire_after: Duration,
    /// An upload older than this expires, whatever happens.
    #[serde(with = "humantime_serde")]
    pub expire_at_most: Duration,
    /// Life of a signed download URL.
    #[serde(with = "humantime_serde")]
    pub download_url_life: Duration,
}

impl Default for UploadsConfig {
    fn default() -> Self {
        Self {
            max_audio_bytes: 2048 * MIB,
            max_artwork_bytes: 25 * MIB,
            max_tax_form_bytes: 10 * MIB,
            max_attachment_bytes: 50 * MIB,
            max_open: 20,
            max_in_flight_bytes: 2048 * MIB,
            expire_after: Duration::from_hours(24),
            expire_at_most: Duration::from_hours(168),
            download_url_life: Duration::from_mins(10),
        }
    }
}

impl Section for UploadsConfig {
    const NAME: &'static str = "uploads";

    fn check(&self, _: Mode, problems: &mut Problems) {
        let sizes = [self.max_audio_bytes, self.max_artwork_bytes, self.max_tax_form_bytes, self.max_attachment_bytes];
        if sizes.iter().any(|&bytes| bytes <= 0) {
            problems.add("uploads.max_audio_bytes", "and its siblings must be 1 or more");
        }
        if self.max_in_flight_bytes < self.max_audio_bytes {
            problems.add("uploads.max_in_flight_bytes", "must allow at least one upload of the largest size");
        }
        if self.expire_after < Duration::from_hours(1) {
            problems.add("uploads.expire_after", "must be 1h or more, or slow uploads vanish");
        }
        if self.expire_at_most < self.expire_after {
            problems.add("uploads.expire_at_most", "must not be shorter than uploads.expire_after");
        }
        if self.download_url_life > Duration::from_hours(1) {
            problems.add("uploads.download_url_life", "must be 1h or less: a signed URL cannot be called back");
        }
    }
}
