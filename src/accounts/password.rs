//! Which passwords are accepted (NIST SP 800-63B-4: length, no composition rules; ASVS 5.0, 6.2).

use std::{collections::HashMap, fmt};

use tonic_types::{ErrorDetails, FieldViolation};
use zxcvbn::{Score, zxcvbn};

use crate::{
    app::App,
    kernel::{EmailAddress, Password},
};

/// Characters, at least.
pub const MIN_LENGTH: usize = 12;
/// For people with staff roles.
pub const STAFF_MIN_LENGTH: usize = 15;
/// Characters, at most: longer ones only cost time.
pub const MAX_LENGTH: usize = 128;
/// Bytes of a password as typed, at most: longer than any that is accepted, and floods are not hashed.
pub const MAX_TYPED: usize = 1024;
/// Of the estimator: «safely unguessable: moderate protection from offline slow-hash scenario», 10⁸ guesses or more.
pub const MIN_SCORE: Score = Score::Three;
/// Different characters, at least: `aaaaaaaaaaaa` is long and no password.
const MIN_DIFFERENT: usize = 4;
/// Shorter pieces of a name or address are in too many good passwords by chance.
const MIN_PIECE: usize = 4;

/// Whose password it is to be.
#[derive(Clone, Copy)]
pub struct Person<'a> {
    pub email: &'a EmailAddress,
    pub name: &'a str,
    pub staff: bool,
}

/// A reason to refuse a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("it must have at least {0} characters")]
    TooShort(usize),
    #[error("it must have at most {MAX_LENGTH} characters")]
    TooLong,
    #[error("it must not be a few characters over and over")]
    Monotonous,
    #[error("it must not be built from your address or name")]
    Similar,
    #[error("it is too easily guessed: add another word or two")]
    Guessable,
    #[error("it is known from lists that others try first")]
    Breached,
    #[error("it is the one you have")]
    Unchanged,
}

impl Why {
    /// All of them, for the policy that clients read.
    pub const ALL: [Self; 7] = [
        Self::TooShort(MIN_LENGTH),
        Self::TooLong,
        Self::Monotonous,
        Self::Similar,
        Self::Guessable,
        Self::Breached,
        Self::Unchanged,
    ];

    /// The metadata key of `PASSWORD_REJECTED`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::TooShort(_) => "too_short",
            Self::TooLong => "too_long",
            Self::Monotonous => "monotonous",
            Self::Similar => "similar",
            Self::Guessable => "guessable",
            Self::Breached => "breached",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Everything that is wrong with a password; never nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected(Vec<Why>);

impl Rejected {
    /// The metadata of `PASSWORD_REJECTED`.
    pub fn facts(&self) -> HashMap<String, String> {
        self.0.iter().map(|why| (why.key().to_owned(), "true".to_owned())).collect()
    }

    /// Names the request's field that the password stood in.
    pub fn describe(&self, field: &str, details: &mut ErrorDetails) {
        details.set_bad_request(vec![FieldViolation::new(field, self.to_string())]);
    }
}

impl From<Why> for Rejected {
    fn from(why: Why) -> Self {
        Self(vec![why])
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join("; "))
    }
}

/// Judges a password for this person, on a thread that may block: the estimator takes some milliseconds.
///
/// # Errors
/// Every rule that refuses it, at once.
pub async fn judge(app: &App, password: &Password, person: Person<'_>) -> Result<(), Rejected> {
    let (typed, email, name) = (password.clone(), person.email.clone(), person.name.to_owned());
    let least = if person.staff { STAFF_MIN_LENGTH } else { MIN_LENGTH };
    let judged = tokio::task::spawn_blocking(move || by_itself(&typed, &email, &name, least)).await;
    // A rule that could not be asked refuses nothing: the length is looked at in any case.
    let mut wrong = judged.unwrap_or_else(|_| by_length(password.expose().chars().count(), least));
    if app.breached.has(password).await {
        wrong.push(Why::Breached);
    }
    if wrong.is_empty() { Ok(()) } else { Err(Rejected(wrong)) }
}

fn by_length(length: usize, least: usize) -> Vec<Why> {
    match length {
        _ if length < least => vec![Why::TooShort(least)],
        _ if length > MAX_LENGTH => vec![Why::TooLong],
        _ => Vec::new(),
    }
}

/// What can be said of a password and its person without any list.
fn by_itself(password: &Password, email: &EmailAddress, name: &str, least: usize) -> Vec<Why> {
    let text = password.expose();
    let mut wrong = by_length(text.chars().count(), least);
    // The estimator's time grows faster than its input.
    if wrong == [Why::TooLong] {
        return wrong;
    }
    if is_monotonous(text) {
        wrong.push(Why::Monotonous);
    }
    if is_similar(text, email, name) {
        wrong.push(Why::Similar);
    }
    if zxcvbn(text, &own_words(email, name)).score() < MIN_SCORE {
        wrong.push(Why::Guessable);
    }
    wrong
}

fn is_monotonous(text: &str) -> bool {
    let mut different: Vec<char> = text.chars().collect();
    different.sort_unstable();
    different.dedup();
    different.len() < MIN_DIFFERENT
}

/// Whether the person's own words make up more than half of it.
fn is_similar(text: &str, email: &EmailAddress, name: &str) -> bool {
    let bare = |text: &str| text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let (password, own) = (bare(text), [bare(email.expose()), bare(email.local_part()), bare(name)]);
    own.iter().any(|word| {
        word.chars().count() >= MIN_PIECE
            && password.contains(word.as_str())
            && word.chars().count() * 2 > password.chars().count()
    })
}

/// What somebody who knows the person tries first.
fn own_words<'a>(email: &'a EmailAddress, name: &'a str) -> Vec<&'a str> {
    let mut words = vec!["backline", email.expose(), email.local_part(), name];
    words.extend(email.expose().split(|c: char| !c.is_alphanumeric()));
    words.extend(name.split_whitespace());
    words.retain(|word| word.chars().count() >= 3);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(password: &str) -> Vec<Why> {
        by_itself(&Password::new(password), &"ana.sol@example.org".parse().unwrap(), "Ana Sol Rivera", MIN_LENGTH)
    }

    #[test]
    fn long_and_own_is_good_enough() {
        for good in [
            "twelve chars are",
            "correct horse battery staple",
            "pässwörter sind lang",
            "Ana likes long walks by the sea",
            "长密码由许多不同的汉字组成才安全",
        ] {
            assert_eq!(judged(good), [], "{good}");
        }
    }

    #[test]
    fn what_others_would_guess_is_refused() {
        assert_eq!(judged("kx8Q!zv"), [Why::TooShort(12), Why::Guessable]);
        assert_eq!(judged(&"long".repeat(40)), [Why::TooLong]);
        assert_eq!(judged("ababababababab"), [Why::Monotonous, Why::Guessable]);
        assert_eq!(judged("Ana Sol Rivera!!"), [Why::Similar, Why::Guessable]);
        assert_eq!(judged("ana.sol@example.org1"), [Why::Similar, Why::Guessable]);
        assert_eq!(judged("password12345678"), [Why::Guessable]);
    }

    #[test]
    fn judging_is_bounded_whatever_is_typed() {
        let began = std::time::Instant::now();
        for text in ["a1!".repeat(43), "1qaz2wsx".repeat(16), "é".repeat(128), "Ab9".repeat(30_000)] {
            judged(&text);
        }
        // A debug build is some ten times slower than the real one.
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    }
}
