//! What our letters say, and that nothing can be made of them that we did not write.

mod accounts;
mod security;
mod work;

use backline::{
    config::MailConfig,
    kernel::{EmailAddress, Timestamp},
    mail::{Letter as Kind, Office},
};
use insta::assert_snapshot;

use crate::harness::*;

fn office() -> Office {
    Office::new(&MailConfig { from: "Backline <hello@backline.test>".into(), ..MailConfig::default() }).unwrap()
}

fn message(letter: &Kind) -> String {
    let to: EmailAddress = "ana@example.org".parse().unwrap();
    let rendered = office().write(letter, "en", &to, "let_1", Timestamp::from_micros(0)).unwrap();
    String::from_utf8(rendered.message).unwrap()
}

/// A letter as its readers see it: subject, text, and what stands in the frame of its page.
fn written(letter: &Kind) -> String {
    let letter = Letter::parse(message(letter).as_bytes());
    assert_eq!(letter.to, "ana@example.org");
    assert_sound(&letter);
    let (_, inside) = letter.html.split_once("<main").unwrap();
    let inside = inside.split_once(">\n").unwrap().1.split_once("</main>").unwrap().0;
    format!("{}\n\n{}\n----\n{inside}", letter.subject, letter.text)
}

/// What every letter keeps to, whoever reads it and with what.
fn assert_sound(letter: &Letter) {
    let Letter { subject, text, html, .. } = letter;
    for needed in ["<html lang=\"en\">", "<title>", "name=\"color-scheme\"", "name=\"viewport\"", "max-width:36em"] {
        assert!(html.contains(needed), "{needed}: {html}");
    }
    for unwanted in ["<img", "<script", "<table", "http-equiv", "onclick", "url(", "click here"] {
        assert!(!html.contains(unwanted), "{unwanted}: {html}");
    }
    assert_eq!((html.matches("<h1").count(), html.matches("<title>").count()), (1, 1));
    assert!(!subject.is_empty() && subject.chars().count() <= 78, "{subject}");
    for line in text.lines() {
        assert!(line.chars().count() <= 72 || line.starts_with("http"), "{line}");
    }
    let why = text.trim().rsplit("\n\n").next().unwrap();
    assert!(why.starts_with("You get this letter "), "it says why it was sent: {text}");
    // Whoever reads only one of the two misses no link.
    for link in text.split_whitespace().filter(|word| word.starts_with("http")) {
        assert!(html.matches(&link.replace('/', "&#x2f;")).count() >= 2, "{link}: {html}");
    }
}

/// One of each, with names that would like to be more than names.
fn all(name: &str) -> Vec<Kind> {
    let text = || name.to_owned();
    let link = || "https://backline.test/undo?token=abc".to_owned();
    vec![
        Kind::VerifyEmail { link: link(), code: "2345-6789".into() },
        Kind::AddressKnown { sign_in: link() },
        Kind::Welcome { sign_in: link() },
        Kind::ResetPassword { link: link(), code: "2345-6789".into() },
        Kind::PasswordChanged { undo: link() },
        Kind::ConfirmEmailChange { link: link(), code: "2345-6789".into(), new_address: Some(text()) },
        Kind::EmailChanged { new_address: Some(text()), undo: Some(link()) },
        Kind::NewDevice { device_name: text(), network: text(), at: text(), undo: link() },
        Kind::LoginLocked { until_reset: false, unlock: Some(link()) },
        Kind::FactorLocked { off: false },
        Kind::FactorAdded { factor: text(), undo: link() },
        Kind::FactorRemoved { factor: text(), undo: link() },
        Kind::ExportReady,
        Kind::DeletionStarted { purge_date: text(), undo: link() },
        Kind::DeletionCancelled,
        Kind::SessionReused { device_name: text(), undo: link() },
        Kind::ApplicationDecided { stage_name: text(), approved: true, note: text() },
        Kind::SubmissionDecided { title: text(), decision: "published", note: text() },
    ]
}

#[test]
fn no_name_becomes_markup_a_header_or_a_paragraph() {
    let name = "Ana<script>alert(1)</script>\r\nBcc: eve@example.org\r\n\r\nYour bill: \"&\0\u{b}";
    for letter in all(name) {
        let message = message(&letter);
        let (head, _) = message.split_once("\r\n\r\n").unwrap();
        let names: Vec<&str> = head
            .split("\r\n")
            .filter(|line| !line.starts_with(' '))
            .map(|line| line.split(':').next().unwrap())
            .collect();
        let expected =
            ["From", "To", "Subject", "Message-ID", "Date", "Auto-Submitted", "MIME-Version", "Content-Type"];
        assert_eq!(names, expected, "{head}");
        let read = Letter::parse(message.as_bytes());
        assert!(!read.subject.contains(['\r', '\n', '\0']), "{:?}", read.subject);
        assert!(!read.html.contains("<script") && !read.html.contains('\0'), "{}", read.html);
        let note = matches!(letter, Kind::ApplicationDecided { .. } | Kind::SubmissionDecided { .. });
        assert!(note || !read.text.lines().any(|line| line.starts_with("Bcc:") || line.starts_with("Your bill")));
    }
}

#[test]
fn a_very_long_name_breaks_no_line_that_mail_may_not_have() {
    for letter in all(&"n".repeat(5000)) {
        assert!(message(&letter).split("\r\n").all(|line| line.len() <= 998));
    }
}

#[test]
fn a_letter_says_who_sent_it_and_that_no_person_did() {
    let config = MailConfig {
        from: "Backline <hello@music.example>".into(),
        reply_to: Some("Help <help@music.example>".into()),
        ..MailConfig::default()
    };
    let to = "ana@example.org".parse().unwrap();
    let at = Timestamp::from_micros(1_772_323_200_000_000);
    let rendered = Office::new(&config).unwrap().write(&Kind::ExportReady, "de", &to, "let_1", at).unwrap();
    let message = String::from_utf8(rendered.message).unwrap();
    assert_snapshot!(message.split_once("\r\n\r\n").unwrap().0.replace('\r', ""), @r#"
    From: Backline <hello@music.example>
    To: ana@example.org
    Subject: Your data is ready
    Message-ID: <let_1@music.example>
    Date: Sun, 01 Mar 2026 00:00:00 +0000
    Auto-Submitted: auto-generated
    MIME-Version: 1.0
    Reply-To: Help <help@music.example>
    Content-Type: multipart/alternative; boundary="part-let_1"
    "#);
}

#[test]
fn the_frame_is_plain_and_kind_to_tired_eyes() {
    let letter = Letter::parse(message(&Kind::ExportReady).as_bytes());
    assert_snapshot!(letter.html, @r#"
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <meta name="supported-color-schemes" content="light dark">
    <title>Your data is ready</title>
    <style>
    :root { color-scheme: light dark; supported-color-schemes: light dark; }
    @media (prefers-color-scheme: dark) {
    body { background: #16181d !important; color: #f2f2f2 !important; }
    .button { background: #9ec1ff !important; color: #10131a !important; }
    .address, .why { color: #c3c7cf !important; }
    }
    </style>
    </head>
    <body style="margin:0;padding:24px;background:#ffffff;color:#1a1a1a;font:16px/1.5 system-ui,sans-serif">
    <main style="max-width:36em;margin:0 auto">
    <h1 style="font-size:22px;line-height:1.3">Your data is ready</h1>
    <p>The copy of your data that you asked for is ready. Download it in the app within 7 days; after that it is deleted.</p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because you asked Backline for a copy of your data. If it was not you, choose a new password.</p>
    </main>
    </body>
    </html>
    "#);
}
