//! Time on the wire.

use std::time::Duration;

use crate::kernel::Timestamp;

pub fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    let micros = at.micros();
    prost_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1000).unwrap_or(0),
    }
}

/// A moment as sent; `None` if it is no valid timestamp. Less than a microsecond is dropped.
pub fn moment(at: &prost_types::Timestamp) -> Option<Timestamp> {
    /// 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
    const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
    let valid = SECONDS.contains(&at.seconds) && (0..1_000_000_000).contains(&at.nanos);
    valid.then(|| Timestamp::from_micros(at.seconds * 1_000_000 + i64::from(at.nanos) / 1000))
}

pub fn duration(span: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or(0),
    }
}
