//! Flows: dialogues of two calls in which a factor is asked for. Statements on `factor_flow`, and their rules.

use std::time::Duration;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use serde::{Serialize, de::DeserializeOwned};

pub use crate::entity::factor_flow::Kind as FlowKind;

use super::Error;
use crate::{
    app::App,
    db::{Db, WriteTx},
    entity::factor_flow::{Column, Entity, Model},
    kernel::{
        Digest, Timestamp,
        ids::{AccountId, FlowId, Id},
    },
};

/// Answers to one flow, counted before each is judged.
const TRIES: i64 = 5;

/// How a flow begins.
pub struct FlowStart<'a, T> {
    pub kind: FlowKind,
    pub account: Option<AccountId>,
    /// From [`client_mac`]: who may answer.
    pub client: Digest,
    /// What the end will need; sealed.
    pub told: &'a T,
    pub life: Duration,
}

/// A flow whose answer may be judged.
pub struct Answered<T> {
    pub taken: Taken,
    pub account: Option<AccountId>,
    pub told: T,
}

/// A flow as it was when an answer was taken. Numbers of step-ups come again: what was begun anew since is another flow.
#[derive(Clone, Copy)]
pub struct Taken {
    id: FlowId,
    begun_at: Timestamp,
}

/// What tells the client that began a flow from others.
pub fn client_mac(app: &App, client: &[u8]) -> Digest {
    Digest::mac(&app.keys.derived("factor flows"), &[client])
}

/// Begins a flow.
///
/// # Errors
/// When the database fails.
pub async fn begin_flow<T: Serialize + Sync>(
    db: &impl ConnectionTrait,
    app: &App,
    start: FlowStart<'_, T>,
) -> Result<FlowId, DbErr> {
    let row = row(app, FlowId::new(app.clock.now(), &app.dice), &start)?;
    let id = row.id;
    Entity::insert(row.into_active_model().reset_all()).exec_without_returning(db).await?;
    Ok(id)
}

/// Begins the flow with this id, unless it is under way: then only what it was told changes, and its tries stand.
///
/// # Errors
/// When the database fails.
pub async fn begin_or_keep_flow<T: Serialize + Sync>(
    app: &App,
    id: FlowId,
    start: FlowStart<'_, T>,
) -> Result<(), DbErr> {
    let row = row(app, id, &start)?;
    let kept = live(id, app.clock.now()).col_expr(Column::Sealed, Expr::value(row.sealed.clone()));
    if kept.exec(&app.db.write_one()).await?.rows_affected == 1 {
        return Ok(());
    }
    let over = Expr::col((Entity, Column::ExpiresAt)).lte(row.created_at).or(Column::DoneAt.is_not_null());
    let again = OnConflict::column(Column::Id)
        .update_columns([Column::Sealed, Column::Tries, Column::CreatedAt, Column::ExpiresAt, Column::DoneAt])
        .action_and_where(over)
        .to_owned();
    let insert = Entity::insert(row.into_active_model().reset_all()).on_conflict(again);
    insert.exec_without_returning(&app.db.write_one()).await.map(drop)
}

fn row<T: Serialize>(app: &App, id: FlowId, start: &FlowStart<'_, T>) -> Result<Model, DbErr> {
    let now = app.clock.now();
    let told = serde_json::to_vec(start.told).map_err(|error| DbErr::Custom(error.to_string()))?;
    Ok(Model {
        id,
        kind: start.kind,
        account_id: start.account,
        client_mac: start.client,
        sealed: app.sealer.seal(&place(id), &told),
        tries: 0,
        created_at: now,
        expires_at: now + start.life,
        done_at: None,
    })
}

/// Takes an answer: counts the try, and tells what the flow began with.
///
/// # Errors
/// [`Error::TriesUsed`], or [`Error::FlowOver`] for one that is unknown, over, of another kind or another client's.
pub async fn answer_flow<T: DeserializeOwned>(
    app: &App,
    id: FlowId,
    kinds: &[FlowKind],
    client: Digest,
) -> Result<Answered<T>, Error> {
    let now = app.clock.now();
    let of_client = |row: &Model| row.client_mac == client && kinds.contains(&row.kind);
    let counted = live(id, now)
        .col_expr(Column::Tries, Expr::col(Column::Tries).add(1))
        .filter(Column::ClientMac.eq(client))
        .filter(Column::Kind.is_in(kinds.iter().copied()))
        .filter(Column::Tries.lt(TRIES))
        .exec_with_returning(&app.db.write_one())
        .await?;
    let Some(row) = counted.into_iter().next() else {
        let seen = Entity::find_by_id(id).one(&app.db).await?;
        let used_up = seen.is_some_and(|row| of_client(&row) && row.done_at.is_none() && row.expires_at > now);
        return Err(if used_up { Error::TriesUsed } else { Error::FlowOver });
    };
    let plain = app.sealer.open(&place(id), &row.sealed).ok_or(Error::FlowOver)?;
    let told = serde_json::from_slice(&plain).map_err(|_| Error::FlowOver)?;
    Ok(Answered { taken: Taken { id, begun_at: row.created_at }, account: row.account_id, told })
}

/// Spends a flow, in the transaction of what it leads to.
///
/// # Errors
/// [`Error::FlowOver`] if another answer was faster.
pub async fn finish_flow(tx: &WriteTx, app: &App, taken: Taken) -> Result<(), Error> {
    let now = app.clock.now();
    let done = live(taken.id, now)
        .col_expr(Column::DoneAt, Expr::value(now))
        .filter(Column::CreatedAt.eq(taken.begun_at))
        .exec(tx)
        .await?;
    if done.rows_affected == 1 { Ok(()) } else { Err(Error::FlowOver) }
}

/// Gives a try back whose answer was not judged after all.
///
/// # Errors
/// When the database fails.
pub async fn give_try_back(app: &App, taken: Taken) -> Result<(), DbErr> {
    live(taken.id, app.clock.now())
        .col_expr(Column::Tries, Expr::col(Column::Tries).sub(1))
        .filter(Column::CreatedAt.eq(taken.begun_at))
        .filter(Column::Tries.gt(0))
        .exec(&app.db.write_one())
        .await
        .map(drop)
}

fn live(id: FlowId, now: Timestamp) -> sea_orm::UpdateMany<Entity> {
    Entity::update_many().filter(Column::Id.eq(id)).filter(Column::DoneAt.is_null()).filter(Column::ExpiresAt.gt(now))
}

/// Ends every flow of an account that is under way: what it was begun with may not hold any more.
///
/// # Errors
/// When the database fails.
pub async fn void_flows(tx: &WriteTx, account: AccountId) -> Result<(), DbErr> {
    Entity::delete_many().filter(Column::AccountId.eq(account)).exec(tx).await.map(drop)
}

/// Deletes flows that nobody can answer any more. Returns how many.
pub(super) async fn delete_over(db: &Db, now: Timestamp) -> Result<u64, DbErr> {
    let over = Entity::delete_many().filter(Column::ExpiresAt.lte(now)).exec(&db.write_one()).await?;
    Ok(over.rows_affected)
}

/// The additional data that a flow's beginning is sealed with.
fn place(id: FlowId) -> Vec<u8> {
    format!("factor_flow/{id}").into_bytes()
}
