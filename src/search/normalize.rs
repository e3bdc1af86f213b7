//! One normal form for what is searched and for what is asked.
//!
//! Folding: compatibility forms and case go, letters that do not decompose are spelled out (ø æ œ ß đ ł þ), marks go,
//! every dash, quote and other sign becomes one hyphen, every blank one space. The databases fold nothing themselves,
//! so what is found does not depend on which one runs. A change here wants the documents to be written anew.
//!
//! What stands between two spaces is a *chunk*: `r-e-m`, `ac-dc`, `night`. A chunk is found by its pieces and by what
//! they give together: `rem`, `acdc`.

use std::collections::HashSet;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Longest word that is told apart from its continuations, in characters. PostgreSQL takes lexemes up to 2 KiB.
const MAX_WORD: usize = 64;
/// Longest whole text that is compared, in characters. PostgreSQL's index takes keys up to 2,700 bytes.
const MAX_WHOLE: usize = 400;

/// The normal form: lower-case chunks parted by single spaces, their pieces parted by single hyphens. Folding it again
/// changes nothing.
pub fn fold(text: &str) -> String {
    let letters: String = text
        .chars()
        .map(|c| if c == '\u{b4}' { '\'' } else { c })
        .nfkd()
        .flat_map(char::to_lowercase)
        .nfkd()
        .filter(|c| !is_dropped(*c))
        .collect();
    let mut spelled = String::with_capacity(letters.len());
    for letter in letters.chars() {
        match transliterated(letter) {
            Some(ascii) => spelled.push_str(ascii),
            None => spelled.push(letter),
        }
    }
    let mut folded = String::with_capacity(spelled.len());
    let mut gap = None;
    for c in spelled.nfc() {
        if is_word(c) || (is_combining_mark(c) && gap.is_none() && !folded.is_empty()) {
            if let Some(gap) = gap.take().filter(|_| !folded.is_empty()) {
                folded.push(gap);
            }
            folded.push(c);
        } else if c.is_whitespace() {
            gap = Some(' ');
        } else {
            gap = gap.or(Some('-'));
        }
    }
    folded
}

/// Letters that no decomposition takes apart, in the spelling people type instead; and the final form of sigma.
const fn transliterated(c: char) -> Option<&'static str> {
    Some(match c {
        'ø' => "o",
        'æ' => "ae",
        'œ' => "oe",
        'ß' => "ss",
        'đ' | 'ð' => "d",
        'ł' => "l",
        'þ' => "th",
        'ħ' => "h",
        'ı' => "i",
        'ĸ' => "k",
        'ŋ' => "n",
        'ŧ' => "t",
        'ς' => "σ",
        _ => return None,
    })
}

/// Accents and points that are often left out, and characters that cannot be seen. Marks that make another letter stay:
/// the voicing of kana, the vowels of Indic scripts.
const fn is_dropped(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}'
        // Hebrew and Arabic points.
        | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}'
        | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6dc}'
        // Soft hyphens, joiners, direction marks, variation selectors.
        | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Letters and digits, less the letters that people write for an apostrophe.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() && !matches!(c, '\u{2b9}'..='\u{2bf}' | '\u{2c8}')
}

/// Scripts that are written without blanks between words, or whose words are sought by their parts.
const fn is_dense(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{1100}'..='\u{11ff}'
        | '\u{3005}'..='\u{3007}' | '\u{3040}'..='\u{312f}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// A word that a document has or a query wants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Word {
    pub text: String,
    /// Whether its beginning finds it. A letter or a pair of a dense script stands for itself.
    pub by_prefix: bool,
}

/// A chunk of folded text.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a>(&'a str);

/// The chunks of a folded text.
pub fn chunks(folded: &str) -> impl Iterator<Item = Chunk<'_>> {
    folded.split(' ').filter(|chunk| !chunk.is_empty()).map(Chunk)
}

impl Chunk<'_> {
    /// `ac-dc` → `acdc`.
    fn joined(self) -> String {
        self.0.replace('-', "")
    }

    /// Ways to ask for this chunk, each of them a list of words that must all be there: by its pieces, or joined.
    pub fn wanted(self) -> Vec<Vec<Word>> {
        let ways = [Some(self.0.to_owned()), self.0.contains('-').then(|| self.joined())];
        ways.into_iter().flatten().map(|way| words(&way, |dense| pairs(dense, false))).collect()
    }

    /// Everything that a document with this chunk is found by.
    fn found_by(self) -> Vec<Word> {
        [self.0.to_owned(), self.joined()].iter().flat_map(|way| words(way, |dense| pairs(dense, true))).collect()
    }
}

/// Words of a chunk; runs of a dense script are taken apart by `take_apart`.
fn words(chunk: &str, take_apart: impl Fn(&[char]) -> Vec<String>) -> Vec<Word> {
    let mut words = Vec::new();
    for piece in chunk.split('-') {
        let letters: Vec<char> = piece.chars().collect();
        // A mark belongs to the run of the letter that carries it.
        for run in letters.chunk_by(|a, b| is_dense(*a) == is_dense(*b) || is_combining_mark(*b)) {
            if is_dense(run[0]) {
                words.extend(take_apart(run).into_iter().map(|text| Word { text, by_prefix: false }));
            } else {
                words.push(Word { text: run.iter().take(MAX_WORD).collect(), by_prefix: true });
            }
        }
    }
    words
}

/// Pairs of neighbours; single letters too where there is no pair, or where `singles` are wanted as well.
fn pairs(run: &[char], singles: bool) -> Vec<String> {
    let pairs = run.windows(2).map(|pair| pair.iter().collect());
    let singles = run.iter().filter(|_| singles || run.len() == 1).map(char::to_string);
    singles.chain(pairs).collect()
}

/// The column `terms`: every word of these texts once.
pub fn terms<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut known = HashSet::new();
    let mut terms: Vec<String> = Vec::new();
    for text in texts {
        for word in chunks(&fold(text)).flat_map(Chunk::found_by) {
            if known.insert(word.text.clone()) {
                terms.push(word.text);
            }
        }
    }
    terms.join(" ")
}

/// The column `whole`: what an exact match is measured by. `AC/DC Live` → `acdc live`.
pub fn whole(folded: &str) -> String {
    folded.replace('-', "").chars().take(MAX_WHOLE).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_name_are_one() {
        for (text, folded) in [
            ("Björk", "bjork"),
            ("BJO\u{308}RK", "bjork"),
            ("Sigur Rós", "sigur ros"),
            ("Mø", "mo"),
            ("Ærøskøbing", "aeroskobing"),
            ("Straße", "strasse"),
            ("STRASSE", "strasse"),
            ("Łódź", "lodz"),
            ("Þórir", "thorir"),
            ("İstanbul ısı", "istanbul isi"),
            ("ΟΔΥΣΣΕΥΣ οδυσσεύς", "οδυσσευσ οδυσσευσ"),
            ("R.E.M.", "r-e-m"),
            ("AC/DC", "ac-dc"),
            ("a\u{2010}ha", "a-ha"),
            ("alt\u{2011}J", "alt-j"),
            ("Don\u{2019}t Stop", "don-t stop"),
            ("Don\u{b4}t", "don-t"),
            ("ＦＵＬＬ　ｗｉｄｔｈ", "full width"),
            ("ﬁre ½", "fire 1-2"),
            ("so\u{ad}ft", "soft"),
            ("ガ か\u{3099}", "ガ が"),
            ("\u{a0} two\tblanks\u{2003}", "two blanks"),
            ("Simon & Garfunkel", "simon garfunkel"),
            ("!!!", ""),
        ] {
            assert_eq!(fold(text), folded, "{text}");
        }
    }

    #[test]
    fn names_are_found_by_pieces_and_joined() {
        assert_eq!(terms(["R.E.M."]), "r e m rem");
        assert_eq!(terms(["AC/DC", "ac dc live"]), "ac dc acdc live");
        assert_eq!(terms(["P!nk"]), "p nk pnk");
        assert_eq!(terms(["東京事変 live"]), "東 京 事 変 東京 京事 事変 live");
        assert_eq!(whole(&fold("AC/DC  Live!")), "acdc live");
    }

    #[test]
    fn dense_scripts_are_asked_for_by_pairs() {
        let asked = |text: &str| {
            let folded = fold(text);
            let ways: Vec<Vec<Vec<String>>> = chunks(&folded)
                .map(|chunk| chunk.wanted().into_iter().map(|way| way.into_iter().map(|w| w.text).collect()).collect())
                .collect();
            ways
        };
        assert_eq!(asked("東"), [[["東"]]]);
        assert_eq!(asked("東京事"), [[["東京", "京事"]]]);
        assert_eq!(asked("AC/DC"), [vec![vec!["ac", "dc"], vec!["acdc"]]]);
        assert_eq!(asked("東京tokyo"), [[["東京", "tokyo"]]]);
    }

    proptest! {
        #[test]
        fn folding_is_done_once(text in "\\PC{0,40}") {
            let folded = fold(&text);
            prop_assert_eq!(fold(&folded), folded);
        }

        /// Any characters at all, controls among them.
        #[test]
        fn nothing_that_is_typed_breaks_it(text in any::<String>()) {
            let folded = fold(&text);
            prop_assert!(!folded.starts_with([' ', '-']) && !folded.ends_with([' ', '-']));
            prop_assert!(!folded.contains("  ") && !folded.contains("--"));
            for word in terms([text.as_str()]).split(' ').filter(|word| !word.is_empty()) {
                prop_assert!(word.chars().count() <= MAX_WORD);
                prop_assert!(word.chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric()));
            }
        }

        /// Whatever is published is found by its own text.
        #[test]
        fn a_text_answers_to_itself(text in "\\PC{0,40}") {
            let terms = terms([text.as_str()]);
            let known: HashSet<&str> = terms.split(' ').collect();
            let folded = fold(&text);
            for chunk in chunks(&folded) {
                for way in chunk.wanted() {
                    prop_assert!(way.iter().all(|word| known.contains(word.text.as_str())));
                }
            }
        }
    }
}
