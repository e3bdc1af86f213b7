//! One's own account, and the first administrator.

use super::{
    Error,
    password::{self, Person},
    store,
};
use crate::{
    app::App,
    audit,
    cache::CurrentRoles,
    entity::account,
    kernel::{
        Caller, EmailAddress, Password, Principal, Role, Roles,
        ids::{AccountId, Id},
    },
    rpc::once::Record,
};

/// Changes one's own profile.
pub async fn update_profile(
    app: &App,
    caller: &Caller,
    profile: &store::Profile,
    seen: Option<i64>,
    once: &impl Record<account::Model>,
) -> Result<account::Model, Error> {
    let tx = app.db.begin_write().await?;
    let changed = store::update_profile(&tx, caller.account, profile, seen, app.clock.now()).await?;
    let Some(account) = changed else {
        let left = store::find(&tx, caller.account).await?;
        return Err(if left.is_some_and(|left| left.status != account::Status::Deleted) {
            Error::Changed
        } else {
            Error::Gone
        });
    };
    let event = audit::Event::new(Principal::Account(caller.account), "user_updated", "account", account.id);
    audit::write(&tx, app, Some(&caller.facts), event).await?;
    once.record(&tx, &account).await?;
    tx.commit().await?;
    Ok(account)
}

/// A member of staff, made on the command line.
#[derive(Clone, Debug)]
pub struct NewStaff {
    pub email: EmailAddress,
    pub password: Password,
    pub display_name: String,
}

/// Makes an administrator, or makes one of an account that exists; the password is set either way.
///
/// For whoever may run the command line on the machine: there are no default accounts.
///
/// # Errors
/// [`Error::PasswordRejected`], or when the database fails.
pub async fn create_administrator(app: &App, new: NewStaff) -> Result<account::Model, Error> {
    let person = Person { email: &new.email, name: &new.display_name, staff: true };
    password::judge(app, &new.password, person).await.map_err(Error::PasswordRejected)?;
    let hash = app.hasher.hash(&new.password).await?;
    let now = app.clock.now();
    let tx = app.db.begin_write().await?;
    let account = if let Some(known) = store::find_by_email(&tx, &new.email).await? {
        let roles = known.roles.with(Role::Admin);
        store::update_staff(&tx, &known, hash, roles, now).await?.ok_or(Error::Changed)?
    } else {
        let id = AccountId::new(now, &app.dice);
        let account = account::Model {
            roles: Roles::LISTENER.with(Role::Admin),
            roles_changed_at: Some(now),
            ..account::Model::person(id, new.email.clone(), new.display_name, hash, now)
        };
        store::insert(&tx, &account).await?;
        account
    };
    store::update_others_void(&tx, &new.email, now).await?;
    let event = audit::Event::new(Principal::Operator, "privilege_permissions_changed", "account", account.id)
        .with(serde_json::json!({ "roles": account.roles.to_string() }));
    audit::write(&tx, app, None, event).await?;
    let (cache, id) = (app.cache.clone(), account.id);
    let current = CurrentRoles { version: account.roles_version, roles: account.roles, at: now };
    tx.after_commit(move || cache.set_roles(id, current));
    tx.commit().await?;
    Ok(account)
}
