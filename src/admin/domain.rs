//! The rules of administration.

use serde_json::json;

use super::{
    Error,
    care::{refuse_deleted, refuse_service},
    store::{self, Facts, WantedAccounts, WantedAttempts},
};
use crate::{
    accounts,
    app::App,
    audit,
    entity::{
        account::{Model, Status},
        login_attempt,
        session::EndCause,
    },
    kernel::{
        Caller, Principal, Role, Roles,
        ids::{AccountId, AttemptId},
    },
    rpc::{
        once::Record,
        page::{Page, Slice, id_key},
    },
    sessions::{self, PasswordStanding, Which},
};

/// A page of accounts, newest first.
pub async fn list(app: &App, wanted: &WantedAccounts, page: &Page, before: AccountId) -> Result<Slice<Model>, Error> {
    let rows = store::list(&app.db, wanted, before, page.size + 1).await?;
    Ok(Slice::cut(rows, page, |account| id_key(account.id)))
}

/// An account, and what staff need to know besides it.
pub struct Details {
    pub account: Model,
    pub facts: Facts,
    pub password: PasswordStanding,
}

/// What staff need to know of an account.
pub async fn details(app: &App, id: AccountId) -> Result<Details, Error> {
    let account = accounts::find(&app.db, id).await?.ok_or(Error::NotFound)?;
    let facts = store::facts(&app.db, id, app.clock.now()).await?;
    let password = sessions::password_standing(app, &account).await?;
    Ok(Details { account, facts, password })
}

/// A page of tries to sign in, newest first.
pub async fn list_attempts(
    app: &App,
    wanted: &WantedAttempts,
    page: &Page,
    before: AttemptId,
) -> Result<Slice<login_attempt::Model>, Error> {
    let rows = store::list_attempts(&app.db, wanted, before, page.size + 1).await?;
    Ok(Slice::cut(rows, page, |attempt| id_key(attempt.id)))
}

/// New roles, and why.
#[derive(Clone, Debug)]
pub struct NewRoles {
    pub roles: Roles,
    /// For the audit trail.
    pub reason: String,
}

/// Gives an account these roles. Giving it the ones it has changes nothing and leaves no trace.
pub async fn set_roles(
    app: &App,
    caller: &Caller,
    id: AccountId,
    new: NewRoles,
    once: &impl Record<Model>,
) -> Result<Model, Error> {
    let seen = accounts::find(&app.db, id).await?.ok_or(Error::NotFound)?;
    refuse_service(&seen)?;
    let tx = app.db.begin_write().await?;
    if seen.roles.has(Role::Admin) && !new.roles.has(Role::Admin) && store::count_other_admins(&tx, id).await? == 0 {
        tx.rollback().await?;
        return Err(Error::LastAdmin);
    }
    let mut before = None;
    let changed = accounts::set_roles(&tx, app, id, |roles| {
        before = Some(roles);
        granted(roles, new.roles)
    });
    let account = changed.await?.ok_or(Error::Changed)?;
    if account.status == Status::Deleted {
        return Err(refuse_deleted("SetRoles"));
    }
    let before = before.unwrap_or(account.roles);
    // Whoever became an administrator after the look above was not guarded by it.
    if before.has(Role::Admin) && !seen.roles.has(Role::Admin) && !account.roles.has(Role::Admin) {
        tx.rollback().await?;
        return Err(Error::Changed);
    }
    if before != account.roles {
        let event = audit::Event::new(Principal::Account(caller.account), "authz_change", "account", id)
            .because(&new.reason)
            .with(json!({ "from": before.to_string(), "to": account.roles.to_string() }));
        audit::write(&tx, app, Some(&caller.facts), event).await?;
        let now = app.clock.now();
        if gains_office(before, account.roles) {
            // Sessions from before may be months old, and on devices that nobody would trust with an office.
            sessions::end(&tx, app, id, Which::All, EndCause::EndedByStaff, now).await?;
            sessions::devices::distrust(&tx, id).await?;
        } else {
            // Who is none any more no longer sees through others' eyes.
            sessions::end_impersonations_around(&tx, app, id, now).await?;
        }
    }
    once.record(&tx, &account).await?;
    tx.commit().await?;
    Ok(account)
}

/// What an account gets that has `held` and for which `wanted` is asked: the role of artist stays as it is, because it
/// follows from membership.
fn granted(held: Roles, wanted: Roles) -> Roles {
    let granted = [Role::Reviewer, Role::Admin].into_iter().filter(|role| wanted.has(*role));
    let kept = held.has(Role::Artist).then_some(Role::Artist);
    granted.chain(kept).fold(Roles::LISTENER, Roles::with)
}

/// Whether somebody becomes a member of staff, or an administrator.
fn gains_office(held: Roles, given: Roles) -> bool {
    (given.is_staff() && !held.is_staff()) || (given.has(Role::Admin) && !held.has(Role::Admin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_office_is_gained_by_becoming_staff_or_an_administrator() {
        let [reviewer, admin, artist] = [Role::Reviewer, Role::Admin, Role::Artist].map(|r| Roles::LISTENER.with(r));
        for (held, given) in [(Roles::LISTENER, reviewer), (artist, admin), (reviewer, reviewer.with(Role::Admin))] {
            assert!(gains_office(held, given) && !gains_office(given, held));
        }
        assert!(!gains_office(admin, admin.with(Role::Reviewer)), "an administrator may do all that a reviewer may");
    }

    #[test]
    fn roles_are_set_whole_but_for_the_one_that_follows_membership() {
        let artist = Roles::LISTENER.with(Role::Artist);
        let reviewer = Roles::LISTENER.with(Role::Reviewer);
        assert_eq!(granted(artist, reviewer), artist.with(Role::Reviewer));
        assert_eq!(granted(reviewer, artist), Roles::LISTENER);
        for held in 0..16 {
            for wanted in 0..16 {
                let (held, wanted) = (Roles::from_bits(held), Roles::from_bits(wanted));
                let granted = granted(held, wanted);
                assert_eq!(granted.has(Role::Artist), held.has(Role::Artist));
                assert_eq!(granted.has(Role::Admin), wanted.has(Role::Admin));
                assert_eq!(granted.has(Role::Reviewer), wanted.has(Role::Reviewer));
            }
        }
    }
}
