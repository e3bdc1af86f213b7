//! Rows of any table of the register, found, shown and deleted by what the register says.

use sea_orm::{
    ConnectionTrait, DbErr, QueryResult,
    sea_query::{Asterisk, Expr, ExprTrait, Order, Query, SelectStatement},
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::register::{Holding, Others, REGISTER, Shown, Whose};
use crate::{
    db::WriteTx,
    entity::account,
    kernel::{
        Digest, Timestamp,
        ids::{
            AccountId, ApplicationId, ArtistId, AttemptId, DeviceId, ExportId, HistoryId, LetterId, ObjectId,
            RegistrationId, SessionId, SubmissionId, TrackId, UploadId,
        },
    },
};

/// Rows of one page.
pub const PAGE: u64 = 200;
/// Rows that are read at once where there are no pages.
const AT_ONCE: u64 = 10_000;

/// What a person's rows are found by.
#[derive(Clone)]
pub struct Person {
    pub account: account::Model,
    /// The address as a letter's recipient.
    pub recipient: Digest,
    /// The address as it is typed to sign in.
    pub identifier: Digest,
}

/// The condition by which a row is this person's: by any of what the register names.
fn is_theirs(person: &Person, holding: &Holding) -> Option<Expr> {
    holding.whose.iter().map(|whose| is_of(person, *whose)).reduce(ExprTrait::or)
}

fn is_of(person: &Person, whose: Whose) -> Expr {
    match whose {
        Whose::Account(column) => Expr::col(column).eq(person.account.id),
        Whose::Address(column) => Expr::col(column).eq(person.account.email.clone()),
        Whose::Recipient(column) => Expr::col(column).eq(person.recipient),
        Whose::Identifier(column) => Expr::col(column).eq(person.identifier),
        Whose::Row(column, table) => Expr::col(column).in_subquery(ids_of(person, table)),
    }
}

/// The ids of a person's rows of another table.
fn ids_of(person: &Person, table: &'static str) -> SelectStatement {
    let theirs = REGISTER.iter().find(|holding| holding.table == table).and_then(|holding| is_theirs(person, holding));
    Query::select().expr(Expr::col("id")).from(table).and_where(theirs.unwrap_or_else(|| Expr::value(false))).to_owned()
}

/// A page of a person's rows, and what the next page goes on after.
pub async fn page(
    db: &impl ConnectionTrait,
    person: &Person,
    holding: &Holding,
    how: &Shown,
    after: Option<Uuid>,
) -> Result<(Vec<Value>, Option<Uuid>), DbErr> {
    let Some(theirs) = is_theirs(person, holding) else { return Ok((Vec::new(), None)) };
    let mut select = Query::select().column(Asterisk).from(holding.table).and_where(theirs).to_owned();
    match how.paged_by {
        Some(key) => {
            let after = after.unwrap_or_else(Uuid::nil);
            select.and_where(Expr::col(key).gt(after)).order_by(key, Order::Asc).limit(PAGE)
        }
        None => select.limit(AT_ONCE),
    };
    let rows = db.query_all(&select).await?;
    let full = u64::try_from(rows.len()).is_ok_and(|count| count == PAGE);
    let last = match (how.paged_by, rows.last()) {
        (Some(key), Some(row)) if full => Some(row.try_get::<Uuid>("", key)?),
        _ => None,
    };
    Ok((rows.iter().map(|row| shown(person, holding, how, row)).collect(), last))
}

/// Deletes a person's rows. Returns how many.
pub async fn delete(tx: &WriteTx, person: &Person, holding: &Holding) -> Result<u64, DbErr> {
    let mut count = 0;
    for whose in holding.whose {
        let delete = Query::delete().from_table(holding.table).and_where(is_of(person, *whose)).to_owned();
        count += tx.execute(&delete).await?.rows_affected();
    }
    Ok(count)
}

/// A row as a person reads it: ids as they are written elsewhere, moments in RFC 3339.
fn shown(person: &Person, holding: &Holding, how: &Shown, row: &QueryResult) -> Value {
    let of_others = holding.others.filter(|others| is_somebody_else_s(person, others, row));
    let of_others = of_others.map_or(&[][..], |others| others.hidden);
    let mut object = Map::new();
    for column in row.column_names() {
        if !how.hidden.contains(&column.as_str()) && !of_others.contains(&column.as_str()) {
            let value = value(holding.table, row, &column);
            object.insert(column, value);
        }
    }
    Value::Object(object)
}

/// Whether the row is about another account. One that cannot be read is taken for another.
fn is_somebody_else_s(person: &Person, others: &Others, row: &QueryResult) -> bool {
    match row.try_get::<Option<Uuid>>("", others.account) {
        Ok(account) => account.is_some_and(|account| account != Uuid::from(person.account.id)),
        Err(_) => true,
    }
}

/// A column's value. Neither database says what a column means, so each kind is tried; every column is of one.
fn value(table: &str, row: &QueryResult, column: &str) -> Value {
    if let Ok(number) = row.try_get::<Option<i64>>("", column) {
        return match number {
            Some(number) if column.ends_with("_at") => Value::String(moment(number)),
            number => number.into(),
        };
    }
    if let Ok(text) = row.try_get::<Option<String>>("", column) {
        return text.into();
    }
    if let Ok(flag) = row.try_get::<Option<bool>>("", column) {
        return flag.into();
    }
    if let Ok(Some(id)) = row.try_get::<Option<Uuid>>("", column) {
        return Value::String(id_text(table, column, id));
    }
    row.try_get::<Option<Vec<u8>>>("", column).ok().flatten().map(hex::encode).into()
}

fn moment(micros: i64) -> String {
    crate::rpc::convert::timestamp(Timestamp::from_micros(micros)).to_string()
}

fn id_text(table: &str, column: &str, id: Uuid) -> String {
    let kind = if column == "id" { table } else { column };
    match kind {
        "account" | "account_id" | "owner_id" | "applicant_id" | "submitter_id" => AccountId::from(id).to_string(),
        "session" | "session_id" => SessionId::from(id).to_string(),
        "device_id" => DeviceId::from(id).to_string(),
        "login_attempt" => AttemptId::from(id).to_string(),
        "registration" => RegistrationId::from(id).to_string(),
        "letter" => LetterId::from(id).to_string(),
        "artist" | "artist_id" => ArtistId::from(id).to_string(),
        "artist_application" => ApplicationId::from(id).to_string(),
        "track" | "track_id" => TrackId::from(id).to_string(),
        "submission" | "submission_id" => SubmissionId::from(id).to_string(),
        "submission_history" => HistoryId::from(id).to_string(),
        "upload" | "upload_id" | "audio_upload_id" | "artwork_upload_id" => UploadId::from(id).to_string(),
        "object_reference" | "object_id" => ObjectId::from(id).to_string(),
        "data_export" => ExportId::from(id).to_string(),
        _ => id.to_string(),
    }
}
