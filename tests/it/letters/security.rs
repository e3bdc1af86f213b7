//! Letters about the safety of an account: each can be taken back.

use backline::mail::Letter as Kind;
use insta::assert_snapshot;

use super::written;

const UNDO: &str = "https://backline.test/undo?token=abc";

#[test]
fn a_new_password_is_told_to_its_owner() {
    assert_snapshot!(written(&Kind::PasswordChanged { undo: UNDO.into() }), @r#"
    Your password was changed

    The password of your Backline account was changed. Every other device
    was signed out.

    If it was you, there is nothing to do.

    If it was not you, somebody else can get into your account. Take it back
    within 7 days; you will then choose a new password:
    https://backline.test/undo?token=abc

    You get this letter because it concerns the safety of your Backline
    account. We send such letters to everybody; they cannot be switched off.
    ----
    <h1 style="font-size:22px;line-height:1.3">Your password was changed</h1>
    <p>The password of your Backline account was changed. Every other device was signed out.</p>
    <p>If it was you, there is nothing to do.</p>
    <p>If it was not you, somebody else can get into your account. Take it back within 7 days; you will then choose a new password:</p>
    <p><a href="https:&#x2f;&#x2f;backline.test&#x2f;undo?token=abc" class="button" style="display:inline-block;padding:12px 20px;background:#1a4fd0;color:#ffffff;border-radius:6px">Take it back</a></p>
    <p class="address" style="font-size:14px;word-break:break-all;color:#555555">The same address, to copy: https:&#x2f;&#x2f;backline.test&#x2f;undo?token=abc</p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because it concerns the safety of your Backline account. We send such letters to everybody; they cannot be switched off.</p>
    "#);
}

#[test]
fn both_mailboxes_confirm_a_new_address() {
    let link = || "https://backline.test/email?token=abc".to_owned();
    let to = |new_address: Option<&str>| {
        let new_address = new_address.map(str::to_owned);
        written(&Kind::ConfirmEmailChange { link: link(), code: "2345-6789".into(), new_address })
    };
    assert_snapshot!(to(Some("ana@example.net")), @r#"
    Confirm the change of your e-mail address

    Someone, probably you, asked to change the address of your Backline
    account to ana@example.net. It changes when both mailboxes, the old one
    and the new one, have confirmed it.

    Open this page and press the button. It works for 30 minutes:
    https://backline.test/email?token=abc

    Or type this code where you asked. It works for 10 minutes:
    2345-6789

    If it was not you, do nothing: the address stays as it is. Then choose a
    new password, because someone knows yours.

    You get this letter because a change of address was asked for at
    Backline.
    ----
    <h1 style="font-size:22px;line-height:1.3">Confirm the change of your e-mail address</h1>
    <p>Someone, probably you, asked to change the address of your Backline account to ana@example.net. It changes when both mailboxes, the old one and the new one, have confirmed it.</p>
    <p>Open this page and press the button. It works for 30 minutes:</p>
    <p><a href="https:&#x2f;&#x2f;backline.test&#x2f;email?token=abc" class="button" style="display:inline-block;padding:12px 20px;background:#1a4fd0;color:#ffffff;border-radius:6px">Confirm the change</a></p>
    <p class="address" style="font-size:14px;word-break:break-all;color:#555555">The same address, to copy: https:&#x2f;&#x2f;backline.test&#x2f;email?token=abc</p>
    <p>Or type this code where you asked. It works for 10 minutes:</p>
    <p style="font-size:24px;letter-spacing:2px"><strong>2345-6789</strong></p>
    <p>If it was not you, do nothing: the address stays as it is. Then choose a new password, because someone knows yours.</p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because a change of address was asked for at Backline.</p>
    "#);
    assert!(!to(None).contains("example.net") && !to(None).contains("choose a new password"));
}

#[test]
fn only_the_old_mailbox_takes_a_new_address_back() {
    let old = Kind::EmailChanged { new_address: Some("ana@example.net".into()), undo: Some(UNDO.into()) };
    assert_snapshot!(written(&old), @r#"
    Your e-mail address was changed

    The address of your Backline account was changed to ana@example.net.
    Every other device was signed out.

    If it was you, there is nothing to do.

    If it was not you, somebody else can get into your account. Take it back
    within 7 days; you will then choose a new password:
    https://backline.test/undo?token=abc

    You get this letter because it concerns the safety of your Backline
    account. We send such letters to everybody; they cannot be switched off.
    ----
    <h1 style="font-size:22px;line-height:1.3">Your e-mail address was changed</h1>
    <p>The address of your Backline account was changed to ana@example.net. Every other device was signed out.</p>
    <p>If it was you, there is nothing to do.</p>
    <p>If it was not you, somebody else can get into your account. Take it back within 7 days; you will then choose a new password:</p>
    <p><a href="https:&#x2f;&#x2f;backline.test&#x2f;undo?token=abc" class="button" style="display:inline-block;padding:12px 20px;background:#1a4fd0;color:#ffffff;border-radius:6px">Take it back</a></p>
    <p class="address" style="font-size:14px;word-break:break-all;color:#555555">The same address, to copy: https:&#x2f;&#x2f;backline.test&#x2f;undo?token=abc</p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because it concerns the safety of your Backline account. We send such letters to everybody; they cannot be switched off.</p>
    "#);
    assert_snapshot!(written(&Kind::EmailChanged { new_address: None, undo: None }), @r#"
    Your e-mail address was changed

    The address of your Backline account was changed. Every other device was
    signed out.

    If it was you, there is nothing to do.

    You get this letter because it concerns the safety of your Backline
    account. We send such letters to everybody; they cannot be switched off.
    ----
    <h1 style="font-size:22px;line-height:1.3">Your e-mail address was changed</h1>
    <p>The address of your Backline account was changed. Every other device was signed out.</p>
    <p>If it was you, there is nothing to do.</p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because it concerns the safety of your Backline account. We send such letters to everybody; they cannot be switched off.</p>
    "#);
}

#[test]
fn a_sign_in_on_a_new_device_is_told() {
    let on = |device_name: &str| Kind::NewDevice {
        device_name: device_name.into(),
        network: "203.0.113.0/24".into(),
        at: "1 March 2026, 09:30 UTC".into(),
        undo: UNDO.into(),
    };
    assert_snapshot!(written(&on("Ana's phone")), @r#"
    A sign-in on a new device

    Someone signed in to your Backline account on a device that we do not
    know:
    Device: Ana's phone
    Network: 203.0.113.0/24
    Time: 1 March 2026, 09:30 UTC

    If it was you, there is nothing to do.

    If it was not you, sign that device out and choose a new password:
    https://backline.test/undo?token=abc

    You get this letter because it concerns the safety of your Backline
    account. We send such letters to everybody; they cannot be switched off.
    ----
    <h1 style="font-size:22px;line-height:1.3">A sign-in on a new device</h1>
    <p>Someone signed in to your Backline account on a device that we do not know:</p>
    <ul>
    <li>Device: Ana&#x27;s phone</li>
    <li>Network: 203.0.113.0&#x2f;24</li>
    <li>Time: 1 March 2026, 09:30 UTC</li>
    </ul>
    <p>If it was you, there is nothing to do.</p>
    <p>If it was not you, sign that device out and choose a new password:</p>
    <p><a href="https:&#x2f;&#x2f;backline.test&#x2f;undo?token=abc" class="button" style="display:inline-block;padding:12px 20px;background:#1a4fd0;color:#ffffff;border-radius:6px">It was not me</a></p>
    <p class="address" style="font-size:14px;word-break:break-all;color:#555555">The same address, to copy: https:&#x2f;&#x2f;backline.test&#x2f;undo?token=abc</p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because it concerns the safety of your Backline account. We send such letters to everybody; they cannot be switched off.</p>
    "#);
    assert!(!written(&on("")).contains("Device:"));
}

#[test]
fn wrong_passwords_are_told_once_and_the_pause_can_be_ended() {
    let locked = |until_reset, unlock: Option<&str>| {
        written(&Kind::LoginLocked { until_reset, unlock: unlock.map(str::to_owned) })
    };
    assert_snapshot!(locked(false, Some("https://backline.test/unlock?token=abc")), @r#"
    Sign-in with your password is paused

    Someone gave a wrong password for your Backline account several times.
    Where that happened, on all devices that we do not know or on one that
    you asked us to remember, the password is now refused for 15 minutes.

    Other devices that you asked us to remember and passkeys still work, and
    you can choose a new password at any time.

    If it was you, you can end the pause now:
    https://backline.test/unlock?token=abc

    If it was not you, there is nothing to do: nobody got in.

    You get this letter because it concerns the safety of your Backline
    account. We send such letters to everybody; they cannot be switched off.
    ----
    <h1 style="font-size:22px;line-height:1.3">Sign-in with your password is paused</h1>
    <p>Someone gave a wrong password for your Backline account several times. Where that happened, on all devices that we do not know or on one that you asked us to remember, the password is now refused for 15 minutes.</p>
    <p>Other devices that you asked us to remember and passkeys still work, and you can choose a new password at any time.</p>
    <p>If it was you, you can end the pause now:</p>
    <p><a href="https:&#x2f;&#x2f;backline.test&#x2f;unlock?token=abc" class="button" style="display:inline-block;padding:12px 20px;background:#1a4fd0;color:#ffffff;border-radius:6px">End the pause</a></p>
    <p class="address" style="font-size:14px;word-break:break-all;color:#555555">The same address, to copy: https:&#x2f;&#x2f;backline.test&#x2f;unlock?token=abc</p>
    <p>If it was not you, there is nothing to do: nobody got in.</p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because it concerns the safety of your Backline account. We send such letters to everybody; they cannot be switched off.</p>
    "#);
    let hard = locked(true, None);
    assert!(hard.contains("until you choose a new one") && !hard.contains("http"), "{hard}");
}

#[test]
fn guesses_at_codes_are_told() {
    assert_snapshot!(written(&Kind::FactorLocked { off: false }), @r#"
    Codes of your authenticator app are paused

    Someone gave wrong codes for your authenticator app too many times. Its
    codes are now refused for 15 minutes. A passkey or a recovery code still
    works.

    If it was not you, choose a new password now: whoever got as far as the
    code knows your password, reads your mail, or holds one of your devices.

    You get this letter because it concerns the safety of your Backline
    account. We send such letters to everybody; they cannot be switched off.
    ----
    <h1 style="font-size:22px;line-height:1.3">Codes of your authenticator app are paused</h1>
    <p>Someone gave wrong codes for your authenticator app too many times. Its codes are now refused for 15 minutes. A passkey or a recovery code still works.</p>
    <p>If it was not you, choose a new password now: whoever got as far as the code knows your password, reads your mail, or holds one of your devices.</p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because it concerns the safety of your Backline account. We send such letters to everybody; they cannot be switched off.</p>
    "#);
    let hard = written(&Kind::FactorLocked { off: true });
    assert!(hard.contains("until you sign in with a passkey or a") && !hard.contains("15 minutes"), "{hard}");
}

#[test]
fn factors_that_come_and_go_are_told() {
    let factor = || "The passkey Phone".to_owned();
    assert_snapshot!(written(&Kind::FactorAdded { factor: factor(), undo: UNDO.into() }), @r#"
    A second factor was added

    The passkey Phone was added to your Backline account. Every other device
    was signed out.

    If it was you, there is nothing to do.

    If it was not you, somebody else can get into your account. Take it back
    within 7 days; you will then choose a new password:
    https://backline.test/undo?token=abc

    You get this letter because it concerns the safety of your Backline
    account. We send such letters to everybody; they cannot be switched off.
    ----
    <h1 style="font-size:22px;line-height:1.3">A second factor was added</h1>
    <p>The passkey Phone was added to your Backline account. Every other device was signed out.</p>
    <p>If it was you, there is nothing to do.</p>
    <p>If it was not you, somebody else can get into your account. Take it back within 7 days; you will then choose a new password:</p>
    <p><a href="https:&#x2f;&#x2f;backline.test&#x2f;undo?token=abc" class="button" style="display:inline-block;padding:12px 20px;background:#1a4fd0;color:#ffffff;border-radius:6px">Take it back</a></p>
    <p class="address" style="font-size:14px;word-break:break-all;color:#555555">The same address, to copy: https:&#x2f;&#x2f;backline.test&#x2f;undo?token=abc</p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because it concerns the safety of your Backline account. We send such letters to everybody; they cannot be switched off.</p>
    "#);
    assert_snapshot!(written(&Kind::FactorRemoved { factor: factor(), undo: UNDO.into() }), @r#"
    A second factor was removed

    The passkey Phone was removed from your Backline account. Every other
    device was signed out.

    If it was you, there is nothing to do.

    If it was not you, somebody else can get into your account. Take it back
    within 7 days; you will then choose a new password:
    https://backline.test/undo?token=abc

    You get this letter because it concerns the safety of your Backline
    account. We send such letters to everybody; they cannot be switched off.
    ----
    <h1 style="font-size:22px;line-height:1.3">A second factor was removed</h1>
    <p>The passkey Phone was removed from your Backline account. Every other device was signed out.</p>
    <p>If it was you, there is nothing to do.</p>
    <p>If it was not you, somebody else can get into your account. Take it back within 7 days; you will then choose a new password:</p>
    <p><a href="https:&#x2f;&#x2f;backline.test&#x2f;undo?token=abc" class="button" style="display:inline-block;padding:12px 20px;background:#1a4fd0;color:#ffffff;border-radius:6px">Take it back</a></p>
    <p class="address" style="font-size:14px;word-break:break-all;color:#555555">The same address, to copy: https:&#x2f;&#x2f;backline.test&#x2f;undo?token=abc</p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because it concerns the safety of your Backline account. We send such letters to everybody; they cannot be switched off.</p>
    "#);
}

#[test]
fn the_owner_of_a_copied_session_is_told() {
    let reused =
        |device_name: &str| written(&Kind::SessionReused { device_name: device_name.into(), undo: UNDO.into() });
    assert_snapshot!(reused("Ana’s phone"), @r#"
    A device was signed out for your safety

    We signed out one of your devices (Ana’s phone): an old key of its
    sign-in was used a second time. That happens when a key is copied, and
    now and then when a backup of a device is restored.

    Sign in again on that device to go on.

    If you do not know why it happened, sign out every device and choose a
    new password:
    https://backline.test/undo?token=abc

    You get this letter because it concerns the safety of your Backline
    account. We send such letters to everybody; they cannot be switched off.
    ----
    <h1 style="font-size:22px;line-height:1.3">A device was signed out for your safety</h1>
    <p>We signed out one of your devices (Ana’s phone): an old key of its sign-in was used a second time. That happens when a key is copied, and now and then when a backup of a device is restored.</p>
    <p>Sign in again on that device to go on.</p>
    <p>If you do not know why it happened, sign out every device and choose a new password:</p>
    <p><a href="https:&#x2f;&#x2f;backline.test&#x2f;undo?token=abc" class="button" style="display:inline-block;padding:12px 20px;background:#1a4fd0;color:#ffffff;border-radius:6px">Sign out every device</a></p>
    <p class="address" style="font-size:14px;word-break:break-all;color:#555555">The same address, to copy: https:&#x2f;&#x2f;backline.test&#x2f;undo?token=abc</p>

    <p class="why" style="margin-top:32px;font-size:14px;color:#555555">You get this letter because it concerns the safety of your Backline account. We send such letters to everybody; they cannot be switched off.</p>
    "#);
    assert!(reused("").contains("one of your devices:"));
}
