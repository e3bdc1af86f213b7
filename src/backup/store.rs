//! Statements that read what a copy of the database holds, or the database itself: pages of what it names, and counts.

use std::collections::BTreeMap;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Alias, Asterisk, Expr, ExprTrait, Query},
};

use crate::{
    db,
    entity::{
        data_export, object_reference, stored_blob,
        upload::{self, State},
        upload_segment,
    },
    kernel::{
        Digest, Timestamp,
        ids::{BlobId, ExportId, UploadId},
    },
};

/// The states of an upload whose pieces lie in the store.
const OPEN: [State; 3] = [State::Pending, State::Receiving, State::Verifying];

/// Migrations that made the schema, oldest first.
pub async fn list_migrations(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let version = Alias::new("version");
    let list = Query::select().column(version.clone()).from(Alias::new("seaql_migrations")).to_owned();
    let rows = db.query_all(&list).await?;
    let mut names: Vec<String> = rows.iter().map(|row| row.try_get("", "version")).collect::<Result<_, _>>()?;
    names.sort();
    Ok(names)
}

/// How many rows each table has.
pub async fn count_rows(db: &impl ConnectionTrait) -> Result<BTreeMap<String, u64>, DbErr> {
    let mut counts = BTreeMap::new();
    for table in db::tables(db).await? {
        let count = Query::select().expr_as(Expr::col(Asterisk).count(), "rows").from(Alias::new(&table)).to_owned();
        let row = db.query_one(&count).await?.ok_or_else(|| DbErr::RecordNotFound(table.clone()))?;
        let rows: i64 = row.try_get("", "rows")?;
        counts.insert(table, u64::try_from(rows).unwrap_or(0));
    }
    Ok(counts)
}

/// Blobs that nobody has marked, by their content: the one order that several backups can be compared in.
pub async fn list_live_blobs(
    db: &impl ConnectionTrait,
    after: Option<Digest>,
    limit: u64,
) -> Result<Vec<stored_blob::Model>, DbErr> {
    let mut page = stored_blob::Entity::live();
    if let Some(after) = after {
        page = page.filter(stored_blob::Column::Sha256.gt(after));
    }
    page.order_by_asc(stored_blob::Column::Sha256).limit(limit).all(db).await
}

/// Blobs that are marked as destroyed and yet have an owner: they are about to come back. A moment's worth of them.
pub async fn list_reviving_blobs(db: &impl ConnectionTrait) -> Result<Vec<stored_blob::Model>, DbErr> {
    let owners = Query::select()
        .expr(Expr::val(1))
        .from(object_reference::Entity)
        .and_where(
            Expr::col((object_reference::Entity, object_reference::Column::BlobId))
                .equals((stored_blob::Entity, stored_blob::Column::Id)),
        )
        .to_owned();
    stored_blob::Entity::find()
        .filter(stored_blob::Column::DestroyedAt.is_not_null())
        .filter(Expr::exists(owners))
        .order_by_asc(stored_blob::Column::Sha256)
        .all(db)
        .await
}

/// Uploads whose pieces lie in the store.
pub async fn list_open_uploads(
    db: &impl ConnectionTrait,
    after: Option<UploadId>,
    limit: u64,
) -> Result<Vec<UploadId>, DbErr> {
    let mut page = upload::Entity::find().select_only().column(upload::Column::Id);
    page = page.filter(upload::Column::State.is_in(OPEN));
    if let Some(after) = after {
        page = page.filter(upload::Column::Id.gt(after));
    }
    page.order_by_asc(upload::Column::Id).limit(limit).into_tuple().all(db).await
}

/// Whether the pieces of an upload are still needed.
pub async fn is_open(db: &impl ConnectionTrait, id: UploadId) -> Result<bool, DbErr> {
    let open = upload::Entity::find_by_id(id).filter(upload::Column::State.is_in(OPEN));
    Ok(open.one(db).await?.is_some())
}

/// Pieces of one upload.
pub async fn list_segments(
    db: &impl ConnectionTrait,
    upload: UploadId,
    after: Option<i64>,
    limit: u64,
) -> Result<Vec<upload_segment::Model>, DbErr> {
    let mut page = upload_segment::Entity::of(upload);
    if let Some(after) = after {
        page = page.filter(upload_segment::Column::StartOffset.gt(after));
    }
    page.limit(limit).all(db).await
}

/// Blobs by their ids: those whose bytes must be there.
pub async fn list_blobs(
    db: &impl ConnectionTrait,
    after: Option<BlobId>,
    limit: u64,
) -> Result<Vec<stored_blob::Model>, DbErr> {
    let mut page = stored_blob::Entity::live();
    if let Some(after) = after {
        page = page.filter(stored_blob::Column::Id.gt(after));
    }
    page.order_by_asc(stored_blob::Column::Id).limit(limit).all(db).await
}

/// Whether a blob's bytes must still be there.
pub async fn is_live(db: &impl ConnectionTrait, id: BlobId) -> Result<bool, DbErr> {
    Ok(stored_blob::Entity::live().filter(stored_blob::Column::Id.eq(id)).one(db).await?.is_some())
}

/// People's copies of their data that can be fetched now.
pub async fn list_exports(
    db: &impl ConnectionTrait,
    now: Timestamp,
    after: Option<ExportId>,
    limit: u64,
) -> Result<Vec<data_export::Model>, DbErr> {
    let mut page = data_export::Entity::find()
        .filter(data_export::Column::State.eq(data_export::State::Ready))
        .filter(data_export::Column::ExpiresAt.gt(now));
    if let Some(after) = after {
        page = page.filter(data_export::Column::Id.gt(after));
    }
    page.order_by_asc(data_export::Column::Id).limit(limit).all(db).await
}

/// Which of these keys no row names. Marked blobs name theirs until their rows are gone.
pub async fn list_unnamed(db: &impl ConnectionTrait, keys: Vec<String>) -> Result<Vec<String>, DbErr> {
    #[derive(FromQueryResult)]
    struct Named {
        storage_key: String,
    }
    let mut unnamed = keys;
    let blobs = stored_blob::Entity::find().select_only().column(stored_blob::Column::StorageKey);
    let blobs = blobs.filter(stored_blob::Column::StorageKey.is_in(unnamed.clone()));
    let segments = upload_segment::Entity::find().select_only().column(upload_segment::Column::StorageKey);
    let segments = segments.filter(upload_segment::Column::StorageKey.is_in(unnamed.clone()));
    let exports = data_export::Entity::find().select_only().column(data_export::Column::StorageKey);
    let of_exports = Condition::all().add(data_export::Column::StorageKey.is_in(unnamed.clone()));
    let mut named = blobs.into_model::<Named>().all(db).await?;
    named.extend(segments.into_model::<Named>().all(db).await?);
    named.extend(exports.filter(of_exports).into_model::<Named>().all(db).await?);
    unnamed.retain(|key| !named.iter().any(|named| named.storage_key == *key));
    Ok(unnamed)
}
