//! The first administrator.

use serde_json::json;

use super::{Error, care::refuse_deleted, care::refuse_service};
use crate::{
    accounts::{
        self, Care,
        password::{self, Person},
    },
    app::App,
    audit,
    db::{WriteTx, violates_uniqueness},
    entity::account::{Model, Status},
    kernel::{
        EmailAddress, Password, Principal, Role, Roles, StoredHash,
        ids::{AccountId, Id},
    },
    privacy,
    security::{self, replace_password},
    sessions::Which,
};

/// A member of staff, made on the command line.
#[derive(Clone, Debug)]
pub struct NewStaff {
    pub email: EmailAddress,
    pub password: Password,
    pub display_name: String,
}

/// Makes an administrator, or makes one of a person's account that exists: whoever was signed in there is out, whatever
/// shut its owner out is over, and the password is this one.
///
/// For whoever may run the command line on the machine: there are no default accounts.
///
/// # Errors
/// When the password is refused, the account is a tool's or is being erased, or the database fails.
pub async fn create_administrator(app: &App, new: NewStaff) -> Result<Model, Error> {
    let known = accounts::find_by_email(&app.db, &new.email).await?;
    let name = known.as_ref().map_or(&new.display_name, |known| &known.display_name);
    let person = Person { email: &new.email, name, staff: true };
    password::judge(app, &new.password, person).await.map_err(security::Error::PasswordRejected)?;
    let hash = app.hasher.hash(&new.password).await.map_err(security::Error::Unhashed)?;
    let tx = app.db.begin_write().await?;
    // Before the address is taken, as all who do both: so none waits in a circle.
    accounts::update_others_void(&tx, &new.email, app.clock.now()).await?;
    let account = match known {
        Some(known) => promote(&tx, app, &known, hash).await?,
        None => insert(&tx, app, &new, hash).await?,
    };
    let event = audit::Event::new(Principal::Operator, "privilege_permissions_changed", "account", account.id)
        .with(json!({ "roles": account.roles.to_string() }));
    audit::write(&tx, app, None, event).await?;
    tx.commit().await?;
    Ok(account)
}

async fn insert(tx: &WriteTx, app: &App, new: &NewStaff, hash: StoredHash) -> Result<Model, Error> {
    let now = app.clock.now();
    let id = AccountId::new(now, &app.dice);
    let account = Model {
        roles: Roles::LISTENER.with(Role::Admin),
        roles_changed_at: Some(now),
        ..Model::person(id, new.email.clone(), new.display_name.clone(), hash, now)
    };
    let inserted = accounts::insert(tx, &account).await;
    inserted.map_err(|error| if violates_uniqueness(&error) { Error::Changed } else { error.into() })?;
    Ok(account)
}

async fn promote(tx: &WriteTx, app: &App, known: &Model, hash: StoredHash) -> Result<Model, Error> {
    let now = app.clock.now();
    refuse_service(known)?;
    match known.status {
        Status::Active => {}
        Status::Suspended => drop(accounts::update_care(tx, known.id, Care::Reinstated, now).await?),
        Status::Deleted => {
            if !privacy::cancel_deletion(tx, app, known.id, Principal::Operator, None).await? {
                return Err(refuse_deleted("admin create"));
            }
            // Staff may have shut it out while it waited.
            accounts::update_care(tx, known.id, Care::Reinstated, now).await?;
        }
    }
    replace_password(tx, app, known, hash, Which::All, now).await?;
    accounts::set_roles(tx, app, known.id, |roles| roles.with(Role::Admin)).await?.ok_or(Error::Changed)
}
