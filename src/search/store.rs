//! Statements on `search_document` and its full-text index: the one place of search that writes SQL by hand, because
//! matching has no common form.

use std::iter::once;

use sea_orm::{
    ActiveEnum,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryResult, Statement,
    sea_query::OnConflict,
};
use uuid::Uuid;

use super::{
    Document, Kind,
    normalize::{fold, terms, whole},
    query::{Asked, How},
};
use crate::{
    db::WriteTx,
    entity::search_document::{ActiveModel, Column, Entity},
    kernel::Timestamp,
};

/// Documents looked at for each class of match, those written last first.
const CAP: u32 = 1_000;

/// Inserts a document, or replaces the one of the same subject.
pub async fn upsert(tx: &WriteTx, document: &Document<'_>) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: NotSet,
        kind: Set(document.kind),
        subject_id: Set(document.subject),
        display: Set(document.display.to_owned()),
        whole: Set(whole(&fold(document.display))),
        terms: Set(terms(once(document.display).chain(document.also.iter().copied()))),
        published_at: Set(document.published_at),
    };
    let replace = OnConflict::columns([Column::Kind, Column::SubjectId])
        .update_columns([Column::Display, Column::Whole, Column::Terms, Column::PublishedAt])
        .to_owned();
    Entity::insert(row).on_conflict(replace).exec_without_returning(tx).await.map(drop)
}

pub async fn delete(tx: &WriteTx, kind: Kind, subject: Uuid) -> Result<(), DbErr> {
    let one = Entity::delete_many().filter(Column::Kind.eq(kind)).filter(Column::SubjectId.eq(subject));
    one.exec(tx).await.map(drop)
}

/// How well a document matches; better ones are smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Exact,
    Words,
    Prefix,
}

impl Class {
    pub const ALL: [Self; 3] = [Self::Exact, Self::Words, Self::Prefix];

    pub const fn number(self) -> i32 {
        match self {
            Self::Exact => 1,
            Self::Words => 2,
            Self::Prefix => 3,
        }
    }

    pub fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.number() == number)
    }
}

/// A document that matches, and where it stands in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    pub class: Class,
    pub published_at: Timestamp,
    pub subject: Uuid,
    pub kind: Kind,
}

/// The sort key of the last hit already seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    pub class: i32,
    pub published_at: Timestamp,
    pub subject: Uuid,
}

impl After {
    /// Before all hits.
    pub const START: Self = Self { class: 0, published_at: Timestamp::from_micros(i64::MAX), subject: Uuid::max() };
}

/// Hits after `after` in the order of class, newest, id.
pub async fn list(
    db: &impl ConnectionTrait,
    asked: &Asked,
    kinds: &[Kind],
    after: After,
    limit: u64,
) -> Result<Vec<Hit>, DbErr> {
    let backend = db.get_database_backend();
    let [words, prefix] = [How::Whole, How::Prefix].map(|how| match backend {
        DbBackend::Sqlite => asked.fts5(how),
        _ => asked.tsquery(how),
    });
    let values = [
        asked.whole.clone().into(),
        words.into(),
        prefix.into(),
        after.class.into(),
        after.published_at.into(),
        after.subject.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    let rows = db.query_all_raw(Statement::from_sql_and_values(backend, sql(backend, kinds), values)).await?;
    rows.iter().map(hit).collect()
}

fn hit(row: &QueryResult) -> Result<Hit, DbErr> {
    let class: i32 = row.try_get("", "class")?;
    Ok(Hit {
        class: Class::of(class).ok_or_else(|| DbErr::Type(format!("no class of match is {class}")))?,
        published_at: row.try_get("", "published_at")?,
        subject: row.try_get("", "subject_id")?,
        kind: row.try_get("", "kind")?,
    })
}

/// The statement. Its values, in order: the whole query, its words, its prefixes, the three parts of the sort key, and
/// how many rows.
fn sql(backend: DbBackend, kinds: &[Kind]) -> String {
    let lite = backend == DbBackend::Sqlite;
    let value = |place: u8| if lite { format!("?{place}") } else { format!("${place}") };
    // Names of a closed enum, never anything typed.
    let kinds: Vec<String> = kinds.iter().map(|kind| format!("'{}'", kind.to_value())).collect();
    let kinds = kinds.join(", ");
    let matching = |place: u8| {
        if lite {
            // CROSS JOIN keeps SQLite at walking the matches from the last written backwards, which the index does
            // without a sort.
            format!(
                "SELECT d.id FROM search_index CROSS JOIN search_document d ON d.id = search_index.rowid \
                 WHERE search_index MATCH {} AND d.kind IN ({kinds}) ORDER BY search_index.rowid DESC LIMIT {CAP}",
                value(place)
            )
        } else {
            format!(
                "SELECT d.id FROM search_document d \
                 WHERE d.tsv @@ {}::tsquery AND d.kind IN ({kinds}) ORDER BY d.id DESC LIMIT {CAP}",
                value(place)
            )
        }
    };
    let (whole, class, published_at, subject, limit) = (value(1), value(4), value(5), value(6), value(7));
    let (words, prefix) = (matching(2), matching(3));
    // Whether a subject may be seen is asked by its key and not by EXISTS, which PostgreSQL may turn into a walk through
    // the whole table.
    format!(
        "WITH exact AS (SELECT d.id FROM search_document d WHERE d.whole = {whole} AND d.kind IN ({kinds}) \
                        ORDER BY d.published_at DESC, d.subject_id DESC LIMIT {CAP}), \
              words AS ({words}), \
              prefix AS ({prefix}), \
              hit AS (SELECT id, MIN(class) AS class \
                      FROM (SELECT id, 1 AS class FROM exact UNION ALL SELECT id, 2 FROM words \
                            UNION ALL SELECT id, 3 FROM prefix) AS every GROUP BY id) \
         SELECT hit.class AS class, d.published_at AS published_at, d.subject_id AS subject_id, d.kind AS kind \
         FROM hit JOIN search_document d ON d.id = hit.id \
         WHERE (hit.class > {class} OR (hit.class = {class} AND (d.published_at < {published_at} \
                OR (d.published_at = {published_at} AND d.subject_id < {subject})))) \
           AND CASE d.kind \
               WHEN 'track' THEN (SELECT track.state = 'active' AND track.deleted_at IS NULL \
                                  FROM track WHERE track.id = d.subject_id) \
               ELSE (SELECT artist.state = 'active' FROM artist WHERE artist.id = d.subject_id) END \
         ORDER BY hit.class, d.published_at DESC, d.subject_id DESC LIMIT {limit}"
    )
}
