//! Small statistics.

use std::time::Duration;

/// The value that a share of all values, between 0 and 1, does not exceed. Sorts them.
pub fn quantile<T: Ord + Copy>(values: &mut [T], share: f64) -> Option<T> {
    values.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a rank")]
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

/// A quantile in milliseconds, for a table.
pub fn ms(values: &mut [Duration], share: f64) -> String {
    quantile(values, share).map_or_else(|| "–".to_owned(), |span| format!("{:.1}", span.as_secs_f64() * 1000.0))
}

/// So many a second.
pub fn per_second(count: usize, span: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / span.as_secs_f64()
}
