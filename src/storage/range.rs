//! The `Range` header (RFC 9110, 14): one range of bytes.

use std::ops::Range;

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Everything: no range was asked for, or one that a server may ignore.
    Whole,
    Part(Range<u64>),
    /// The range begins beyond the end.
    Unsatisfiable,
}

/// Reads a `Range` header for content of `size` bytes. Several ranges, other units and malformed ones are ignored, as
/// the RFC allows.
pub fn read(header: &str, size: u64) -> Wanted {
    let Some((unit, ranges)) = header.split_once('=') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || ranges.contains(',') {
        return Wanted::Whole;
    }
    let Some((first, last)) = ranges.trim().split_once('-') else { return Wanted::Whole };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => Wanted::Whole,
        (Some(first), _) if first >= size && (last.is_empty() || number(last).is_some()) => Wanted::Unsatisfiable,
        (Some(first), Some(last)) => Wanted::Part(first..last.saturating_add(1).min(size)),
        (Some(first), None) if last.is_empty() => Wanted::Part(first..size),
        // The last so many bytes.
        (None, Some(0)) if first.is_empty() => Wanted::Unsatisfiable,
        (None, Some(count)) if first.is_empty() => Wanted::Part(size.saturating_sub(count)..size),
        _ => Wanted::Whole,
    }
}

/// Digits only: `+5` is no number here. One too large for us is larger than any file.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_ranges_are_cut_to_the_content() {
        assert_eq!(read("bytes=0-0", 10), Wanted::Part(0..1));
        assert_eq!(read("bytes=2-5", 10), Wanted::Part(2..6));
        assert_eq!(read("bytes=2-99", 10), Wanted::Part(2..10));
        assert_eq!(read("bytes=4-", 10), Wanted::Part(4..10));
        assert_eq!(read("Bytes=-3", 10), Wanted::Part(7..10));
        assert_eq!(read("bytes=-30", 10), Wanted::Part(0..10));
        assert_eq!(read("bytes=9-99999999999999999999999", 10), Wanted::Part(9..10));
    }

    #[test]
    fn beyond_the_end_there_is_nothing() {
        for header in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(read(header, 10), Wanted::Unsatisfiable, "{header}");
        }
    }

    #[test]
    fn anything_else_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "bytes=1-x",
            "bytes=10-x",
            "items=0-1",
            "bytes=0-1,3-4",
            "bytes=+1-2",
        ] {
            assert_eq!(read(header, 10), Wanted::Whole, "{header}");
        }
    }
}
