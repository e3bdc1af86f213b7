//! Statements on `audit_event` and `audit_head`.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, Query},
};
use uuid::Uuid;

use crate::{
    db::WriteTx,
    entity::{
        audit_event::{Column, Entity, Model},
        audit_event_unchained as unchained, audit_head as head,
    },
    kernel::{
        Digest,
        ids::{AccountId, AuditId},
    },
    subject,
};

const NAME: &str = "trail";

/// Takes the chain's end for the rest of the transaction and moves its sequence on by `count`; returns it with the
/// hash that it had, and the wrapped keys of `subjects`: null for whom there is none.
pub async fn update_head_taken(
    tx: &WriteTx,
    count: i64,
    subjects: &[Uuid],
) -> Result<(End, Vec<Option<Vec<u8>>>), DbErr> {
    let columns = [Expr::col(head::Column::Sequence), Expr::col(head::Column::Hash)];
    let update = Query::update()
        .table(head::Entity)
        .value(head::Column::Sequence, Expr::col(head::Column::Sequence).add(count))
        .and_where(Expr::col(head::Column::Name).eq(NAME))
        .returning(Query::returning().exprs(columns.into_iter().chain(subjects.iter().map(|id| subject::wrapped(*id)))))
        .to_owned();
    let row = tx.query_one(&update).await?.ok_or_else(|| DbErr::RecordNotFound("the audit trail's head".to_owned()))?;
    let wrapped = (2..2 + subjects.len()).map(|place| row.try_get_by_index(place)).collect::<Result<_, _>>()?;
    Ok((End { sequence: row.try_get_by_index(0)?, hash: row.try_get_by_index(1)? }, wrapped))
}

/// The end of the chain.
#[derive(Clone, Copy, Debug)]
pub struct End {
    pub sequence: i64,
    pub hash: Digest,
}

/// Writes the new end down.
pub async fn update_head(tx: &WriteTx, hash: Digest, mac: Digest) -> Result<(), DbErr> {
    head::Entity::update_many()
        .col_expr(head::Column::Hash, Expr::value(hash))
        .col_expr(head::Column::Mac, Expr::value(mac))
        .filter(head::Column::Name.eq(NAME))
        .exec(tx)
        .await
        .map(drop)
}

pub async fn find_head(db: &impl ConnectionTrait) -> Result<Option<head::Model>, DbErr> {
    head::Entity::find_by_id(NAME).one(db).await
}

pub async fn insert(tx: &WriteTx, rows: Vec<Model>) -> Result<(), DbErr> {
    let rows = rows.into_iter().map(|row| row.into_active_model().reset_all());
    Entity::insert_many(rows).exec_without_returning(tx).await.map(drop)
}

/// Rows after `sequence`, in the order of the chain.
pub async fn list_after(db: &impl ConnectionTrait, sequence: i64, limit: u64) -> Result<Vec<Model>, DbErr> {
    Entity::find().filter(Column::Sequence.gt(sequence)).order_by_asc(Column::Sequence).limit(limit).all(db).await
}

/// The row at one place of the chain.
pub async fn find_at(db: &impl ConnectionTrait, sequence: i64) -> Result<Option<Model>, DbErr> {
    Entity::find().filter(Column::Sequence.eq(sequence)).one(db).await
}

/// Which rows are wanted; all conditions hold.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub actor: Option<AccountId>,
    pub subject: Option<Uuid>,
    pub person: Option<Uuid>,
    pub action: Option<String>,
    /// The first id that is not too old.
    pub since: Option<Uuid>,
    /// The first id that is too new.
    pub until: Option<Uuid>,
}

/// Rows older than `before`, newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    wanted: &Wanted,
    before: AuditId,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let before = wanted.until.map_or(before, |until| std::cmp::min(before, until.into()));
    let conditions = Condition::all()
        .add(Column::Id.lt(before))
        .add_option(wanted.since.map(|since| Column::Id.gte(AuditId::from(since))))
        .add_option(wanted.actor.map(|actor| Column::ActorId.eq(actor)))
        .add_option(wanted.subject.map(|subject| Column::SubjectId.eq(subject)))
        .add_option(wanted.person.map(|person| Column::PersonId.eq(person)))
        .add_option(wanted.action.as_deref().map(|action| Column::Action.eq(action)));
    Entity::find().filter(conditions).order_by_desc(Column::Id).limit(limit).all(db).await
}

/// Rows that wait to be taken into the chain, oldest first.
pub async fn list_unchained(tx: &WriteTx, limit: u64) -> Result<Vec<unchained::Model>, DbErr> {
    unchained::Entity::find().order_by_asc(unchained::Column::Id).limit(limit).all(tx).await
}

pub async fn any_unchained(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    let one = unchained::Entity::find().order_by_asc(unchained::Column::Id).limit(1);
    Ok(one.one(db).await?.is_some())
}

pub async fn delete_unchained(tx: &WriteTx, ids: Vec<AuditId>) -> Result<u64, DbErr> {
    let deleted = unchained::Entity::delete_many().filter(unchained::Column::Id.is_in(ids)).exec(tx).await?;
    Ok(deleted.rows_affected)
}

/// Rows that one person made or that concern them, after `after`, oldest first.
pub async fn list_of_person(
    db: &impl ConnectionTrait,
    person: Uuid,
    after: AuditId,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let mut rows = Vec::new();
    // Two walks along two indexes; one query with OR would sort everything.
    for whose in [Column::PersonId.eq(person), Column::ActorId.eq(AccountId::from(person))] {
        let some = Entity::find().filter(whose).filter(Column::Id.gt(after)).order_by_asc(Column::Id).limit(limit);
        rows.extend(some.all(db).await?);
    }
    rows.sort_unstable_by_key(|row| row.id);
    rows.dedup_by_key(|row| row.id);
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(rows)
}
