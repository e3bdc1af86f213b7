//! Language tags (BCP 47), by their shape. Whether a language exists is not asked: registries grow.

/// Text that is no language tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a BCP 47 language tag of at most 35 characters, for example pt or pt-BR, or zxx for no words")]
pub struct InvalidLanguage;

/// Longest tag accepted (RFC 5646, 4.4.1).
const MAX_CHARACTERS: usize = 35;

/// A well-formed tag in the case that RFC 5646, 2.1.1, asks for: `PT-br` → `pt-BR`, `zh-hant` → `zh-Hant`.
pub fn parse(text: &str) -> Result<String, InvalidLanguage> {
    let text = text.trim();
    if text.len() > MAX_CHARACTERS {
        return Err(InvalidLanguage);
    }
    let mut parts = text.split('-');
    let primary = parts.next().filter(|part| (2..=8).contains(&part.len()) && letters(part)).ok_or(InvalidLanguage)?;
    let mut tag = primary.to_ascii_lowercase();
    // After a singleton, which opens an extension, something must follow, and case tells nothing.
    let (mut extension, mut unfinished) = (false, false);
    for part in parts {
        if !(1..=8).contains(&part.len()) || !part.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(InvalidLanguage);
        }
        let singleton = part.len() == 1;
        if singleton && unfinished {
            return Err(InvalidLanguage);
        }
        (extension, unfinished) = (extension || singleton, singleton);
        tag.push('-');
        tag.push_str(&cased(part, extension));
    }
    if unfinished { Err(InvalidLanguage) } else { Ok(tag) }
}

fn cased(part: &str, extension: bool) -> String {
    let lower = part.to_ascii_lowercase();
    match part.len() {
        2 if !extension => part.to_ascii_uppercase(),
        4 if !extension && letters(part) => lower[..1].to_ascii_uppercase() + &lower[1..],
        _ => lower,
    }
}

fn letters(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_kept_in_their_usual_case() {
        for (written, kept) in [
            ("pt", "pt"),
            ("PT-br", "pt-BR"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("zxx", "zxx"),
            ("sl-rozaj-1994", "sl-rozaj-1994"),
            ("en-x-Studio", "en-x-studio"),
            ("es-419", "es-419"),
        ] {
            assert_eq!(parse(written).as_deref(), Ok(kept), "{written}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "p", "portuguese", "pt_BR", "pt-", "-pt", "12", "pt-x", "pt-a-b-c", "pt--BR", "português"] {
            assert_eq!(parse(text), Err(InvalidLanguage), "{text}");
        }
        assert_eq!(parse(&format!("en{}", "-abcdefgh".repeat(4))), Err(InvalidLanguage));
    }
}
