//! Administration on the wire.

use sea_orm::{ActiveEnum, Iterable};
use tonic::Status;

use super::{
    care::{NewTier, Suspended, Suspension},
    domain::{Details, NewRoles},
    store::{Range, WantedAccounts, WantedAttempts},
    visits::Impersonation,
};
use crate::{
    accounts,
    entity::{
        account::{Model, Tier},
        login_attempt::{self, Outcome},
        session,
    },
    kernel::{FactorKind, Role, Roles, Timestamp},
    pb,
    rpc::{
        Fields, Refusal, convert,
        filter::{self, Is, Term},
    },
    sessions,
};

/// A timestamp as sent and the time of the call: a suspension must end later.
const NOT_LATER: &str = "must be later than now";
/// Longer text names no network.
const MAX_PREFIX: usize = 64;

pub fn listed(accounts: &[Model], next_page_token: String) -> pb::ListAccountsResponse {
    pb::ListAccountsResponse { accounts: accounts.iter().map(accounts::proto).collect(), next_page_token }
}

pub fn with_roles(account: &Model) -> pb::SetRolesResponse {
    pb::SetRolesResponse { account: Some(accounts::proto(account)) }
}

pub fn with_tier(account: &Model) -> pb::SetTierResponse {
    pb::SetTierResponse { account: Some(accounts::proto(account)) }
}

pub fn reinstated(account: &Model) -> pb::ReinstateAccountResponse {
    pb::ReinstateAccountResponse { account: Some(accounts::proto(account)) }
}

pub fn suspended(suspended: &Suspended) -> pb::SuspendAccountResponse {
    let account = Some(accounts::proto(&suspended.account));
    pb::SuspendAccountResponse { account, ended_session_count: count(suspended.ended) }
}

pub fn ended(ended: usize) -> pb::RevokeAccountSessionsResponse {
    pb::RevokeAccountSessionsResponse { ended_count: count(ended) }
}

pub fn sessions(rows: &[session::Model], next_page_token: String) -> pb::ListAccountSessionsResponse {
    let sessions = rows.iter().map(sessions::proto).collect();
    pb::ListAccountSessionsResponse { sessions, next_page_token }
}

pub fn impersonation(begun: &Impersonation) -> pb::StartImpersonationResponse {
    pb::StartImpersonationResponse {
        access_token: begun.access.token.clone(),
        access_token_lifetime: Some(convert::duration(begun.access.lifetime)),
        session: Some(sessions::proto(&begun.session)),
    }
}

fn count(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

pub fn details(details: &Details) -> pb::GetAccountDetailsResponse {
    let Details { account, facts, password } = details;
    let details = pb::AccountDetails {
        account: Some(accounts::proto(account)),
        last_seen_time: account.last_seen_at.map(convert::timestamp),
        live_session_count: count(facts.live_sessions),
        factor_kinds: account.factor_kinds.iter().map(FactorKind::name).map(str::to_owned).collect(),
        last_login_time: facts.last_login.map(convert::timestamp),
        failed_login_count: count(facts.failed_logins),
        artist_count: count(facts.artists),
        application_count: count(facts.applications),
        suspend_until_time: account.suspended_until.map(convert::timestamp),
        delete_time: account.deleted_at.map(convert::timestamp),
        purge_time: account.purge_at.map(convert::timestamp),
        password_change_time: account.password_changed_at.map(convert::timestamp),
        remembered_device_count: count(facts.devices),
        login_locked_until_time: password.locked_until.map(convert::timestamp),
        password_off_time: password.off_since.map(convert::timestamp),
    };
    pb::GetAccountDetailsResponse { details: Some(details) }
}

pub fn attempts(rows: &[login_attempt::Model], next_page_token: String) -> pb::ListLoginAttemptsResponse {
    pb::ListLoginAttemptsResponse { attempts: rows.iter().map(attempt).collect(), next_page_token }
}

fn attempt(row: &login_attempt::Model) -> pb::LoginAttempt {
    pb::LoginAttempt {
        attempt_id: row.id.to_string(),
        account_id: row.account_id.map(|id| id.to_string()).unwrap_or_default(),
        outcome: row.result.to_value().to_uppercase(),
        address_prefix: row.address_prefix.clone(),
        user_agent: row.user_agent.clone(),
        session_id: row.session_id.map(|id| id.to_string()).unwrap_or_default(),
        create_time: Some(convert::timestamp(row.created_at)),
    }
}

/// Which accounts a filter asks for.
pub fn wanted(text: &str) -> Result<WantedAccounts, Refusal> {
    let mut wanted = WantedAccounts::default();
    let fields = ["status", "role", "email", "tier", "kind"];
    for term in filter::terms(text, &fields, &["create_time", "last_seen_time"])? {
        match term.field {
            "status" => wanted.status = Some(one_of(&term)?),
            "tier" => wanted.tier = Some(one_of(&term)?),
            "kind" => wanted.kind = one_of(&term)?,
            "role" => {
                let named = pb::Role::from_str_name(&format!("ROLE_{}", term.value));
                wanted.role = Some(named.and_then(role).ok_or_else(|| unknown(&term))?);
            }
            "create_time" => narrow(&mut wanted.created, &term)?,
            "last_seen_time" => narrow(&mut wanted.last_seen, &term)?,
            // The value is personal: it does not go into the answer, which may be logged.
            _ => {
                let malformed = |_| Refusal::FilterInvalid("email wants an e-mail address".to_owned());
                wanted.email = Some(term.value.parse().map_err(malformed)?);
            }
        }
    }
    Ok(wanted)
}

/// Which tries to sign in a filter asks for.
pub fn wanted_attempts(text: &str) -> Result<WantedAttempts, Refusal> {
    let mut wanted = WantedAttempts::default();
    for term in filter::terms(text, &["account_id", "address_prefix", "outcome"], &["create_time"])? {
        match term.field {
            "account_id" => wanted.account = Some(term.value.parse().map_err(|_| unknown(&term))?),
            "outcome" => wanted.outcome = Some(one_of::<Outcome>(&term)?),
            "create_time" => narrow(&mut wanted.created, &term)?,
            _ => {
                let shape = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '/');
                let holds = term.value.len() <= MAX_PREFIX && term.value.chars().all(shape);
                let malformed = || Refusal::FilterInvalid("address_prefix wants a network".to_owned());
                wanted.address_prefix = Some(holds.then(|| term.value.to_owned()).ok_or_else(malformed)?);
            }
        }
    }
    Ok(wanted)
}

/// A value of a closed list, spelled in capitals.
fn one_of<E: ActiveEnum<Value = String> + Iterable>(term: &Term<'_>) -> Result<E, Refusal> {
    E::iter().find(|known| known.to_value().to_uppercase() == term.value).ok_or_else(|| unknown(term))
}

fn unknown(term: &Term<'_>) -> Refusal {
    Refusal::FilterInvalid(format!("{} has no value {}", term.field, term.value))
}

fn narrow(range: &mut Range, term: &Term<'_>) -> Result<(), Refusal> {
    let moment = Some(filter::moment(term)?);
    match term.is {
        Is::Before => range.before = moment,
        Is::AtLeast | Is::Equal => range.from = moment,
    }
    Ok(())
}

const fn role(role: pb::Role) -> Option<Role> {
    match role {
        pb::Role::Listener => Some(Role::Listener),
        pb::Role::Artist => Some(Role::Artist),
        pb::Role::Reviewer => Some(Role::Reviewer),
        pb::Role::Admin => Some(Role::Admin),
        pb::Role::Unspecified => None,
    }
}

/// The roles asked for, and why.
pub fn new_roles(message: &pb::SetRolesRequest) -> Result<NewRoles, Status> {
    let mut fields = Fields::default();
    let mut roles = Roles::LISTENER;
    for (place, number) in message.roles.iter().enumerate() {
        let known = pb::Role::try_from(*number).ok().and_then(role);
        if let Some(role) = fields.read(&format!("roles[{place}]"), known.ok_or("must be one of the roles")) {
            roles = roles.with(role);
        }
    }
    let reason = fields.reason(&message.reason);
    fields.finish(|| Some(NewRoles { roles, reason: reason? }))
}

pub fn new_tier(message: &pb::SetTierRequest) -> Result<NewTier, Status> {
    let mut fields = Fields::default();
    let tier = match pb::AccountTier::try_from(message.tier) {
        Ok(pb::AccountTier::Free) => Ok(Tier::Free),
        Ok(pb::AccountTier::Premium) => Ok(Tier::Premium),
        Ok(pb::AccountTier::Unspecified) | Err(_) => Err("must be FREE or PREMIUM"),
    };
    let tier = fields.read("tier", tier);
    let reason = fields.reason(&message.reason);
    fields.finish(|| Some(NewTier { tier: tier?, reason: reason? }))
}

pub fn suspension(message: &pb::SuspendAccountRequest, now: Timestamp) -> Result<Suspension, Status> {
    let mut fields = Fields::default();
    let until = message.until_time.as_ref().map(|at| convert::moment(at).filter(|at| *at > now).ok_or(NOT_LATER));
    let until = fields.read("until_time", until.transpose());
    let reason = fields.reason(&message.reason);
    fields.finish(|| Some(Suspension { until: until?, reason: reason? }))
}

pub fn reason(text: &str) -> Result<String, Status> {
    let mut fields = Fields::default();
    let reason = fields.reason(text);
    fields.finish(|| reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::account;

    #[test]
    fn filters_combine() {
        let both = wanted("status = ACTIVE AND role = ADMIN AND email = \"Ana@example.org\"").unwrap();
        assert_eq!((both.status, both.role), (Some(account::Status::Active), Some(Role::Admin)));
        assert_eq!((both.email.unwrap().expose(), both.kind), ("ana@example.org", account::Kind::Person));
        let range =
            wanted("create_time >= \"2026-03-01T00:00:00Z\" AND create_time < \"2026-04-01T00:00:00Z\"").unwrap();
        assert!(range.created.from < range.created.before && range.last_seen.from.is_none());
        for bad in [
            "status = ASLEEP",
            "role = UNSPECIFIED",
            "role = admin",
            "email = \"nobody\"",
            "tier = GOLD",
            "kind = ROBOT",
            "create_time = \"2026-03-01T00:00:00Z\"",
            "create_time >= yesterday",
        ] {
            assert!(wanted(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn attempts_are_asked_for_by_what_is_known_of_them() {
        let all = wanted_attempts("outcome = WRONG_CREDENTIALS AND address_prefix = \"192.0.2.7/32\"").unwrap();
        assert_eq!(
            (all.outcome, all.address_prefix.as_deref()),
            (Some(Outcome::WrongCredentials), Some("192.0.2.7/32"))
        );
        for bad in ["outcome = wrong_credentials", "account_id = ana", "address_prefix = \"home\"", "user = ana"] {
            assert!(wanted_attempts(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn roles_come_with_a_reason() {
        let ask = |roles: &[i32], reason: &str| {
            let message = pb::SetRolesRequest { roles: roles.to_vec(), reason: reason.into(), ..Default::default() };
            new_roles(&message)
        };
        let given = ask(&[3, 3, 1], " Joins the jury ").unwrap();
        assert_eq!((given.roles, given.reason.as_str()), (Roles::LISTENER.with(Role::Reviewer), "Joins the jury"));
        for (roles, reason) in [(&[3][..], ""), (&[0], "because"), (&[9], "because"), (&[3], "two\nlines")] {
            assert!(ask(roles, reason).is_err());
        }
    }
}
