//! Statements on `audit_event` and `audit_head`.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, IntoActiveModel,
    QueryFilter, QueryOrder, QueryResult, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
};
use uuid::Uuid;

use super::chain::{START, UNSIGNED};
use crate::{
    db::{Db, WriteTx},
    entity::{
        account,
        audit_event::{ActorKind, Column, Entity, Model},
        audit_event_unchained as unchained, audit_head as head,
    },
    kernel::{
        Digest, Timestamp,
        ids::{AccountId, AuditId},
    },
    subject,
};

const NAME: &str = "trail";

/// Takes the chain's end for the rest of the transaction and moves its sequence on by `count`; returns it as it was
/// before, and the wrapped keys of `subjects`: null for whom there is none.
pub async fn update_head_taken(
    tx: &WriteTx,
    count: i64,
    subjects: &[Uuid],
) -> Result<(End, Vec<Option<Vec<u8>>>), DbErr> {
    let columns = [head::Column::Sequence, head::Column::Hash, head::Column::Mac].map(Expr::col);
    let update = Query::update()
        .table(head::Entity)
        .value(head::Column::Sequence, Expr::col(head::Column::Sequence).add(count))
        .and_where(Expr::col(head::Column::Name).eq(NAME))
        .returning(Query::returning().exprs(columns.into_iter().chain(subjects.iter().map(|id| subject::wrapped(*id)))))
        .to_owned();
    let row = tx.query_one(&update).await?.ok_or_else(|| DbErr::RecordNotFound("the audit trail's head".to_owned()))?;
    let wrapped = (3..3 + subjects.len()).map(|place| row.try_get_by_index(place)).collect::<Result<_, _>>()?;
    let moved_on: i64 = row.try_get_by_index(0)?;
    let end = End { sequence: moved_on - count, hash: row.try_get_by_index(1)?, mac: row.try_get_by_index(2)? };
    Ok((end, wrapped))
}

/// The end of the chain.
#[derive(Clone, Copy, Debug)]
pub struct End {
    pub sequence: i64,
    pub hash: Digest,
    pub mac: Digest,
}

impl From<&head::Model> for End {
    fn from(head: &head::Model) -> Self {
        Self { sequence: head.sequence, hash: head.hash, mac: head.mac }
    }
}

/// Signs the end of a chain that has not begun: where nobody has an account yet, or where all there is waits to be taken
/// in. A trail that somebody emptied is not one.
pub async fn update_head_begun(db: &Db, mac: Digest) -> Result<(), DbErr> {
    let exists = |id: Expr, table: SelectStatement| Expr::exists(table.clone().expr(id).to_owned());
    let accounts = exists(Expr::col(account::Column::Id), Query::select().from(account::Entity).to_owned());
    let rows = exists(Expr::col(Column::Id), Query::select().from(Entity).to_owned());
    let waiting = exists(Expr::col(unchained::Column::Id), Query::select().from(unchained::Entity).to_owned());
    head::Entity::update_many()
        .col_expr(head::Column::Mac, Expr::value(mac))
        .filter(head::Column::Name.eq(NAME))
        .filter(head::Column::Sequence.eq(0))
        .filter(head::Column::Hash.eq(START))
        .filter(head::Column::Mac.eq(UNSIGNED))
        .filter(rows.not())
        .filter(accounts.not().or(waiting))
        .exec(&db.write_one())
        .await
        .map(drop)
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

/// A row of the trail as it stands in the table, whatever somebody made of it.
pub struct Found {
    pub row: Model,
    /// Each column can be read. Of a row that cannot, there is its place and little else.
    pub is_whole: bool,
}

/// What the row says that is shown in the place of one that cannot be read.
const UNREADABLE: &str = "unreadable";

impl Found {
    fn read(row: &QueryResult) -> Self {
        match Model::from_query_result(row, "") {
            Ok(row) => Self { row, is_whole: true },
            Err(_) => Self { row: remains(row), is_whole: false },
        }
    }
}

fn remains(row: &QueryResult) -> Model {
    Model {
        id: row.try_get("", "id").unwrap_or_else(|_| Uuid::nil().into()),
        sequence: row.try_get("", "sequence").unwrap_or_default(),
        actor_kind: ActorKind::System,
        actor_id: None,
        action: UNREADABLE.to_owned(),
        subject_kind: String::new(),
        subject_id: None,
        person_id: None,
        reason: None,
        request_id: String::new(),
        facts: "{}".to_owned(),
        actor_sealed: None,
        person_sealed: None,
        created_at: row.try_get("", "created_at").unwrap_or(Timestamp::from_micros(0)),
        previous_hash: START,
        hash: START,
    }
}

/// Reads rows one by one: that somebody damaged one does not hide the others.
async fn all(db: &impl ConnectionTrait, wanted: Select<Entity>) -> Result<Vec<Found>, DbErr> {
    let rows = db.query_all(&wanted.into_query()).await?;
    Ok(rows.iter().map(Found::read).collect())
}

/// Rows after `sequence`, in the order of the chain.
pub async fn list_after(db: &impl ConnectionTrait, sequence: i64, limit: u64) -> Result<Vec<Found>, DbErr> {
    let rows = Entity::find().filter(Column::Sequence.gt(sequence));
    all(db, rows.order_by_asc(Column::Sequence).limit(limit)).await
}

/// Which rows are wanted; all conditions hold.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub actor: Option<AccountId>,
    pub subject: Option<Uuid>,
    pub person: Option<Uuid>,
    pub action: Option<String>,
    /// Any of these; empty for all.
    pub request_ids: Vec<String>,
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
) -> Result<Vec<Found>, DbErr> {
    let request_ids = Some(&wanted.request_ids).filter(|ids| !ids.is_empty());
    let before = wanted.until.map_or(before, |until| std::cmp::min(before, until.into()));
    let conditions = Condition::all()
        .add(Column::Id.lt(before))
        .add_option(wanted.since.map(|since| Column::Id.gte(AuditId::from(since))))
        .add_option(wanted.actor.map(|actor| Column::ActorId.eq(actor)))
        .add_option(wanted.subject.map(|subject| Column::SubjectId.eq(subject)))
        .add_option(wanted.person.map(|person| Column::PersonId.eq(person)))
        .add_option(wanted.action.as_deref().map(|action| Column::Action.eq(action)))
        .add_option(request_ids.map(|ids| Column::RequestId.is_in(ids.iter().map(String::as_str))));
    all(db, Entity::find().filter(conditions).order_by_desc(Column::Id).limit(limit)).await
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
        rows.extend(all(db, some).await?.into_iter().map(|found| found.row));
    }
    rows.sort_unstable_by_key(|row| row.id);
    rows.dedup_by_key(|row| row.id);
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(rows)
}
