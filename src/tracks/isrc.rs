//! International Standard Recording Codes (ISO 3901).

/// Text that is no ISRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an ISRC: two letters, three letters or digits, seven digits, for example PTABC2600001")]
pub struct InvalidIsrc;

/// The twelve characters of a code, upper case. Hyphens may stand where the standard prints them.
pub fn parse(text: &str) -> Result<String, InvalidIsrc> {
    let text = text.trim();
    let code: String = match text.split('-').collect::<Vec<_>>().as_slice() {
        [whole] => (*whole).to_owned(),
        [prefix, registrant, year, number]
            if (prefix.len(), registrant.len(), year.len(), number.len()) == (2, 3, 2, 5) =>
        {
            [*prefix, registrant, year, number].concat()
        }
        _ => return Err(InvalidIsrc),
    };
    let fits = |(place, byte): (usize, u8)| match place {
        0..2 => byte.is_ascii_alphabetic(),
        2..5 => byte.is_ascii_alphanumeric(),
        _ => byte.is_ascii_digit(),
    };
    if code.len() == 12 && code.bytes().enumerate().all(fits) {
        Ok(code.to_ascii_uppercase())
    } else {
        Err(InvalidIsrc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_kept_without_hyphens_in_upper_case() {
        for written in ["PTABC2600001", "pt-abc-26-00001", " PT-ABC-26-00001 "] {
            assert_eq!(parse(written).as_deref(), Ok("PTABC2600001"), "{written}");
        }
        assert_eq!(parse("GB-A1B-99-12345").as_deref(), Ok("GBA1B9912345"));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "PT",
            "PTABC260001",
            "PTABC26000012",
            "P1ABC2600001",
            "PTABC26O0001",
            "PT-ABC-2600001",
            "PTA-BC-26-00001",
            "----",
            "PTÁBC260001",
            "ＰＴABC260001",
        ] {
            assert_eq!(parse(text), Err(InvalidIsrc), "{text}");
        }
    }
}
