//! Statements on `job` and `schedule`.

use std::time::Duration;

use sea_orm::{
    ActiveEnum, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait, LockBehavior, LockType, Order, Query},
};

use crate::{
    db::Db,
    entity::{
        job::{Column, Entity, Model, State},
        schedule,
    },
    kernel::{Timestamp, ids::JobId},
};

/// The states of a job that waits for its time.
const WAITING: [State; 3] = [State::Available, State::Scheduled, State::Retryable];

/// Claims the most urgent job that is due, until `lease_until`, counting the attempt.
///
/// One statement, committed at once: the job runs outside any transaction. `SKIP LOCKED` keeps workers on PostgreSQL
/// from waiting for each other; on SQLite the one writer does.
pub async fn claim(db: &Db, worker: &str, now: Timestamp, lease_until: Timestamp) -> Result<Option<Model>, DbErr> {
    let next = Query::select()
        .column(Column::Id)
        .from(Entity)
        .and_where(Column::State.is_in(WAITING))
        .and_where(Column::ScheduledAt.lte(now))
        .order_by(Column::Priority, Order::Asc)
        .order_by(Column::ScheduledAt, Order::Asc)
        .order_by(Column::Id, Order::Asc)
        .limit(1)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .to_owned();
    let claim = Query::update()
        .table(Entity)
        .value(Column::State, State::Running.to_value())
        .value(Column::Attempt, Expr::col(Column::Attempt).add(1))
        .value(Column::LeasedBy, worker)
        .value(Column::LeaseUntil, lease_until)
        .and_where(Expr::col(Column::Id).in_subquery(next))
        .returning(Query::returning().all())
        .to_owned();
    let row = db.write_one().query_one(&claim).await?;
    row.map(|row| Model::from_query_result(&row, "")).transpose()
}

/// Extends the lease of a running job. `false` if another worker has taken it.
pub async fn update_lease(db: &Db, id: JobId, worker: &str, until: Timestamp) -> Result<bool, DbErr> {
    let beaten = Entity::update_many()
        .col_expr(Column::LeaseUntil, Expr::value(until))
        .filter(held_by(id, worker))
        .exec(&db.write_one())
        .await?;
    Ok(beaten.rows_affected == 1)
}

/// How a run ended.
pub enum End<'a> {
    Completed,
    Retry {
        at: Timestamp,
        error: &'a str,
    },
    Discarded {
        error: &'a str,
    },
    /// Given back unfinished by a worker that stops: the attempt does not count.
    GivenBack,
}

/// Closes a run, unless another worker has taken the job meanwhile.
pub async fn update_ended(db: &Db, id: JobId, worker: &str, now: Timestamp, end: End<'_>) -> Result<(), DbErr> {
    let (state, error, finished_at) = match &end {
        End::Completed => (State::Completed, None, Some(now)),
        End::Retry { error, .. } => (State::Retryable, Some(*error), None),
        End::Discarded { error } => (State::Discarded, Some(*error), Some(now)),
        End::GivenBack => (State::Available, None, None),
    };
    let mut update = Entity::update_many()
        .col_expr(Column::State, Expr::value(state.to_value()))
        .col_expr(Column::LastError, Expr::value(error.map(str::to_owned)))
        .col_expr(Column::FinishedAt, Expr::value(finished_at))
        .col_expr(Column::LeasedBy, Expr::value(Option::<String>::None))
        .col_expr(Column::LeaseUntil, Expr::value(Option::<Timestamp>::None))
        .filter(held_by(id, worker));
    match end {
        End::Retry { at, .. } => update = update.col_expr(Column::ScheduledAt, Expr::value(at)),
        End::GivenBack => update = update.col_expr(Column::Attempt, Expr::col(Column::Attempt).sub(1)),
        End::Completed | End::Discarded { .. } => {}
    }
    update.exec(&db.write_one()).await.map(drop)
}

fn held_by(id: JobId, worker: &str) -> Condition {
    Condition::all().add(Column::Id.eq(id)).add(Column::State.eq(State::Running)).add(Column::LeasedBy.eq(worker))
}

/// Gives jobs of silent workers back to the queue. Returns how many.
pub async fn update_expired_leases(db: &Db, now: Timestamp) -> Result<u64, DbErr> {
    let freed = Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Retryable.to_value()))
        .col_expr(Column::LeasedBy, Expr::value(Option::<String>::None))
        .col_expr(Column::LeaseUntil, Expr::value(Option::<Timestamp>::None))
        .filter(Column::State.eq(State::Running))
        .filter(Column::LeaseUntil.lt(now))
        .exec(&db.write_one())
        .await?;
    Ok(freed.rows_affected)
}

/// Whether some job had a lease that has run out: asked before the writer is troubled.
pub async fn any_expired_lease(db: &Db, now: Timestamp) -> Result<bool, DbErr> {
    let one = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::State.eq(State::Running))
        .filter(Column::LeaseUntil.lt(now))
        .limit(1);
    Ok(one.into_tuple::<JobId>().one(db).await?.is_some())
}

/// Whether some job is due: asked before the writer is troubled.
pub async fn any_due(db: &Db, now: Timestamp) -> Result<bool, DbErr> {
    let one = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::State.is_in(WAITING))
        .filter(Column::ScheduledAt.lte(now))
        .limit(1);
    Ok(one.into_tuple::<JobId>().one(db).await?.is_some())
}

/// How many jobs there are in `state`, and for when the first of them is due.
pub async fn count_in_state(db: &Db, state: State) -> Result<(i64, Option<Timestamp>), DbErr> {
    let found = Entity::find()
        .select_only()
        .column_as(Column::Id.count(), "jobs")
        .column_as(Column::ScheduledAt.min(), "first")
        .filter(Column::State.eq(state))
        .into_tuple()
        .one(db)
        .await?;
    Ok(found.unwrap_or_default())
}

/// Deletes jobs that ended well before `horizon`. Discarded ones stay for staff to see.
pub async fn delete_finished(db: &Db, horizon: Timestamp) -> Result<u64, DbErr> {
    let deleted = Entity::delete_many()
        .filter(Column::FinishedAt.lt(horizon))
        .filter(Column::State.is_in([State::Completed, State::Cancelled]))
        .exec(&db.write_one())
        .await?;
    Ok(deleted.rows_affected)
}

/// The times at which schedules are due next, by name.
pub async fn list_schedules(db: &Db) -> Result<Vec<schedule::Model>, DbErr> {
    schedule::Entity::find().all(db).await
}

/// Notes when a schedule is due for the first time, unless it is known.
pub async fn insert_schedule(db: &Db, name: &str, next_run_at: Timestamp) -> Result<(), DbErr> {
    let row = schedule::ActiveModel {
        name: sea_orm::ActiveValue::Set(name.to_owned()),
        next_run_at: sea_orm::ActiveValue::Set(next_run_at),
    };
    let known = sea_orm::sea_query::OnConflict::column(schedule::Column::Name).do_nothing().to_owned();
    schedule::Entity::insert(row).on_conflict(known).exec_without_returning(&db.write_one()).await.map(drop)
}

/// Moves a due schedule on. Of several instances, one is told `true` and enqueues the work in the same transaction.
pub async fn update_schedule(
    tx: &crate::db::WriteTx,
    name: &str,
    now: Timestamp,
    every: Duration,
) -> Result<bool, DbErr> {
    let moved = schedule::Entity::update_many()
        .col_expr(schedule::Column::NextRunAt, Expr::value(now + every))
        .filter(schedule::Column::Name.eq(name))
        .filter(schedule::Column::NextRunAt.lte(now))
        .exec(tx)
        .await?;
    Ok(moved.rows_affected == 1)
}
