//! Letters about opening, finding and closing an account.

use backline::mail::Letter as Kind;
use insta::assert_snapshot;

use super::written;
use crate::harness::*;

const LINK: &str = "https://backline.test/page?token=abc";

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

    You get this letter because someone registered this address at Backline.
    If it was not you, do nothing: without your confirmation there is no
    account.
    ");
    assert!(letter.html.contains(letter.token()) && letter.html.contains(letter.code()));
    assert_eq!(letter.token().len(), 43, "256 bits");
}

#[test]
fn the_page_of_a_verification_has_a_button_and_its_address() {
    assert_snapshot!(written(&Kind::VerifyEmail { link: LINK.into(), code: "2345-6789".into() }), @r#"
    Confirm your e-mail address

    Confirm that this address is yours, and your account is ready.

    Open this page and press the button. It works for 24 hours:
    https://backline.test/page?token=abc

    Or type this code into the app. It works for 10 minutes:
    2345-6789

    You get this letter because someone registered this address at Backline.
    If it was not you, do nothing: without your confirmation there is no
    account.
    ----
    <h1 style="font-size:22px;line-height:1.3">Confirm your e-mail address</h1>
    <p>Confirm that this address is yours, and your account is ready.</p>
    <p>Open this page and press the button. It works for 24 hours:</p>
    <p><a href="https:&#x2f;&#x2f;backline.test&#x2f;page?token=abc" class="button" style="display:inline-block;padding:12px 20px;background:#1a4fd0;color:#ffffff;border-radius:6px">Confirm the address</a></p>
    <p class="address" style="font-size:14px;word-break:break-all;color:#555555">The same address, to copy: https:&#x2f;&#x2f;backline.test&#x2f;page?token=abc</p>
    <p>Or type this code into the app. It works for 10 minutes:</p>
    <p style="font-size:24px;letter-spacing:2px"><strong>2345-6789</strong></p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because someone registered this address at Backline. If it was not you, do nothing: without your confirmation there is no account.</p>
    "#);
}

#[test]
fn a_known_address_is_told_that_it_has_an_account() {
    assert_snapshot!(written(&Kind::AddressKnown { sign_in: LINK.into() }), @r#"
    You already have an account

    Someone, perhaps you, tried to register this address at Backline. It has
    an account already, and nothing was changed.

    If it was you, sign in as usual:
    https://backline.test/page?token=abc

    If you have forgotten your password, choose a new one where you sign in.

    You get this letter because your address was entered on our registration
    form. If it was not you, do nothing.
    ----
    <h1 style="font-size:22px;line-height:1.3">You already have an account</h1>
    <p>Someone, perhaps you, tried to register this address at Backline. It has an account already, and nothing was changed.</p>
    <p>If it was you, sign in as usual:</p>
    <p><a href="https:&#x2f;&#x2f;backline.test&#x2f;page?token=abc" class="button" style="display:inline-block;padding:12px 20px;background:#1a4fd0;color:#ffffff;border-radius:6px">Sign in</a></p>
    <p class="address" style="font-size:14px;word-break:break-all;color:#555555">The same address, to copy: https:&#x2f;&#x2f;backline.test&#x2f;page?token=abc</p>
    <p>If you have forgotten your password, choose a new one where you sign in.</p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because your address was entered on our registration form. If it was not you, do nothing.</p>
    "#);
}

#[test]
fn whoever_opened_an_account_is_welcome() {
    assert_snapshot!(written(&Kind::Welcome { sign_in: LINK.into() }), @r#"
    Welcome to Backline

    Your address is confirmed and your account is open.

    Sign in whenever you like:
    https://backline.test/page?token=abc

    You get this letter once, because you opened an account at Backline with
    this address.
    ----
    <h1 style="font-size:22px;line-height:1.3">Welcome to Backline</h1>
    <p>Your address is confirmed and your account is open.</p>
    <p>Sign in whenever you like:</p>
    <p><a href="https:&#x2f;&#x2f;backline.test&#x2f;page?token=abc" class="button" style="display:inline-block;padding:12px 20px;background:#1a4fd0;color:#ffffff;border-radius:6px">Sign in</a></p>
    <p class="address" style="font-size:14px;word-break:break-all;color:#555555">The same address, to copy: https:&#x2f;&#x2f;backline.test&#x2f;page?token=abc</p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter once, because you opened an account at Backline with this address.</p>
    "#);
}

#[test]
fn a_forgotten_password_is_replaced() {
    assert_snapshot!(written(&Kind::ResetPassword { link: LINK.into(), code: "2345-6789".into() }), @r#"
    Choose a new password

    Someone, probably you, asked to choose a new password for your Backline
    account.

    Open this page to choose it. It works for 30 minutes:
    https://backline.test/page?token=abc

    Or type this code where you asked. It works for 10 minutes:
    2345-6789

    If it was not you, do nothing: your password stays as it is. Never tell
    this code to anyone.

    You get this letter because a new password was asked for at Backline
    with this address.
    ----
    <h1 style="font-size:22px;line-height:1.3">Choose a new password</h1>
    <p>Someone, probably you, asked to choose a new password for your Backline account.</p>
    <p>Open this page to choose it. It works for 30 minutes:</p>
    <p><a href="https:&#x2f;&#x2f;backline.test&#x2f;page?token=abc" class="button" style="display:inline-block;padding:12px 20px;background:#1a4fd0;color:#ffffff;border-radius:6px">Choose a new password</a></p>
    <p class="address" style="font-size:14px;word-break:break-all;color:#555555">The same address, to copy: https:&#x2f;&#x2f;backline.test&#x2f;page?token=abc</p>
    <p>Or type this code where you asked. It works for 10 minutes:</p>
    <p style="font-size:24px;letter-spacing:2px"><strong>2345-6789</strong></p>
    <p>If it was not you, do nothing: your password stays as it is. Never tell this code to anyone.</p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because a new password was asked for at Backline with this address.</p>
    "#);
}

#[test]
fn an_export_that_is_ready_is_told() {
    assert_snapshot!(written(&Kind::ExportReady), @r#"
    Your data is ready

    The copy of your data that you asked for is ready. Download it in the
    app within 7 days; after that it is deleted.

    You get this letter because you asked Backline for a copy of your data.
    If it was not you, choose a new password.
    ----
    <h1 style="font-size:22px;line-height:1.3">Your data is ready</h1>
    <p>The copy of your data that you asked for is ready. Download it in the app within 7 days; after that it is deleted.</p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because you asked Backline for a copy of your data. If it was not you, choose a new password.</p>
    "#);
}

#[test]
fn a_deletion_can_be_taken_back_until_its_day() {
    assert_snapshot!(written(&Kind::DeletionStarted { purge_date: "15 March 2026".into(), undo: LINK.into() }), @r#"
    Your account will be deleted

    The deletion of your Backline account has begun. On 15 March 2026 it
    becomes final, and everything we hold about you is erased.

    Until then you can keep your account:
    https://backline.test/page?token=abc

    You get this letter because the deletion of your Backline account was
    asked for.
    ----
    <h1 style="font-size:22px;line-height:1.3">Your account will be deleted</h1>
    <p>The deletion of your Backline account has begun. On 15 March 2026 it becomes final, and everything we hold about you is erased.</p>
    <p>Until then you can keep your account:</p>
    <p><a href="https:&#x2f;&#x2f;backline.test&#x2f;page?token=abc" class="button" style="display:inline-block;padding:12px 20px;background:#1a4fd0;color:#ffffff;border-radius:6px">Keep my account</a></p>
    <p class="address" style="font-size:14px;word-break:break-all;color:#555555">The same address, to copy: https:&#x2f;&#x2f;backline.test&#x2f;page?token=abc</p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because the deletion of your Backline account was asked for.</p>
    "#);
}

#[test]
fn an_account_that_stays_is_told() {
    assert_snapshot!(written(&Kind::DeletionCancelled), @r#"
    Your account stays

    The deletion of your Backline account was cancelled. Nothing was lost,
    and you can sign in as before.

    You get this letter because it concerns the deletion of your Backline
    account that was asked for earlier.
    ----
    <h1 style="font-size:22px;line-height:1.3">Your account stays</h1>
    <p>The deletion of your Backline account was cancelled. Nothing was lost, and you can sign in as before.</p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because it concerns the deletion of your Backline account that was asked for earlier.</p>
    "#);
}
