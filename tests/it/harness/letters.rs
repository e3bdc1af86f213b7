//! What the mailer was given, as a mail program shows it.

use base64::{Engine, prelude::BASE64_STANDARD};

/// A letter that went out.
#[derive(Clone, Debug)]
pub struct Letter {
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
}

impl Letter {
    /// Reads an RFC 5322 message with two alternative parts, which is what we send.
    pub fn parse(message: &[u8]) -> Self {
        let message = std::str::from_utf8(message).expect("a letter is ASCII");
        let (head, body) = message.split_once("\r\n\r\n").expect("a letter has a head and a body");
        let kind = header(head, "Content-Type").expect("a letter has a content type");
        let boundary = kind.split("boundary=").nth(1).expect("a letter has two parts").trim_matches('"');
        let line = format!("--{boundary}");
        let mut parts = body.split(&line).skip(1);
        let mut part = || content(parts.next().expect("a letter has two parts").trim_start_matches("\r\n"));
        Self {
            to: header(head, "To").expect("a letter goes to someone"),
            subject: words(&header(head, "Subject").expect("a letter has a subject")),
            text: part(),
            html: part(),
        }
    }

    /// The address that the letter asks to open.
    pub fn link(&self) -> &str {
        self.text.split_whitespace().find(|word| word.starts_with("http")).expect("the letter has a link")
    }

    /// The link's token.
    pub fn token(&self) -> &str {
        self.link().split_once("token=").expect("the link has a token").1
    }

    /// The code to type.
    pub fn code(&self) -> &str {
        let is_code = |word: &&str| word.len() == 9 && word.as_bytes()[4] == b'-' && *word == word.to_uppercase();
        self.text.split_whitespace().find(is_code).expect("the letter has a code")
    }

    /// The text without what differs each time: tokens and codes.
    pub fn blanked(&self) -> String {
        let mut text = self.text.clone();
        if text.contains("token=") {
            text = text.replace(self.token(), "[token]").replace(self.code(), "[code]");
        }
        text
    }
}

/// A header's value, unfolded.
fn header(head: &str, name: &str) -> Option<String> {
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    unfolded.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// A part's text, decoded.
fn content(part: &str) -> String {
    let (head, body) = part.split_once("\r\n\r\n").expect("a part has a head and a body");
    let body = body.trim_end_matches("\r\n");
    let bytes = match header(head, "Content-Transfer-Encoding").as_deref() {
        Some("base64") => BASE64_STANDARD.decode(body.replace("\r\n", "")).unwrap(),
        Some("quoted-printable") => quoted_printable(&body.replace("=\r\n", "")),
        _ => body.as_bytes().to_vec(),
    };
    String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
}

fn quoted_printable(text: &str) -> Vec<u8> {
    let mut pieces = text.split('=');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(&piece[..2], 16).unwrap());
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    bytes
}

/// A header with encoded words (RFC 2047), decoded. White space between two of them is not part of the text.
fn words(value: &str) -> String {
    let mut out = String::new();
    let mut after_encoded = false;
    for word in value.split(' ') {
        let encoded = word.strip_prefix("=?utf-8?b?").and_then(|rest| rest.strip_suffix("?="));
        if !(out.is_empty() || after_encoded && encoded.is_some()) {
            out.push(' ');
        }
        match encoded {
            Some(encoded) => out.push_str(&String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap()).unwrap()),
            None => out.push_str(word),
        }
        after_encoded = encoded.is_some();
    }
    out
}
