//! Administration on the wire.

use tonic::Status;

use super::{Error, domain::NewRoles, store::Wanted};
use crate::{
    accounts,
    entity::account::{self, Model},
    kernel::{Role, Roles, text},
    pb,
    rpc::{Fields, Refusal, filter},
};

const MAX_REASON: usize = 500;

pub fn listed(accounts: &[Model], next_page_token: String) -> pb::ListAccountsResponse {
    pb::ListAccountsResponse { accounts: accounts.iter().map(accounts::proto).collect(), next_page_token }
}

pub fn changed(account: &Model) -> pb::SetRolesResponse {
    pb::SetRolesResponse { account: Some(accounts::proto(account)) }
}

/// Which accounts a filter asks for.
pub fn wanted(text: &str) -> Result<Wanted, Refusal> {
    let mut wanted = Wanted::default();
    for condition in filter::parse(text, &["status", "role", "email"])? {
        let unknown = || filter::unknown_value(&condition);
        match condition.field {
            "status" => wanted.status = Some(status(condition.value).ok_or_else(unknown)?),
            "role" => {
                let named = pb::Role::from_str_name(&format!("ROLE_{}", condition.value));
                wanted.role = Some(named.and_then(role).ok_or_else(unknown)?);
            }
            // The value is personal: it does not go into the answer, which may be logged.
            _ => {
                let malformed = |_| Refusal::FilterInvalid("email wants an e-mail address".to_owned());
                wanted.email = Some(condition.value.parse().map_err(malformed)?);
            }
        }
    }
    Ok(wanted)
}

fn status(name: &str) -> Option<account::Status> {
    match pb::AccountStatus::from_str_name(&format!("ACCOUNT_STATUS_{name}"))? {
        pb::AccountStatus::Active => Some(account::Status::Active),
        pb::AccountStatus::Suspended => Some(account::Status::Suspended),
        pb::AccountStatus::Deleted => Some(account::Status::Deleted),
        pb::AccountStatus::Unspecified => None,
    }
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

/// The roles asked for, and why. A reason that is missing altogether has a reason of its own.
pub fn new_roles(message: &pb::SetRolesRequest) -> Result<NewRoles, Status> {
    let mut fields = Fields::default();
    let mut roles = Roles::LISTENER;
    for (place, number) in message.roles.iter().enumerate() {
        let known = pb::Role::try_from(*number).ok().and_then(role);
        if let Some(role) = fields.read(&format!("roles[{place}]"), known.ok_or("must be one of the roles")) {
            roles = roles.with(role);
        }
    }
    let reason = fields.read("reason", text::optional_line(&message.reason, MAX_REASON));
    let new = fields.finish(|| Some(NewRoles { roles, reason: reason? }))?;
    if new.reason.is_empty() { Err(Error::ReasonRequired.into()) } else { Ok(new) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_combine() {
        let both = wanted("status = ACTIVE AND role = ADMIN AND email = \"Ana@example.org\"").unwrap();
        assert_eq!((both.status, both.role), (Some(account::Status::Active), Some(Role::Admin)));
        assert_eq!(both.email.unwrap().expose(), "ana@example.org");
        for bad in ["status = ASLEEP", "role = UNSPECIFIED", "role = admin", "email = \"nobody\"", "tier = FREE"] {
            assert!(wanted(bad).is_err(), "{bad}");
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
