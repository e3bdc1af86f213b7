//! Writing letters: templates, compiled in, one folder per language; each letter has a subject, a text and an HTML form.

use anyhow::Context;
use lettre::message::{
    Body, Mailbox, MultiPart, SinglePart,
    header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
};
use minijinja::{Environment, UndefinedBehavior, context};
use time::OffsetDateTime;

use super::letter::{Letter, line};
use crate::{
    config::MailConfig,
    kernel::{EmailAddress, Timestamp},
};

/// Longest line that SMTP carries, without its end (RFC 5322, 2.1.1).
const MAX_LINE: usize = 998;

/// Where lines of text are broken, between words: what every mail program shows without a second break.
const COLUMNS: usize = 72;

/// A letter ready to go: an RFC 5322 message.
#[derive(Clone)]
pub struct Rendered {
    pub kind: &'static str,
    pub message: Vec<u8>,
}

macro_rules! templates {
    ($language:literal: $($kind:literal),*) => {
        &[
            (concat!($language, "/frame.html"), include_str!(concat!("templates/", $language, "/frame.html"))),
            (concat!($language, "/link.html"), include_str!(concat!("templates/", $language, "/link.html"))),
            $(
                (concat!($language, "/", $kind, ".subject"), include_str!(concat!("templates/", $language, "/", $kind, "/subject.txt"))),
                (concat!($language, "/", $kind, ".txt"), include_str!(concat!("templates/", $language, "/", $kind, "/body.txt"))),
                (concat!($language, "/", $kind, ".html"), include_str!(concat!("templates/", $language, "/", $kind, "/body.html"))),
            )*
        ]
    };
}

/// The templates of a language, by name.
type Templates = &'static [(&'static str, &'static str)];

/// Every language; the first stands in for those that are missing. Another one is a folder beside `templates/en`, with
/// all its letters, and a line here.
const LANGUAGES: [(&str, Templates); 1] = [(
    "en",
    templates!["en":
        "verify_email",
        "address_known",
        "welcome",
        "reset_password",
        "password_changed",
        "confirm_email_change",
        "email_changed",
        "new_device",
        "login_locked",
        "factor_locked",
        "factor_added",
        "factor_removed",
        "export_ready",
        "deletion_started",
        "deletion_cancelled",
        "session_reused",
        "application_decided",
        "submission_decided"
    ],
)];

/// Writes letters.
#[derive(Debug)]
pub struct Office {
    templates: Environment<'static>,
    from: Mailbox,
    reply_to: Option<Mailbox>,
}

impl Office {
    /// # Errors
    /// When the sender or a template is malformed: a mistake that the first start shows.
    pub fn new(config: &MailConfig) -> anyhow::Result<Self> {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        templates.set_keep_trailing_newline(true);
        templates.set_trim_blocks(true);
        for (name, source) in LANGUAGES.iter().flat_map(|(_, templates)| *templates) {
            templates.add_template(name, source).with_context(|| format!("the template {name}"))?;
        }
        let reply_to = config.reply_to.as_deref().map(str::parse).transpose().context("mail.reply_to is nobody")?;
        Ok(Self { templates, from: config.from.parse().context("mail.from is no sender")?, reply_to })
    }

    /// Writes a letter to one address, in `locale` (BCP 47), in its language, or else in English.
    ///
    /// # Errors
    /// When a template wants what the letter does not tell, or the address fits no header.
    pub fn write(
        &self,
        letter: &Letter,
        locale: &str,
        to: &EmailAddress,
        message_id: &str,
        at: Timestamp,
    ) -> anyhow::Result<Rendered> {
        let (kind, lang) = (letter.kind(), language(&LANGUAGES.map(|(language, _)| language), locale));
        let part = |ending: &str, facts| self.templates.get_template(&format!("{lang}/{kind}.{ending}"))?.render(facts);
        let facts = letter.facts();
        let subject = line(&part("subject", facts.clone())?);
        let text = wrapped(&part("txt", facts.clone())?);
        let html = part("html", context! { lang, subject, ..facts })?;

        let sent_at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.micros()) * 1000)?;
        let mut message = lettre::Message::builder()
            .from(self.from.clone())
            .to(to.expose().parse().map(|address| Mailbox::new(None, address))?)
            .subject(subject)
            // Stable: whatever is sent twice after a crash is folded into one by most mailboxes.
            .message_id(Some(format!("<{message_id}@{}>", self.from.email.domain())))
            .date(sent_at.into())
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .header(lettre::message::header::MIME_VERSION_1_0);
        if let Some(reply_to) = &self.reply_to {
            message = message.reply_to(reply_to.clone());
        }
        let parts = MultiPart::alternative()
            .boundary(format!("part-{message_id}"))
            .singlepart(single(ContentType::TEXT_PLAIN, text))
            .singlepart(single(ContentType::TEXT_HTML, html));
        Ok(Rendered { kind, message: message.multipart(parts)?.formatted() })
    }
}

/// The language to write in, of those that are `known`: the locale itself, its first part, or the first of them.
fn language(known: &[&'static str], locale: &str) -> &'static str {
    let first = locale.split(['-', '_']).next().unwrap_or_default();
    let find = |wanted: &str| known.iter().find(|language| language.eq_ignore_ascii_case(wanted));
    find(locale).or_else(|| find(first)).or_else(|| known.first()).copied().unwrap_or("en")
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// Breaks long lines between words; a word longer than a line, such as a link, stays whole.
fn wrapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / COLUMNS + 1);
    for line in text.trim_end().split('\n') {
        let mut column = 0;
        for word in line.split(' ').filter(|word| !word.is_empty()) {
            let width = word.chars().count();
            let gap = match column {
                0 => "",
                _ if column + 1 + width <= COLUMNS => " ",
                _ => "\n",
            };
            column = if gap == " " { column + 1 + width } else { width };
            out.push_str(gap);
            out.push_str(word);
        }
        out.push('\n');
    }
    out
}

/// A part of a letter. Plain ASCII goes as it is (lettre would break its longer lines), so that a link in an `.eml` file
/// can be read and copied.
fn single(kind: ContentType, text: String) -> SinglePart {
    let readable = text.is_ascii() && !text.contains(['\0', '\r']) && text.lines().all(|line| line.len() <= MAX_LINE);
    let body = if readable {
        Body::dangerous_pre_encoded(text.replace('\n', "\r\n").into_bytes(), ContentTransferEncoding::SevenBit)
    } else {
        Body::new(text)
    };
    SinglePart::builder().header(kind).body(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_and_links_never() {
        let link = format!("https://music.example/verify?token={}", "a".repeat(80));
        let text = format!("{}end\n\n{link}\nx y\n", "word ".repeat(20));
        let wrapped = wrapped(&text);
        assert!(wrapped.contains(&format!("\n{link}\nx y\n")), "{wrapped}");
        assert!(wrapped.lines().all(|line| line.chars().count() <= COLUMNS || line == link));
        assert_eq!(wrapped.split_whitespace().count(), text.split_whitespace().count());
    }

    #[test]
    fn a_locale_is_written_in_itself_in_its_language_or_in_english() {
        let chosen = |locale| language(&["en", "pt", "pt-BR"], locale);
        for locale in ["en", "en-GB", "EN_us", "de-DE", "", "../../etc"] {
            assert_eq!(chosen(locale), "en");
        }
        assert_eq!((chosen("pt-PT"), chosen("PT-br"), chosen("pt")), ("pt", "pt-BR", "pt"));
    }
}
