//! The cost of what guards an account.

use super::Meter;
use crate::harness::*;

/// What guards an account; the person stays signed in, and somebody else is shut out and comes back.
pub async fn safety(meter: &mut Meter<'_>, person: &Actor, round: usize) {
    let (world, anyone) = (meter.world, meter.world.anonymous());
    meter
        .of("AccountService/GetPasswordPolicy", anyone.accounts().get_password_policy(pb::GetPasswordPolicyRequest {}))
        .await;
    let events = pb::ListSecurityEventsRequest::default();
    meter.of("AccountService/ListSecurityEvents", person.accounts().list_security_events(events)).await;
    let new_email = format!("moved{round}@example.org");
    let start = pb::StartEmailChangeRequest { new_email: new_email.clone(), ..Default::default() };
    meter.of("AccountService/StartEmailChange", person.accounts().start_email_change(start)).await;
    for mailbox in [&person.email, &new_email] {
        let token = world.newest_letter_to(mailbox).await.token().to_owned();
        let confirm = pb::ConfirmEmailChangeRequest { token, ..Default::default() };
        // The second one, which changes the address, is what counts.
        meter.of("AccountService/ConfirmEmailChange", person.accounts().confirm_email_change(confirm)).await;
    }
    let change = pb::ChangePasswordRequest {
        current_password: PASSWORD.into(),
        new_password: "nine slow clouds above the harbour".into(),
        ..Default::default()
    };
    meter.of("AccountService/ChangePassword", person.accounts().change_password(change)).await;

    let other = world.account(&format!("other{round}")).await;
    let start = pb::StartPasswordResetRequest { email: other.email.clone(), ..Default::default() };
    meter.of("AccountService/StartPasswordReset", anyone.accounts().start_password_reset(start)).await;
    let token = world.newest_letter_to(&other.email).await.token().to_owned();
    let complete = pb::CompletePasswordResetRequest { token, new_password: PASSWORD.into(), ..Default::default() };
    meter.of("AccountService/CompletePasswordReset", anyone.accounts().complete_password_reset(complete)).await;
    let token = world.newest_letter_to(&other.email).await.token().to_owned();
    let undo = pb::UndoSecurityChangeRequest { token, ..Default::default() };
    meter.of("AccountService/UndoSecurityChange", anyone.accounts().undo_security_change(undo)).await;
}
