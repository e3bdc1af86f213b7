//! The safety of an account on the wire.

use tonic::Status;

use super::{
    email::Progress,
    events::Seen,
    password::Passwords,
    reset::{Reset, Second},
    undo::Outcome,
};
use crate::{
    accounts::{
        Change,
        password::{MAX_LENGTH, MAX_TYPED, MIN_LENGTH, MIN_SCORE, STAFF_MIN_LENGTH, Why},
        proof::{Shown, link_digest},
        wire::shown,
    },
    challenges::{self, Solution},
    entity::audit_event::ActorKind,
    factors::wire as factor,
    kernel::{
        Digest, EmailAddress, Password,
        ids::{AccountId, EmailChangeId, FlowId, Id},
    },
    pb,
    rpc::{Fields, convert},
};

fn password(fields: &mut Fields, path: &str, typed: &str) -> Password {
    fields.expect(!typed.is_empty(), path, "must not be empty");
    fields.expect(typed.len() <= MAX_TYPED, path, "is longer than any password here");
    Password::new(typed)
}

pub fn passwords(message: &pb::ChangePasswordRequest) -> Result<Passwords, Status> {
    let mut fields = Fields::default();
    let current = password(&mut fields, "current_password", &message.current_password);
    let new = password(&mut fields, "new_password", &message.new_password);
    fields.finish(|| Some(Passwords { current, new }))
}

/// Whose password was forgotten, and the solution of a challenge, if one was wanted before.
pub fn forgotten(message: &pb::StartPasswordResetRequest) -> Result<(EmailAddress, Option<Solution>), Status> {
    let mut fields = Fields::default();
    let email = fields.read("email", message.email.parse());
    let solution = challenges::solution(&mut fields, message.challenge_solution.as_ref());
    fields.finish(|| Some((email?, solution)))
}

pub fn address(path: &str, typed: &str) -> Result<EmailAddress, Status> {
    let mut fields = Fields::default();
    let email = fields.read(path, typed.parse());
    fields.finish(|| email)
}

pub fn reset(message: &pb::CompletePasswordResetRequest) -> Result<Reset, Status> {
    use pb::complete_password_reset_request::Factor;
    let mut fields = Fields::default();
    let shown = shown(&mut fields, &message.token, ("reset_id", &message.reset_id), &message.code);
    let new = password(&mut fields, "new_password", &message.new_password);
    let given = match &message.factor {
        None => Some(None),
        Some(Factor::TotpCode(code)) => factor::totp(&mut fields, code).map(Some),
        Some(Factor::RecoveryCode(code)) => factor::recovery_code(&mut fields, code).map(Some),
        Some(Factor::PasskeyCredential(json)) => factor::passkey(&mut fields, json).map(Some),
    };
    let (shown, new, given) = fields.finish(|| Some((shown?, new, given?)))?;
    let flow = FlowId::parse(&message.flow_id).ok();
    Ok(Reset { shown: shown?, new, second: given.map(|given| Second { given, flow }) })
}

pub fn confirmation(message: &pb::ConfirmEmailChangeRequest) -> Result<Shown<EmailChangeId>, Status> {
    let mut fields = Fields::default();
    let shown = shown(&mut fields, &message.token, ("change_id", &message.change_id), &message.code);
    Ok(fields.finish(|| shown)??)
}

pub fn undo_token(message: &pb::UndoSecurityChangeRequest) -> Result<Digest, Status> {
    let mut fields = Fields::default();
    fields.expect(!message.token.is_empty(), "token", "must not be empty");
    fields.expect(message.token.len() <= 200, "token", "must have at most 200 characters");
    fields.finish(|| Some(link_digest(&message.token)))
}

pub fn progress(progress: Progress) -> pb::EmailChangeState {
    match progress {
        Progress::OldConfirmed => pb::EmailChangeState::OldConfirmed,
        Progress::NewConfirmed => pb::EmailChangeState::NewConfirmed,
        Progress::Changed => pb::EmailChangeState::Changed,
    }
}

pub fn undone(outcome: &Outcome) -> pb::UndoSecurityChangeResponse {
    pb::UndoSecurityChangeResponse {
        changes: outcome.changes.iter().map(|change| security_change(change).into()).collect(),
        password_reset_sent: outcome.reset_sent,
    }
}

fn security_change(change: &Change) -> pb::SecurityChange {
    match change {
        Change::PasswordChanged => pb::SecurityChange::PasswordChanged,
        Change::EmailChanged { .. } => pb::SecurityChange::EmailChanged,
        Change::FactorAdded { .. } => pb::SecurityChange::FactorAdded,
        Change::FactorRemoved { .. } => pb::SecurityChange::FactorRemoved,
        Change::RecoveryCodesRenewed => pb::SecurityChange::RecoveryCodesRenewed,
        Change::SignedIn => pb::SecurityChange::SignedIn,
        Change::SessionReused => pb::SecurityChange::SessionReused,
        Change::DeletionStarted => pb::SecurityChange::DeletionStarted,
    }
}

pub fn policy() -> pb::PasswordPolicy {
    let number = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    pb::PasswordPolicy {
        min_length: number(MIN_LENGTH),
        staff_min_length: number(STAFF_MIN_LENGTH),
        max_length: number(MAX_LENGTH),
        min_score: i32::from(u8::from(MIN_SCORE)),
        checks: Why::ALL.iter().map(|why| why.key().to_owned()).collect(),
    }
}

/// An event as `owner`, whose account it is about, sees it.
pub fn event(seen: &Seen, owner: AccountId) -> pb::SecurityEvent {
    let row = &seen.row;
    pb::SecurityEvent {
        security_event_id: row.id.to_string(),
        action: row.action.clone(),
        event_time: Some(convert::timestamp(row.created_at)),
        actor: match row.actor_kind {
            ActorKind::Account if row.actor_id == Some(owner) => pb::SecurityActor::Owner,
            ActorKind::Account | ActorKind::Operator => pb::SecurityActor::Staff,
            ActorKind::System => pb::SecurityActor::System,
            ActorKind::Anonymous => pb::SecurityActor::Anonymous,
        }
        .into(),
        address_prefix: seen.address_prefix.clone().unwrap_or_default(),
        session_id: seen.session.map(|id| id.to_string()).unwrap_or_default(),
        device_name: seen.device_name.clone(),
    }
}
