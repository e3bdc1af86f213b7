//! What is asked, in the words of either database.
//!
//! Nothing that is typed can be an operator: words are letters, digits and marks, and each stands in quotes.

use std::collections::HashSet;

use super::normalize::{Chunk, Word, chunks, fold, whole};

/// Most words of a query. Each of them costs a look into the index.
pub const MAX_WORDS: usize = 20;

/// A query that has at least one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// To be compared with a document's `whole`.
    pub whole: String,
    /// All of these; of each, any of the ways; of a way, all words.
    wanted: Vec<Vec<Vec<Word>>>,
}

/// Why a text is no query, in words for a field violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unaskable {
    #[error("must have at least one letter or digit")]
    NoWord,
    #[error("must have at most {MAX_WORDS} words")]
    TooManyWords,
}

/// How a word of the query must occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Whole,
    /// As a whole word or as the beginning of one.
    Prefix,
}

impl Asked {
    pub fn read(text: &str) -> Result<Self, Unaskable> {
        let folded = fold(text);
        let mut known = HashSet::new();
        let wanted: Vec<_> = chunks(&folded).map(Chunk::wanted).filter(|ways| known.insert(ways.clone())).collect();
        match wanted.len() {
            0 => Err(Unaskable::NoWord),
            1..=MAX_WORDS => Ok(Self { whole: whole(&folded), wanted }),
            _ => Err(Unaskable::TooManyWords),
        }
    }

    /// For FTS5: `("ac"* AND "dc"*) OR ("acdc"*)`.
    pub fn fts5(&self, how: How) -> String {
        self.written(" AND ", " OR ", |word| {
            let star = if how == How::Prefix && word.by_prefix { "*" } else { "" };
            format!("\"{}\"{star}", word.text)
        })
    }

    /// For PostgreSQL: `('ac':* & 'dc':*) | ('acdc':*)`.
    pub fn tsquery(&self, how: How) -> String {
        self.written(" & ", " | ", |word| {
            let star = if how == How::Prefix && word.by_prefix { ":*" } else { "" };
            format!("'{}'{star}", word.text)
        })
    }

    fn written(&self, and: &str, or: &str, word: impl Fn(&Word) -> String) -> String {
        let way = |words: &Vec<Word>| format!("({})", words.iter().map(&word).collect::<Vec<_>>().join(and));
        let chunk = |ways: &Vec<Vec<Word>>| format!("({})", ways.iter().map(way).collect::<Vec<_>>().join(or));
        self.wanted.iter().map(chunk).collect::<Vec<_>>().join(and)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_written_for_either_database() {
        let asked = Asked::read("AC/DC Live 東京").unwrap();
        assert_eq!(asked.whole, "acdc live 東京");
        assert_eq!(asked.fts5(How::Prefix), r#"(("ac"* AND "dc"*) OR ("acdc"*)) AND (("live"*)) AND (("東京"))"#);
        assert_eq!(asked.fts5(How::Whole), r#"(("ac" AND "dc") OR ("acdc")) AND (("live")) AND (("東京"))"#);
        assert_eq!(asked.tsquery(How::Prefix), "(('ac':* & 'dc':*) | ('acdc':*)) & (('live':*)) & (('東京'))");
    }

    #[test]
    fn operators_are_words_or_nothing() {
        let asked = Asked::read("night\" OR (bus* NOT ^a:b) | '!& -").unwrap();
        let written = asked.fts5(How::Whole);
        assert_eq!(written, r#"(("night")) AND (("or")) AND (("bus")) AND (("not")) AND (("a" AND "b") OR ("ab"))"#);
        assert_eq!(Asked::read(" \"*' "), Err(Unaskable::NoWord));
    }

    #[test]
    fn long_queries_are_refused_and_repeats_do_not_count() {
        let many: Vec<String> = (0..=MAX_WORDS).map(|n| n.to_string()).collect();
        assert_eq!(Asked::read(&many.join(" ")), Err(Unaskable::TooManyWords));
        assert!(Asked::read(&"la ".repeat(60)).is_ok());
    }
}
