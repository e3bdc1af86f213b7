//! Taking a change back: the link in every letter about the safety of an account.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, UpdateMany,
    sea_query::Expr,
};
use serde::{Deserialize, Serialize};

use super::{hold, proof::link_digest};
use crate::{
    app::App,
    db::{Db, WriteTx},
    entity::{
        account,
        security_undo::{ActiveModel, Column, Entity, Model},
    },
    kernel::{Digest, Timestamp, ids::AccountId},
};

/// How long a change can be taken back. Longer than a holiday weekend, shorter than anyone's memory of a letter.
const LIFE: Duration = Duration::from_hours(7 * 24);
/// A deleted account waits for so long before it is erased; its link works as long.
pub const DELETION_GRACE: Duration = Duration::from_hours(14 * 24);

/// A change that its owner may not have made.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    PasswordChanged,
    EmailChanged {
        /// The address before the change; only ever sealed.
        former: String,
    },
    /// The factor's id, as text.
    FactorAdded {
        factor: String,
    },
    FactorRemoved {
        factor: String,
    },
    RecoveryCodesRenewed,
    /// Somebody signed in on a device that was not known.
    SignedIn,
    /// A session was ended because its token was copied.
    SessionReused,
    DeletionStarted,
}

impl Change {
    /// How long the link works.
    const fn life(&self) -> Duration {
        match self {
            Self::DeletionStarted => DELETION_GRACE,
            _ => LIFE,
        }
    }

    /// As stored and audited.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PasswordChanged => "password_changed",
            Self::EmailChanged { .. } => "email_changed",
            Self::FactorAdded { .. } => "factor_added",
            Self::FactorRemoved { .. } => "factor_removed",
            Self::RecoveryCodesRenewed => "recovery_codes_renewed",
            Self::SignedIn => "signed_in",
            Self::SessionReused => "session_reused",
            Self::DeletionStarted => "deletion_started",
        }
    }
}

/// Makes the link that takes `change` back, in the change's own transaction. It goes into the letter about it.
///
/// # Errors
/// When the database fails.
pub async fn undo_link(tx: &WriteTx, app: &App, account: AccountId, change: &Change) -> Result<String, DbErr> {
    let now = app.clock.now();
    let token = BASE64_URL_SAFE_NO_PAD.encode(app.dice.bytes::<32>());
    let digest = link_digest(&token);
    let detail = serde_json::to_vec(change).map_err(|error| DbErr::Custom(error.to_string()))?;
    let row = ActiveModel {
        token_sha256: Set(digest),
        account_id: Set(account),
        change: Set(change.name().to_owned()),
        sealed: Set(Some(app.sealer.seal(&place(digest), &detail))),
        created_at: Set(now),
        expires_at: Set(now + change.life()),
        used_at: Set(None),
    };
    Entity::insert(row).exec_without_returning(tx).await?;
    Ok(format!("{}/undo?token={token}", app.config.public_url()))
}

/// Changes that one link takes back.
pub struct Undone {
    /// Held until the commit.
    pub account: account::Model,
    /// What the link is about first, then what came later.
    pub changes: Vec<Change>,
}

/// Spends a link, and with it every later one of the account: whoever made this change is not to keep what they did
/// since, nor to use the links of their own letters. `None` if the token is unknown, was used, or is too old.
///
/// # Errors
/// When the database fails.
pub async fn take_undo(tx: &WriteTx, app: &App, token: Digest) -> Result<Option<Undone>, DbErr> {
    let now = app.clock.now();
    let Some(account) = hold_owner(tx, token).await? else { return Ok(None) };
    let live = |rows: UpdateMany<Entity>| {
        rows.col_expr(Column::UsedAt, Expr::value(now))
            .filter(Column::UsedAt.is_null())
            .filter(Column::ExpiresAt.gt(now))
    };
    let first = live(Entity::update_many()).filter(Column::TokenSha256.eq(token)).exec_with_returning(tx).await?;
    let Some(first) = first.into_iter().next() else { return Ok(None) };
    let mut later = live(Entity::update_many())
        .filter(Column::AccountId.eq(account.id))
        .filter(Column::CreatedAt.gte(first.created_at))
        .exec_with_returning(tx)
        .await?;
    later.sort_by_key(|row| row.created_at);
    let changes: Option<Vec<Change>> = std::iter::once(&first).chain(&later).map(|row| open(app, row)).collect();
    let changes = changes.ok_or_else(|| DbErr::Custom("a change does not open under the vault keys".to_owned()))?;
    Ok(Some(Undone { account, changes }))
}

/// Holds the account that a link is about: before anything else, as every change of an account does, so that no two wait
/// for each other and a sign-in that is under way is over.
async fn hold_owner(tx: &WriteTx, token: Digest) -> Result<Option<account::Model>, DbErr> {
    let Some(link) = Entity::find_by_id(token).one(tx).await? else { return Ok(None) };
    hold(tx, link.account_id).await
}

fn open(app: &App, row: &Model) -> Option<Change> {
    let detail = app.sealer.open(&place(row.token_sha256), row.sealed.as_deref()?)?;
    serde_json::from_slice(&detail).ok()
}

/// Whether each of `limit` changes that can be taken back opens under the vault's keys.
///
/// # Errors
/// When the database fails.
pub async fn sample(db: &impl ConnectionTrait, app: &App, limit: u64) -> Result<Vec<bool>, DbErr> {
    let sealed = Entity::find().filter(Column::Sealed.is_not_null()).limit(limit).all(db).await?;
    Ok(sealed.iter().map(|row| open(app, row).is_some()).collect())
}

/// The additional data that the detail is sealed with.
fn place(token: Digest) -> Vec<u8> {
    [b"security_undo/".as_slice(), token.as_bytes()].concat()
}

/// Spends the link of a deletion's letter. `None` if it is unknown, spent, late, or of another change.
///
/// # Errors
/// When the database fails.
pub async fn spend_deletion_link(tx: &WriteTx, app: &App, token: &str) -> Result<Option<AccountId>, DbErr> {
    let (now, token) = (app.clock.now(), link_digest(token));
    if hold_owner(tx, token).await?.is_none() {
        return Ok(None);
    }
    let spent = Entity::update_many()
        .col_expr(Column::UsedAt, Expr::value(now))
        .filter(Column::TokenSha256.eq(token))
        .filter(Column::Change.eq(Change::DeletionStarted.name()))
        .filter(Column::UsedAt.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .exec_with_returning(tx)
        .await?;
    Ok(spent.first().map(|row| row.account_id))
}

/// Deletes links that are too old to be used.
pub(super) async fn delete_expired(db: &Db, now: Timestamp) -> Result<u64, DbErr> {
    let deleted = Entity::delete_many().filter(Column::ExpiresAt.lte(now)).exec(&db.write_one()).await?;
    Ok(deleted.rows_affected)
}
