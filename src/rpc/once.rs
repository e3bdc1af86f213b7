//! Repeats of a mutation: the same `request_id` gives the first reply, and the act happens once.
//!
//! A record is written in the transaction of the act itself, so there is never an act without its record or a record
//! without its act. It lives for 24 hours. A signed-in caller's records are scoped by caller and method; an anonymous
//! caller's by method and content, so that nobody can fetch another's reply by guessing an id. Replies may hold secrets
//! and are sealed. Owns the table `request_record`.

use std::{future::Future, marker::PhantomData, time::Duration};

use prost::Message;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use tonic::{Response, Status};

use super::{Fields, Refusal, RpcRequest};
use crate::{
    db::{Db, WriteTx},
    entity::request_record::{ActiveModel, Column, Entity, Model},
    kernel::{Caller, Clock, Digest, ids::AccountId},
    vault::Sealer,
};

/// How long a repeat is recognised.
pub const KEPT_FOR: Duration = Duration::from_hours(24);

/// Makes a [`Once`] for each mutation.
#[derive(Clone, Debug)]
pub struct Repeats {
    key: [u8; 32],
    sealer: Sealer,
    clock: Clock,
}

impl Repeats {
    pub fn new(key: [u8; 32], sealer: Sealer, clock: Clock) -> Self {
        Self { key, sealer, clock }
    }

    /// Prepares for a mutation that `message` asks for and `reply` answers.
    ///
    /// # Errors
    /// `FIELD_INVALID` if the message's request id is not a UUID.
    pub fn of<M, T, R>(
        &self,
        caller: Option<&Caller>,
        message: &M,
        reply: fn(&T) -> R,
    ) -> Result<Once<'_, T, R>, Status>
    where
        M: RpcRequest,
        R: Message + Default,
    {
        let id = message.request_id();
        if !id.is_empty() && uuid::Uuid::parse_str(id).is_err() {
            let mut fields = Fields::default();
            fields.refuse("request_id", "must be a UUID");
            return fields.finish(|| None);
        }
        let scope = (!id.is_empty()).then(|| {
            let payload = Digest::mac(&self.key, &[&message.encode_to_vec()]);
            let method = M::RPC.path().as_bytes();
            let record = match caller {
                Some(caller) => {
                    let account = uuid::Uuid::from(caller.account);
                    Digest::mac(&self.key, &[b"account", account.as_bytes(), method, id.as_bytes()])
                }
                None => Digest::mac(&self.key, &[b"anyone", method, id.as_bytes(), payload.as_bytes()]),
            };
            Scope { record, payload, account: caller.map(|caller| caller.account) }
        });
        Ok(Once { repeats: self, scope, reply, outcome: PhantomData })
    }
}

#[derive(Clone, Copy, Debug)]
struct Scope {
    record: Digest,
    payload: Digest,
    account: Option<AccountId>,
}

/// Remembers the outcome of a use case in the use case's own transaction.
pub trait Record<T>: Sync {
    /// To be called last before the commit.
    fn record(&self, tx: &WriteTx, outcome: &T) -> impl Future<Output = Result<(), DbErr>> + Send;
}

/// One mutation, and its repeats.
#[derive(Debug)]
pub struct Once<'a, T, R> {
    repeats: &'a Repeats,
    scope: Option<Scope>,
    reply: fn(&T) -> R,
    outcome: PhantomData<fn(&T) -> R>,
}

impl<T, R> Once<'_, T, R> {
    /// The reply tells of this person and not of the caller: the record goes when the person is erased.
    #[must_use]
    pub fn about(mut self, person: AccountId) -> Self {
        if let Some(scope) = &mut self.scope {
            scope.account = Some(person);
        }
        self
    }
}

impl<T: Sync, R: Message + Default> Once<'_, T, R> {
    /// Runs `act`, unless it ran before: then its first reply is given again.
    ///
    /// Of two equal calls at once, one acts; the other meets its record, or a state that has moved on, and gets the
    /// same reply.
    ///
    /// # Errors
    /// What `act` fails with; `REQUEST_ID_REUSED` when the id came with another payload before.
    pub async fn run<E: Into<Status>>(
        &self,
        db: &Db,
        act: impl Future<Output = Result<T, E>>,
    ) -> Result<Response<R>, Status> {
        if let Some(reply) = self.first_reply(db).await? {
            return Ok(Response::new(reply));
        }
        match act.await {
            Ok(outcome) => Ok(Response::new((self.reply)(&outcome))),
            Err(error) => match self.first_reply(db).await? {
                Some(reply) => Ok(Response::new(reply)),
                None => Err(error.into()),
            },
        }
    }

    async fn first_reply(&self, db: &Db) -> Result<Option<R>, Refusal> {
        let Some(scope) = self.scope else { return Ok(None) };
        let Some(record) = find(db, scope.record, self.repeats).await? else { return Ok(None) };
        if record.payload_digest != scope.payload {
            return Err(Refusal::RequestIdReused);
        }
        let reply = self.repeats.sealer.open(scope.record.as_bytes(), &record.reply).ok_or(Refusal::Internal)?;
        R::decode(reply.as_slice()).map(Some).map_err(|_| Refusal::Internal)
    }
}

impl<T: Sync, R: Message + Default> Record<T> for Once<'_, T, R> {
    async fn record(&self, tx: &WriteTx, outcome: &T) -> Result<(), DbErr> {
        let Some(scope) = self.scope else { return Ok(()) };
        let reply = (self.reply)(outcome).encode_to_vec();
        let sealed = self.repeats.sealer.seal(scope.record.as_bytes(), &reply);
        insert(tx, scope, sealed, self.repeats).await
    }
}

/// Where no client waits for the reply: a job, the command line.
impl<T: Sync> Record<T> for () {
    async fn record(&self, _: &WriteTx, _: &T) -> Result<(), DbErr> {
        Ok(())
    }
}

/// Whether each of `limit` replies that may still be asked for opens under the vault's keys.
///
/// # Errors
/// When the database fails.
pub async fn sample(db: &impl ConnectionTrait, repeats: &Repeats, limit: u64) -> Result<Vec<bool>, DbErr> {
    let rows = Entity::find().filter(Column::ExpiresAt.gt(repeats.clock.now())).limit(limit).all(db).await?;
    Ok(rows.iter().map(|row| repeats.sealer.open(row.scope.as_bytes(), &row.reply).is_some()).collect())
}

async fn find(db: &impl ConnectionTrait, record: Digest, repeats: &Repeats) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(record).filter(Column::ExpiresAt.gt(repeats.clock.now())).one(db).await
}

/// Inserts the record, over an expired one if need be; a live one makes it fail, and with it the transaction.
async fn insert(tx: &WriteTx, scope: Scope, reply: Vec<u8>, repeats: &Repeats) -> Result<(), DbErr> {
    let now = repeats.clock.now();
    let row = ActiveModel {
        scope: Set(scope.record),
        account_id: Set(scope.account),
        payload_digest: Set(scope.payload),
        reply: Set(reply),
        created_at: Set(now),
        expires_at: Set(now + KEPT_FOR),
    };
    let replace_expired = OnConflict::column(Column::Scope)
        .update_columns([Column::AccountId, Column::PayloadDigest, Column::Reply, Column::CreatedAt, Column::ExpiresAt])
        .action_and_where(Expr::col((Entity, Column::ExpiresAt)).lte(now))
        .to_owned();
    let inserted = Entity::insert(row).on_conflict(replace_expired).exec_without_returning(tx).await?;
    if inserted == 0 { Err(DbErr::RecordNotInserted) } else { Ok(()) }
}

/// Deletes records that are too old to be asked for. Returns how many.
///
/// # Errors
/// When the database fails.
pub async fn sweep(db: &Db, clock: &Clock) -> Result<u64, DbErr> {
    let deleted = Entity::delete_many().filter(Column::ExpiresAt.lte(clock.now())).exec(&db.write_one()).await?;
    Ok(deleted.rows_affected)
}
