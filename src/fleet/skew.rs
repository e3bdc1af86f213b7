//! How far this machine's clock is from the database's.
//!
//! Instances of one database compare times that others wrote. From two seconds on, which is how soon a revocation must be
//! felt everywhere, order between them is lost. From thirty on things break: that is the step of authenticator apps and the
//! time in which a lost reply of a refresh may be asked for again.

use std::{fmt, time::Duration};

use sea_orm::DbErr;

use crate::{
    db::Db,
    kernel::{Clock, Timestamp},
};

/// This machine's clock less the database's, in microseconds; nothing if that could not be told from the way there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skew(i64);

impl Skew {
    /// More is told by health.
    pub const WRONG: Duration = Duration::from_secs(2);
    /// With more production does not start.
    pub const REFUSED: Duration = Duration::from_secs(30);

    /// The database had `there` at some moment between `before` and `after` of ours: only what lies outside is certain.
    pub fn between(before: Timestamp, there: Timestamp, after: Timestamp) -> Self {
        let (before, there, after) = (before.micros(), there.micros(), after.micros());
        if there > after {
            Self(after.saturating_sub(there))
        } else if there < before {
            Self(before.saturating_sub(there))
        } else {
            Self(0)
        }
    }

    pub fn is_wrong(self) -> bool {
        self.size() > Self::WRONG
    }

    pub fn is_refused(self) -> bool {
        self.size() > Self::REFUSED
    }

    /// In seconds; positive if this machine is ahead.
    #[expect(clippy::cast_precision_loss, reason = "a gauge of seconds wants no more than 52 bits of microseconds")]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }

    fn size(self) -> Duration {
        Duration::from_micros(self.0.unsigned_abs())
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s {}", self.size().as_secs_f64(), if self.0 < 0 { "behind" } else { "ahead of" })
    }
}

/// Asks the database for its time. None, where it runs on this machine's or the clock is a test's that stands still.
pub async fn measure(db: &Db, clock: &Clock) -> Result<Skew, DbErr> {
    let before = clock.now();
    let skew = match db.time().await? {
        Some(there) if clock.goes() => Skew::between(before, there, clock.now()),
        _ => Skew::default(),
    };
    metrics::gauge!("backline_clock_skew_seconds").set(skew.seconds());
    Ok(skew)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(1_772_323_200_000_000 + millis * 1000)
    }

    #[test]
    fn only_what_the_way_there_does_not_explain_counts() {
        assert_eq!(Skew::between(at(0), at(100), at(200)), Skew(0));
        assert_eq!(Skew::between(at(0), at(2200), at(200)), Skew(-2_000_000));
        assert_eq!(Skew::between(at(2000), at(0), at(9000)), Skew(2_000_000), "however slow the answer was");
    }

    #[test]
    fn two_seconds_are_told_and_thirty_refused() {
        let by = |millis: i64| Skew::between(at(millis), at(0), at(millis));
        assert!(!by(2000).is_wrong() && by(2001).is_wrong() && by(-2001).is_wrong());
        assert!(!by(30_000).is_refused() && by(30_001).is_refused() && by(-30_001).is_refused());
        assert_eq!(by(-31_000).to_string(), "31.0 s behind");
        assert_eq!(by(31_000).to_string(), "31.0 s ahead of");
        assert!((by(-1500).seconds() + 1.5).abs() < f64::EPSILON);
    }
}
