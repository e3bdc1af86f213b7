//! Statements on `mail_proof`, `email_change` and `password_try`.

use std::time::Duration;

use sea_orm::{
    ActiveEnum, ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, IntoCondition, OnConflict},
};
use uuid::Uuid;

use crate::{
    db::{Db, WriteTx},
    entity::{
        audit_event, email_change,
        mail_proof::{Column, Entity, Model, Purpose, State},
        password_try, session,
    },
    kernel::{
        Digest, Timestamp,
        ids::{AccountId, AuditId, EmailChangeId, ProofId, SessionId},
    },
};

pub async fn insert_proof(tx: &WriteTx, proof: Model) -> Result<(), DbErr> {
    Entity::insert(proof.into_active_model().reset_all()).exec_without_returning(tx).await.map(drop)
}

pub async fn find_proof(db: &impl ConnectionTrait, id: ProofId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).one(db).await
}

pub async fn find_by_link(db: &impl ConnectionTrait, link: Digest) -> Result<Option<Model>, DbErr> {
    Entity::find().filter(Column::LinkSha256.eq(link)).one(db).await
}

pub async fn list_of_flow(db: &impl ConnectionTrait, flow: Uuid) -> Result<Vec<Model>, DbErr> {
    Entity::find().filter(Column::FlowId.eq(flow)).all(db).await
}

/// Counts a try at the codes of a flow. `false` if none is left, or there is no such flow.
pub async fn update_counted_try(db: &Db, flow: Uuid, most: i64) -> Result<bool, DbErr> {
    let counted = Entity::update_many()
        .col_expr(Column::CodeAttempts, Expr::col(Column::CodeAttempts).add(1))
        .filter(Column::FlowId.eq(flow))
        .filter(Column::CodeAttempts.lt(most))
        .exec(&db.write_one())
        .await?;
    Ok(counted.rows_affected > 0)
}

/// Spends a proof. `false` if it was spent or voided before.
pub async fn update_spent(tx: &WriteTx, id: ProofId, now: Timestamp) -> Result<bool, DbErr> {
    let spent = Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Spent.to_value()))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(State::Pending))
        .exec(tx)
        .await?;
    Ok(spent.rows_affected == 1)
}

/// Voids one proof that no letter was written for.
pub async fn update_void(tx: &WriteTx, id: ProofId, now: Timestamp) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Void.to_value()))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(State::Pending))
        .exec(tx)
        .await
        .map(drop)
}

/// Whether an older reset of the account, asked for since `since`, still waits.
pub async fn find_reset_before(
    tx: &WriteTx,
    account: AccountId,
    than: ProofId,
    since: Timestamp,
) -> Result<bool, DbErr> {
    let older = Entity::find()
        .filter(Column::AccountId.eq(account))
        .filter(Column::Id.lt(than))
        .filter(Column::Purpose.eq(Purpose::ResetPassword))
        .filter(Column::State.eq(State::Pending))
        .filter(Column::CreatedAt.gt(since))
        .one(tx)
        .await?;
    Ok(older.is_some())
}

/// Voids the resets of an account that are older than `than`.
pub async fn update_resets_void(tx: &WriteTx, account: AccountId, than: ProofId, now: Timestamp) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Void.to_value()))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::AccountId.eq(account))
        .filter(Column::Id.lt(than))
        .filter(Column::Purpose.eq(Purpose::ResetPassword))
        .filter(Column::State.eq(State::Pending))
        .exec(tx)
        .await
        .map(drop)
}

/// Voids what waits for a letter of one of these purposes to be answered.
pub async fn update_proofs_void(
    tx: &WriteTx,
    account: AccountId,
    purposes: &[Purpose],
    now: Timestamp,
) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Void.to_value()))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::AccountId.eq(account))
        .filter(Column::Purpose.is_in(purposes.iter().copied()))
        .filter(Column::State.eq(State::Pending))
        .exec(tx)
        .await
        .map(drop)
}

/// Voids the changes of address that wait.
pub async fn update_changes_void(tx: &WriteTx, account: AccountId, now: Timestamp) -> Result<(), DbErr> {
    email_change::Entity::update_many()
        .col_expr(email_change::Column::State, Expr::value(email_change::State::Void.to_value()))
        .col_expr(email_change::Column::UpdatedAt, Expr::value(now))
        .filter(email_change::Column::AccountId.eq(account))
        .filter(email_change::Column::State.eq(email_change::State::Pending))
        .exec(tx)
        .await
        .map(drop)
}

pub async fn insert_change(tx: &WriteTx, change: email_change::Model) -> Result<(), DbErr> {
    let row = change.into_active_model().reset_all();
    email_change::Entity::insert(row).exec_without_returning(tx).await.map(drop)
}

/// A change of address that waits; its row is held until the commit, so that two confirmations follow each other.
pub async fn update_held(
    tx: &WriteTx,
    id: EmailChangeId,
    now: Timestamp,
) -> Result<Option<email_change::Model>, DbErr> {
    let held = email_change::Entity::update_many()
        .col_expr(email_change::Column::UpdatedAt, Expr::value(now))
        .filter(email_change::Column::Id.eq(id))
        .filter(email_change::Column::State.eq(email_change::State::Pending))
        .exec_with_returning(tx)
        .await?;
    Ok(held.into_iter().next())
}

pub async fn update_done(tx: &WriteTx, id: EmailChangeId) -> Result<(), DbErr> {
    email_change::Entity::update_many()
        .col_expr(email_change::Column::State, Expr::value(email_change::State::Done.to_value()))
        .filter(email_change::Column::Id.eq(id))
        .exec(tx)
        .await
        .map(drop)
}

/// Counts a session's try at its own password. `false` if there were `most` in the last `window`.
pub async fn update_password_try(
    db: &Db,
    session: SessionId,
    most: i64,
    window: Duration,
    now: Timestamp,
) -> Result<bool, DbErr> {
    use password_try::{ActiveModel, Column as C, Entity as Try};
    let column = |column| Expr::col((Try, column));
    let over = || column(C::BeganAt).lte(now - window);
    let row = ActiveModel { session_id: Set(session), tries: Set(1), began_at: Set(now) };
    let count = OnConflict::column(C::SessionId)
        .value(C::Tries, Expr::case(over(), 1).finally(column(C::Tries).add(1)))
        .value(C::BeganAt, Expr::case(over(), now).finally(column(C::BeganAt)))
        .action_and_where(over().or(column(C::Tries).lt(most)))
        .to_owned();
    Ok(Try::insert(row).on_conflict(count).exec_without_returning(&db.write_one()).await? > 0)
}

/// Gives a try back that could not be judged.
pub async fn update_password_try_back(db: &Db, session: SessionId) -> Result<(), DbErr> {
    use password_try::{Column as C, Entity as Try};
    let back = Try::update_many().col_expr(C::Tries, Expr::col(C::Tries).sub(1));
    back.filter(C::SessionId.eq(session)).filter(C::Tries.gt(0)).exec(&db.write_one()).await.map(drop)
}

/// Forgets a session's tries, once one was right.
pub async fn delete_password_tries(db: &Db, session: SessionId) -> Result<(), DbErr> {
    password_try::Entity::delete_by_id(session).exec(&db.write_one()).await.map(drop)
}

/// Deletes proofs that nobody can use any more. Returns what they were for.
pub async fn delete_stale_proofs(tx: &WriteTx, horizon: Timestamp) -> Result<Vec<Uuid>, DbErr> {
    let proofs = Entity::delete_many().filter(Column::LinkExpiresAt.lt(horizon)).exec_with_returning(tx).await?;
    Ok(proofs.iter().map(|proof| proof.flow_id).collect())
}

/// Deletes changes of address and tries that came to nothing.
pub async fn delete_stale(db: &Db, horizon: Timestamp) -> Result<(), DbErr> {
    email_change::Entity::delete_many()
        .filter(email_change::Column::CreatedAt.lt(horizon))
        .exec(&db.write_one())
        .await?;
    let tries = password_try::Entity::delete_many().filter(password_try::Column::BeganAt.lt(horizon));
    tries.exec(&db.write_one()).await.map(drop)
}

/// Whose events.
#[derive(Clone, Copy)]
pub enum Side {
    /// Those that happened to an account.
    Subject,
    /// Those that concern it and happened to something of its own: a session, a device, a factor.
    Person,
}

/// Events of an account whose action begins with one of `words`, newest first: one walk along an index.
pub async fn list_events(
    db: &impl ConnectionTrait,
    account: AccountId,
    side: Side,
    words: &[&str],
    before: AuditId,
    limit: u64,
) -> Result<Vec<audit_event::Model>, DbErr> {
    use audit_event::Column as C;
    let whose = match side {
        Side::Subject => C::SubjectId.eq(Uuid::from(account)).into_condition(),
        Side::Person => C::PersonId.eq(Uuid::from(account)).and(C::SubjectKind.ne("account")).into_condition(),
    };
    let about = words.iter().fold(sea_orm::Condition::any(), |any, word| any.add(C::Action.starts_with(*word)));
    audit_event::Entity::find()
        .filter(whose)
        .filter(C::Id.lt(before))
        .filter(about)
        .order_by_desc(C::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Names of an account's devices, by session; of those that are still known.
pub async fn list_devices(
    db: &impl ConnectionTrait,
    account: AccountId,
    sessions: &[Uuid],
) -> Result<Vec<(SessionId, String)>, DbErr> {
    let ids = sessions.iter().map(|id| SessionId::from(*id));
    session::Entity::find()
        .select_only()
        .columns([session::Column::Id, session::Column::DeviceName])
        .filter(session::Column::Id.is_in(ids))
        .filter(session::Column::AccountId.eq(account))
        .into_tuple()
        .all(db)
        .await
}
