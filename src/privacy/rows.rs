//! Rows of any table of the register, found, shown and deleted by what the register says.

use sea_orm::{
    ConnectionTrait, DbErr, QueryResult,
    sea_query::{Asterisk, Expr, ExprTrait, Order, Query, SelectStatement},
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::register::{Holding, REGISTER, Whose};
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

/// The condition by which a row is this person's.
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
    let mut ids = Query::select().expr(Expr::col("id")).from(table).to_owned();
    let whose = REGISTER.iter().find(|holding| holding.table == table).and_then(|holding| holding.whose.first());
    if let Some(whose) = whose {
        ids.and_where(is_of(person, *whose));
    }
    ids
}

/// A page of a person's rows, and what the next page goes on after.
pub async fn page(
    db: &impl ConnectionTrait,
    person: &Person,
    holding: &Holding,
    hidden: &[&str],
    paged_by: Option<&'static str>,
    after: Option<Uuid>,
) -> Result<(Vec<Value>, Option<Uuid>), DbErr> {
    let Some(whose) = holding.whose.first() else { return Ok((Vec::new(), None)) };
    let mut select = Query::select().column(Asterisk).from(holding.table).and_where(is_of(person, *whose)).to_owned();
    match paged_by {
        Some(key) => {
            let after = after.unwrap_or_else(Uuid::nil);
            select.and_where(Expr::col(key).gt(after)).order_by(key, Order::Asc).limit(PAGE)
        }
        None => select.limit(AT_ONCE),
    };
    let rows = db.query_all(&select).await?;
    let full = u64::try_from(rows.len()).is_ok_and(|count| count == PAGE);
    let last = match (paged_by, rows.last()) {
        (Some(key), Some(row)) if full => Some(row.try_get::<Uuid>("", key)?),
        _ => None,
    };
    Ok((rows.iter().map(|row| shown(holding.table, row, hidden)).collect(), last))
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
fn shown(table: &str, row: &QueryResult, hidden: &[&str]) -> Value {
    let mut object = Map::new();
    for column in row.column_names() {
        if !hidden.contains(&column.as_str()) {
            let value = value(table, row, &column);
            object.insert(column, value);
        }
    }
    Value::Object(object)
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
