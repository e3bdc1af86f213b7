//! Making tools and their keys, replacing keys, ending them.

use std::time::Duration;

use serde_json::json;

use super::{Error, key::ApiKeyText, store};
use crate::{
    accounts,
    app::App,
    audit,
    db::WriteTx,
    entity::{account, api_key::Model},
    kernel::{
        Caller, EmailAddress, Facts, Password, Permission, Principal, Scopes, Timestamp,
        ids::{AccountId, ApiKeyId, Id},
    },
    rpc::{
        Transition,
        once::Record,
        page::{Page, Slice, id_key},
    },
};

/// Addresses of tools: `invalid` never resolves (RFC 2606), so no letter reaches anybody.
const DOMAIN: &str = "service.invalid";

/// A tool to be made, and its first key.
#[derive(Clone, Debug)]
pub struct NewServiceAccount {
    pub display_name: String,
    pub scopes: Scopes,
    pub read_only: bool,
    pub key_lifetime: Duration,
    /// For the audit trail.
    pub reason: String,
}

/// A new key, and the text that is shown once.
#[derive(Clone)]
pub struct Made {
    pub account: account::Model,
    pub key: Model,
    pub text: ApiKeyText,
}

/// Makes a tool's account and its first key. `facts` are those of the call, if a call made it.
///
/// # Errors
/// When the server is too busy to hash, or the database fails.
pub async fn create(
    app: &App,
    actor: Principal,
    facts: Option<&Facts>,
    new: NewServiceAccount,
    once: &impl Record<Made>,
) -> Result<Made, Error> {
    // Nobody knows this password; the account has one so that it looks like any other to a sign-in.
    let hash = app.hasher.hash(&Password::new(&hex::encode(app.dice.bytes::<32>()))).await?;
    let now = app.clock.now();
    let id = AccountId::new(now, &app.dice);
    let account = account::Model::service(id, address_of(id)?, new.display_name, hash, now);
    let wanted = Wanted { scopes: new.scopes, read_only: new.read_only, lifetime: new.key_lifetime };
    let (key, text) = new_key(app, id, wanted, actor, now);

    let tx = app.db.begin_write().await?;
    hold_maker(&tx, actor, now).await?;
    accounts::insert(&tx, &account).await?;
    store::insert(&tx, &key).await?;
    let event = audit::Event::new(actor, "service_account_created", "account", id)
        .because(&new.reason)
        .with(json!({ "key": key.id, "scopes": key.scopes.to_string(), "read_only": key.read_only }));
    audit::write(&tx, app, facts, event).await?;
    let made = Made { account, key, text };
    once.record(&tx, &made).await?;
    tx.commit().await?;
    Ok(made)
}

/// Holds the row of the member of staff who makes a key until the commit: it is not to outlive their office unseen.
async fn hold_maker(tx: &WriteTx, maker: Principal, now: Timestamp) -> Result<(), Error> {
    let permission = Permission::ManageServiceAccounts;
    match maker {
        Principal::Account(staff) if !accounts::still_may(tx, staff, permission, now).await? => {
            Err(Error::PermissionGone(permission))
        }
        _ => Ok(()),
    }
}

fn address_of(id: AccountId) -> Result<EmailAddress, Error> {
    let name = id.to_string().split_off(AccountId::PREFIX.len() + 1);
    format!("{name}@{DOMAIN}").parse().map_err(|_| Error::NoAddress)
}

#[derive(Clone, Copy)]
struct Wanted {
    scopes: Scopes,
    read_only: bool,
    lifetime: Duration,
}

fn new_key(app: &App, account: AccountId, wanted: Wanted, maker: Principal, now: Timestamp) -> (Model, ApiKeyText) {
    let id = ApiKeyId::new(now, &app.dice);
    let text = ApiKeyText::new(app, id);
    let created_by = if let Principal::Account(staff) = maker { Some(staff) } else { None };
    let key = Model {
        id,
        account_id: account,
        secret_sha256: text.digest(),
        scopes: wanted.scopes,
        read_only: wanted.read_only,
        created_at: now,
        created_by,
        expires_at: now + wanted.lifetime,
        replaced_at: None,
        revoked_at: None,
        last_used_at: None,
        last_used_prefix: None,
    };
    (key, text)
}

/// A page of tools, newest first, each with its keys.
pub async fn list(app: &App, page: &Page, before: AccountId) -> Result<Slice<(account::Model, Vec<Model>)>, Error> {
    let accounts = store::list_accounts(&app.db, before, page.size + 1).await?;
    let slice = Slice::cut(accounts, page, |account| id_key(account.id));
    let ids: Vec<AccountId> = slice.rows.iter().map(|account| account.id).collect();
    let keys = store::list_of(&app.db, &ids).await?;
    let with_keys = |account: account::Model| {
        let own = keys.iter().filter(|key| key.account_id == account.id).cloned().collect();
        (account, own)
    };
    Ok(Slice { rows: slice.rows.into_iter().map(with_keys).collect(), next: slice.next })
}

/// How a key is to be replaced.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// How long the old key lives on.
    pub overlap: Duration,
    pub key_lifetime: Duration,
    /// For the audit trail.
    pub reason: String,
}

/// The new key, its text, and the old key as it is now.
pub struct Rotated {
    pub key: Model,
    pub text: ApiKeyText,
    pub replaced: Model,
}

/// Puts a new key with the same scopes in the place of one.
pub async fn rotate(
    app: &App,
    caller: &Caller,
    id: ApiKeyId,
    how: Rotation,
    once: &impl Record<Rotated>,
) -> Result<Rotated, Error> {
    let seen = store::find(&app.db, id).await?.ok_or(Error::NotFound)?;
    let (actor, now) = (Principal::Account(caller.account), app.clock.now());
    let wanted = Wanted { scopes: seen.scopes, read_only: seen.read_only, lifetime: how.key_lifetime };
    let (key, text) = new_key(app, seen.account_id, wanted, actor, now);

    let tx = app.db.begin_write().await?;
    hold_maker(&tx, actor, now).await?;
    // A key's end moves only when it is replaced, which happens once, so what was seen still holds.
    let replaced = store::update_replaced(&tx, id, seen.expires_at.min(now + how.overlap), now).await?;
    let replaced = replaced.ok_or_else(|| refused(&seen))?;
    store::insert(&tx, &key).await?;
    let event = audit::Event::new(actor, "api_key_rotated", "account", key.account_id)
        .because(&how.reason)
        .with(json!({ "replaced": id, "key": key.id, "overlap_seconds": how.overlap.as_secs() }));
    audit::write(&tx, app, Some(&caller.facts), event).await?;
    let rotated = Rotated { key, text, replaced };
    once.record(&tx, &rotated).await?;
    tx.commit().await?;
    Ok(rotated)
}

/// Why a key cannot be replaced: it was revoked, or replaced already.
fn refused(seen: &Model) -> Error {
    let from = if seen.revoked_at.is_some() { "REVOKED" } else { "REPLACED" };
    let allowed = if seen.revoked_at.is_some() { Vec::new() } else { vec!["RevokeApiKey"] };
    Error::IllegalTransition(Transition { subject: "key", from: from.to_owned(), attempted: "RotateApiKey", allowed })
}

/// Ends a key; one that was revoked stays so.
pub async fn revoke(
    app: &App,
    caller: &Caller,
    id: ApiKeyId,
    reason: &str,
    once: &impl Record<Model>,
) -> Result<Model, Error> {
    let seen = store::find(&app.db, id).await?.ok_or(Error::NotFound)?;
    let tx = app.db.begin_write().await?;
    let revoked = store::update_revoked(&tx, id, app.clock.now()).await?;
    if let Some(key) = &revoked {
        let event = audit::Event::new(Principal::Account(caller.account), "api_key_revoked", "account", key.account_id)
            .because(reason)
            .with(json!({ "key": id }));
        audit::write(&tx, app, Some(&caller.facts), event).await?;
    }
    let key = revoked.unwrap_or(seen);
    once.record(&tx, &key).await?;
    tx.commit().await?;
    Ok(key)
}
