//! Text that people typed: trimmed, normalised, bounded, without control characters.

use unicode_normalization::UnicodeNormalization;

/// Why a text was refused, in words for a `BadRequest` field violation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    #[error("must not be empty")]
    Empty,
    #[error("must have at least {0} characters")]
    TooShort(usize),
    #[error("must have at most {0} characters")]
    TooLong(usize),
    #[error("must not contain control characters")]
    ControlCharacters,
}

/// One line: NFC, trimmed, `1..=max` characters, no control or bidirectional override characters.
pub fn line(text: &str, max: usize) -> Result<String, InvalidText> {
    match optional_line(text, max)? {
        line if line.is_empty() => Err(InvalidText::Empty),
        line => Ok(line),
    }
}

/// As [`line()`], but may be empty.
pub fn optional_line(text: &str, max: usize) -> Result<String, InvalidText> {
    bounded(text, max, |c| c.is_control() || overrides_direction(c))
}

/// Several lines, may be empty: as [`optional_line`], but line feeds and tabs are kept and `\r\n` becomes `\n`.
pub fn paragraphs(text: &str, max: usize) -> Result<String, InvalidText> {
    let text = text.replace("\r\n", "\n");
    bounded(&text, max, |c| (c.is_control() && c != '\n' && c != '\t') || overrides_direction(c))
}

fn bounded(text: &str, max: usize, forbidden: impl Fn(char) -> bool) -> Result<String, InvalidText> {
    let normal: String = text.trim().nfc().collect();
    if normal.chars().any(forbidden) {
        return Err(InvalidText::ControlCharacters);
    }
    if normal.chars().count() > max {
        return Err(InvalidText::TooLong(max));
    }
    Ok(normal)
}

/// Characters that make a text read other than it is (CVE-2021-42574).
fn overrides_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_trimmed_and_bounded() {
        assert_eq!(line("  Field notes ", 20), Ok("Field notes".to_owned()));
        assert_eq!(line(" \u{3000} ", 20), Err(InvalidText::Empty));
        assert_eq!(line("seven!!", 6), Err(InvalidText::TooLong(6)));
        assert_eq!(line("two\nlines", 20), Err(InvalidText::ControlCharacters));
        assert_eq!(line("evil\u{202e}txt.exe", 20), Err(InvalidText::ControlCharacters));
        assert_eq!(paragraphs("two\r\nlines", 20), Ok("two\nlines".to_owned()));
    }
}
