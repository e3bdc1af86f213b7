//! Letters about artists' work.

use backline::mail::Letter as Kind;
use insta::assert_snapshot;

use super::written;

#[test]
fn applicants_hear_the_decision_and_its_reason() {
    let decided = |approved, note: &str| {
        written(&Kind::ApplicationDecided { stage_name: "Ana Sol".into(), approved, note: note.into() })
    };
    assert_snapshot!(decided(true, ""), @r#"
    Welcome, Ana Sol

    Your application as Ana Sol was approved. You can upload and submit
    tracks now.

    You get this letter because you applied as an artist at Backline.
    ----
    <h1 style="font-size:22px;line-height:1.3">Welcome, Ana Sol</h1>
    <p>Your application as Ana Sol was approved. You can upload and submit tracks now.</p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because you applied as an artist at Backline.</p>
    "#);
    assert_snapshot!(decided(false, "Tell us more about your work.\n\nAnd add a link."), @r#"
    Your application as Ana Sol

    Your application as Ana Sol was not approved this time. You can change
    it and apply again.

    The reviewers wrote:
    Tell us more about your work.

    And add a link.

    You get this letter because you applied as an artist at Backline.
    ----
    <h1 style="font-size:22px;line-height:1.3">Your application as Ana Sol</h1>
    <p>Your application as Ana Sol was not approved this time. You can change it and apply again.</p>
    <p>The reviewers wrote:</p>
    <blockquote style="white-space:pre-line">Tell us more about your work.

    And add a link.</blockquote>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because you applied as an artist at Backline.</p>
    "#);
}

#[test]
fn artists_hear_what_became_of_a_submission() {
    let decided = |decision, note: &str| {
        written(&Kind::SubmissionDecided { title: "Café <live>".into(), decision, note: note.into() })
    };
    assert_snapshot!(decided("rejected", "The file is silent."), @r#"
    “Café <live>” was rejected

    Your submission “Café <live>” was rejected.

    The reviewers wrote:
    The file is silent.

    You get this letter because you submitted this track at Backline.
    ----
    <h1 style="font-size:22px;line-height:1.3">“Café &lt;live&gt;” was rejected</h1>
    <p>Your submission “Café &lt;live&gt;” was rejected.</p>
    <p>The reviewers wrote:</p>
    <blockquote style="white-space:pre-line">The file is silent.</blockquote>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because you submitted this track at Backline.</p>
    "#);
    assert!(decided("published", "").starts_with("“Café <live>” was published\n"));
}
