//! What our letters say.

use backline::{
    kernel::Timestamp,
    mail::{Letter as Kind, Office},
};
use insta::assert_snapshot;

use crate::harness::*;

/// A letter as its reader sees it: subject, empty line, text.
fn written(letter: &Kind) -> String {
    let office = Office::new("Backline <hello@backline.test>").unwrap();
    let to = "ana@example.org".parse().unwrap();
    let rendered = office.write(letter, &to, "let_1", Timestamp::from_micros(0)).unwrap();
    let letter = Letter::parse(&rendered.message);
    assert_eq!(letter.to, "ana@example.org");
    for needed in ["<html", "<title>", "</html>"] {
        assert!(letter.html.contains(needed), "{}", letter.html);
    }
    format!("{}\n\n{}", letter.subject, letter.text)
}

#[tokio::test]
async fn a_new_address_is_asked_to_confirm() {
    let world = World::start().await;
    let ana = world.register("ana").await;
    let letter = world.newest_letter_to(&ana.email).await;
    assert_eq!(letter.to, "ana@example.org");
    assert_eq!(letter.subject, "Confirm your e-mail address");
    assert_snapshot!(letter.blanked(), @r"
    Confirm that this address is yours, and your account is ready.

    Open this page and press the button. It works for 24 hours:
    http://backline.test/verify?token=[token]

    Or type this code into the app. It works for 10 minutes:
    [code]

    You get this letter because someone registered this address at Backline. If it was not you, do nothing: without your
    confirmation there is no account.
    ");
    assert!(letter.html.contains(letter.token()) && letter.html.contains(letter.code()));
    assert_eq!(letter.token().len(), 43, "256 bits");
}

#[test]
fn a_known_address_is_told_that_it_has_an_account() {
    assert_snapshot!(written(&Kind::AddressKnown { sign_in: "https://backline.test".into() }), @r"
    You already have an account

    Someone, perhaps you, tried to register this address at Backline. It has an account already, and nothing was changed.

    If it was you, sign in as usual:
    https://backline.test

    You get this letter because your address was entered on our registration form. If it was not you, do nothing.
    ");
}

#[test]
fn the_owner_of_a_copied_session_is_told() {
    let undo = "https://backline.test/undo".into();
    assert_snapshot!(written(&Kind::SessionReused { device_name: "Ana’s phone".into(), undo }), @r"
    A device was signed out for your safety

    We signed out one of your devices (Ana’s phone): an old sign-in key of it was used a second time, which
    happens when a key is copied.

    Sign in again on that device. If it was not you who used it, end everything and choose a new password:

    https://backline.test/undo

    You get this letter because it concerns the safety of your Backline account.
    ");
}

#[test]
fn applicants_hear_the_decision_and_its_reason() {
    let decided = |approved, note: &str| {
        written(&Kind::ApplicationDecided { stage_name: "Ana Sol".into(), approved, note: note.into() })
    };
    assert_snapshot!(decided(true, ""), @r"
    Welcome, Ana Sol

    Your application as Ana Sol was approved. You can upload and submit tracks now.

    You get this letter because you applied as an artist at Backline.
    ");
    assert_snapshot!(decided(false, "Tell us more about your work."), @r"
    Your application as Ana Sol

    Your application as Ana Sol was not approved this time.

    The reviewers wrote:
    Tell us more about your work.

    You get this letter because you applied as an artist at Backline.
    ");
}

#[test]
fn artists_hear_what_became_of_a_submission() {
    let decided = |decision, note: &str| {
        written(&Kind::SubmissionDecided { title: "Café <live>".into(), decision, note: note.into() })
    };
    assert_snapshot!(decided("rejected", "The file is silent."), @r"
    “Café <live>” was rejected

    Your submission “Café <live>” was rejected.

    The reviewers wrote:
    The file is silent.

    You get this letter because you submitted this track at Backline.
    ");
    assert!(decided("published", "").starts_with("“Café <live>” was published\n"));
}
