//! Posting letters.

use sea_orm::{
    ActiveEnum,
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, OnConflict},
};

use super::SendLetter;
use crate::{
    app::App,
    db::{Db, WriteTx},
    entity::{
        account,
        letter::{ActiveModel, Column, Entity, Model, State},
        registration,
    },
    kernel::{
        Digest, EmailAddress, Timestamp,
        ids::{AccountId, Id, LetterId},
    },
    mail::Letter,
};

/// Whose mailbox a letter goes to, and the language they chose (BCP 47).
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// Whose account it is about: exports and erasure find the letter by it, whatever becomes of the mailbox.
    pub account: Option<AccountId>,
    pub email: &'a EmailAddress,
    pub locale: &'a str,
}

impl<'a> From<&'a account::Model> for Reader<'a> {
    fn from(account: &'a account::Model) -> Self {
        Self { account: Some(account.id), email: &account.email, locale: &account.locale }
    }
}

impl<'a> From<&'a registration::Model> for Reader<'a> {
    fn from(registration: &'a registration::Model) -> Self {
        Self { account: None, email: &registration.email, locale: &registration.locale }
    }
}

/// Writes a letter and queues it, in the caller's transaction.
///
/// `key` names the occasion: a second letter with the same key is not written.
///
/// # Errors
/// When the database fails, and with it the whole transaction.
pub async fn post<'a>(
    tx: &WriteTx,
    app: &App,
    key: &str,
    to: impl Into<Reader<'a>> + Send,
    letter: &Letter,
) -> Result<(), DbErr> {
    let Reader { account, email, locale } = to.into();
    let now = app.clock.now();
    let id = LetterId::new(now, &app.dice);
    let rendered = app
        .office
        .write(letter, locale, email, &id.to_string(), now)
        .map_err(|error| DbErr::Custom(format!("a letter could not be written: {error:#}")))?;
    let row = ActiveModel {
        id: Set(id),
        idempotency_key: Set(key.to_owned()),
        recipient_mac: Set(Some(recipient_mac(app, email))),
        kind: Set(rendered.kind.to_owned()),
        sealed: Set(Some(app.sealer.seal(&place(id), &rendered.message))),
        state: Set(State::Queued),
        created_at: Set(now),
        sent_at: Set(None),
        account_id: Set(account),
    };
    let once = OnConflict::column(Column::IdempotencyKey).do_nothing().to_owned();
    if Entity::insert(row).on_conflict(once).exec_without_returning(tx).await? == 0 {
        return Ok(());
    }
    app.queue.enqueue(tx, &SendLetter { letter: id }).await
}

/// Notes whose the letters to a mailbox are that the account leaves, in the transaction that changes its address.
///
/// # Errors
/// When the database fails.
pub async fn keep_letters(tx: &WriteTx, app: &App, account: AccountId, former: &EmailAddress) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::AccountId, Expr::value(account))
        .filter(Column::RecipientMac.eq(recipient_mac(app, former)))
        .filter(Column::AccountId.is_null())
        .exec(tx)
        .await
        .map(drop)
}

/// Whose a letter is, without its address: what exports and erasure go by.
pub fn recipient_mac(app: &App, address: &EmailAddress) -> Digest {
    Digest::mac(&app.keys.derived("letter recipients"), &[address.expose().as_bytes()])
}

/// The additional data that a letter is sealed with.
pub(super) fn place(id: LetterId) -> Vec<u8> {
    format!("letter/{id}").into_bytes()
}

pub(super) async fn find(db: &impl ConnectionTrait, id: LetterId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).one(db).await
}

/// Whether each of `limit` waiting letters opens under the vault's keys.
///
/// # Errors
/// When the database fails.
pub async fn sample(db: &impl ConnectionTrait, app: &App, limit: u64) -> Result<Vec<bool>, DbErr> {
    let waiting = Entity::find().filter(Column::Sealed.is_not_null()).limit(limit).all(db).await?;
    let opens = |row: &Model| row.sealed.as_deref().is_some_and(|text| app.sealer.open(&place(row.id), text).is_some());
    Ok(waiting.iter().map(opens).collect())
}

/// What became of a letter.
pub(super) enum End {
    Sent(Timestamp),
    /// The mail server will not have it.
    Abandoned,
}

/// Notes the end of a letter, and forgets its text.
pub(super) async fn update_ended(db: &Db, id: LetterId, end: End) -> Result<(), DbErr> {
    let (state, sent_at) = match end {
        End::Sent(at) => (State::Sent, Some(at)),
        End::Abandoned => (State::Abandoned, None),
    };
    Entity::update_many()
        .col_expr(Column::State, Expr::value(state.to_value()))
        .col_expr(Column::SentAt, Expr::value(sent_at))
        .col_expr(Column::Sealed, Expr::value(Option::<Vec<u8>>::None))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(State::Queued))
        .exec(&db.write_one())
        .await
        .map(drop)
}

/// Deletes letters that went out or were given up, made before `horizon`: ids are ordered by age.
pub(super) async fn delete_old(db: &Db, horizon: Timestamp) -> Result<u64, DbErr> {
    let old = Entity::delete_many().filter(Column::Id.lt(LetterId::earliest(horizon)));
    let deleted = old.filter(Column::State.ne(State::Queued)).exec(&db.write_one()).await?;
    Ok(deleted.rows_affected)
}
