//! Statements on `data_export` and `erasure_receipt`, and those by which an account ends.

use sea_orm::{
    ActiveEnum, ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use uuid::Uuid;

use crate::{
    db::{Db, WriteTx},
    entity::{
        account::{self, Status},
        data_export::{Column, Entity, Model, State},
        erasure_receipt as receipt, mail_proof, object_reference, registration, stored_blob,
    },
    kernel::{
        Digest, EmailAddress, FactorKinds, Roles, StoredHash, Timestamp,
        ids::{AccountId, ExportId, ObjectId, RegistrationId},
    },
};

/// Inserts an export. A second pending one of the same person breaks uniqueness.
pub async fn insert(tx: &WriteTx, export: &Model) -> Result<(), DbErr> {
    let row = export.clone().into_active_model().reset_all();
    Entity::insert(row).exec_without_returning(tx).await.map(drop)
}

pub async fn find_of(db: &impl ConnectionTrait, owner: AccountId, id: ExportId) -> Result<Option<Model>, DbErr> {
    Entity::of(owner).filter(Column::Id.eq(id)).one(db).await
}

pub async fn find_pending(db: &impl ConnectionTrait, id: ExportId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).filter(Column::State.eq(State::Pending)).one(db).await
}

/// The exports that this person asked for since `since`, oldest first.
pub async fn list_since(db: &impl ConnectionTrait, owner: AccountId, since: ExportId) -> Result<Vec<Model>, DbErr> {
    Entity::of(owner).filter(Column::Id.gte(since)).order_by_asc(Column::Id).limit(100).all(db).await
}

/// All exports of this person, whose files may be there.
pub async fn list_of(db: &impl ConnectionTrait, owner: AccountId) -> Result<Vec<Model>, DbErr> {
    Entity::of(owner).order_by_asc(Column::Id).limit(1000).all(db).await
}

/// What a finished export is.
pub struct Finished {
    pub storage_key: String,
    pub size_bytes: i64,
    pub sha256: Digest,
    pub at: Timestamp,
    pub expires_at: Timestamp,
}

/// Makes a pending export ready. `false` if it is not pending any more.
pub async fn update_ready(tx: &WriteTx, id: ExportId, made: Finished) -> Result<bool, DbErr> {
    let updated = Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Ready.to_value()))
        .col_expr(Column::StorageKey, Expr::value(made.storage_key))
        .col_expr(Column::SizeBytes, Expr::value(made.size_bytes))
        .col_expr(Column::Sha256, Expr::value(made.sha256))
        .col_expr(Column::FinishedAt, Expr::value(made.at))
        .col_expr(Column::ExpiresAt, Expr::value(made.expires_at))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(State::Pending))
        .exec(tx)
        .await?;
    Ok(updated.rows_affected == 1)
}

/// Ready exports whose time is over.
pub async fn list_overdue(db: &impl ConnectionTrait, now: Timestamp, limit: u64) -> Result<Vec<Model>, DbErr> {
    let overdue = Entity::find().filter(Column::State.eq(State::Ready)).filter(Column::ExpiresAt.lte(now));
    overdue.order_by_asc(Column::ExpiresAt).limit(limit).all(db).await
}

/// Notes that an export's file is gone.
pub async fn update_expired(db: &Db, id: ExportId) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Expired.to_value()))
        .col_expr(Column::StorageKey, Expr::value(Option::<String>::None))
        .filter(Column::Id.eq(id))
        .filter(Column::State.eq(State::Ready))
        .exec(&db.write_one())
        .await
        .map(drop)
}

/// Gives up exports that nothing came of. Returns how many.
pub async fn update_failed(db: &Db, before: Timestamp, now: Timestamp) -> Result<u64, DbErr> {
    let failed = Entity::update_many()
        .col_expr(Column::State, Expr::value(State::Failed.to_value()))
        .col_expr(Column::FinishedAt, Expr::value(now))
        .filter(Column::State.eq(State::Pending))
        .filter(Column::CreatedAt.lt(before))
        .exec(&db.write_one())
        .await?;
    Ok(failed.rows_affected)
}

/// A page of a person's objects with their bytes' places.
pub async fn list_objects(
    db: &impl ConnectionTrait,
    owner: AccountId,
    after: ObjectId,
    limit: u64,
) -> Result<Vec<(object_reference::Model, Option<stored_blob::Model>)>, DbErr> {
    object_reference::Entity::owned_by(owner)
        .find_also_related(stored_blob::Entity)
        .filter(object_reference::Column::Id.gt(after))
        .order_by_asc(object_reference::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Closes an account until `purge_at`. `None` if it is closed already.
pub async fn update_closed(
    tx: &WriteTx,
    id: AccountId,
    purge_at: Timestamp,
    now: Timestamp,
) -> Result<Option<account::Model>, DbErr> {
    use account::Column as C;
    let closed = account::Entity::update_many()
        .col_expr(C::Status, Expr::value(Status::Deleted.to_value()))
        .col_expr(C::DeletedAt, Expr::value(now))
        .col_expr(C::PurgeAt, Expr::value(purge_at))
        .col_expr(C::UpdatedAt, Expr::value(now))
        .col_expr(C::RowVersion, Expr::col(C::RowVersion).add(1))
        .filter(C::Id.eq(id))
        .filter(C::Status.ne(Status::Deleted))
        .exec_with_returning(tx)
        .await?;
    Ok(closed.into_iter().next())
}

/// Lets a closed account be erased now.
pub async fn update_purge_at(tx: &WriteTx, id: AccountId, purge_at: Timestamp) -> Result<(), DbErr> {
    use account::Column as C;
    account::Entity::update_many()
        .col_expr(C::PurgeAt, Expr::value(purge_at))
        .filter(C::Id.eq(id))
        .filter(C::PurgeAt.gt(purge_at))
        .exec(tx)
        .await
        .map(drop)
}

/// Opens a closed account again, unless its time is over.
pub async fn update_reopened(tx: &WriteTx, id: AccountId, now: Timestamp) -> Result<Option<account::Model>, DbErr> {
    use account::Column as C;
    let nothing = || Expr::value(Option::<Timestamp>::None);
    let opened = account::Entity::update_many()
        .col_expr(C::Status, Expr::value(Status::Active.to_value()))
        .col_expr(C::DeletedAt, nothing())
        .col_expr(C::PurgeAt, nothing())
        .col_expr(C::UpdatedAt, Expr::value(now))
        .col_expr(C::RowVersion, Expr::col(C::RowVersion).add(1))
        .filter(C::Id.eq(id))
        .filter(C::Status.eq(Status::Deleted))
        .filter(C::PurgeAt.gt(now))
        .exec_with_returning(tx)
        .await?;
    Ok(opened.into_iter().next())
}

/// Accounts whose time is over, at most `limit`.
pub async fn list_due(db: &impl ConnectionTrait, now: Timestamp, limit: u64) -> Result<Vec<AccountId>, DbErr> {
    account::Entity::find()
        .select_only()
        .column(account::Column::Id)
        .filter(account::Column::PurgeAt.lte(now))
        .order_by_asc(account::Column::PurgeAt)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await
}

/// Leaves of an account what others' rows refer to.
pub async fn update_tombstone(
    tx: &WriteTx,
    id: AccountId,
    address: EmailAddress,
    now: Timestamp,
) -> Result<bool, DbErr> {
    use account::Column as C;
    let nothing = || Expr::value(Option::<Timestamp>::None);
    let erased = account::Entity::update_many()
        .col_expr(C::Email, Expr::value(address))
        .col_expr(C::DisplayName, Expr::value("Erased"))
        .col_expr(C::PasswordHash, Expr::value(StoredHash::from_phc("-")))
        .col_expr(C::Roles, Expr::value(Roles::LISTENER))
        .col_expr(C::RolesVersion, Expr::col(C::RolesVersion).add(1))
        .col_expr(C::RolesChangedAt, Expr::value(now))
        .col_expr(C::Locale, Expr::value("en"))
        .col_expr(C::TermsVersion, Expr::value(""))
        .col_expr(C::FactorKinds, Expr::value(FactorKinds::NONE))
        .col_expr(C::LastSeenAt, nothing())
        .col_expr(C::PasswordChangedAt, nothing())
        .col_expr(C::SuspendedUntil, nothing())
        .col_expr(C::PurgeAt, nothing())
        .col_expr(C::UpdatedAt, Expr::value(now))
        .col_expr(C::RowVersion, Expr::col(C::RowVersion).add(1))
        .filter(C::Id.eq(id))
        .filter(C::Status.eq(Status::Deleted))
        .filter(C::PurgeAt.lte(now))
        .exec(tx)
        .await?;
    Ok(erased.rows_affected == 1)
}

/// The registrations of an address, which have keys of their own.
pub async fn list_registrations(tx: &WriteTx, email: &EmailAddress) -> Result<Vec<RegistrationId>, DbErr> {
    registration::Entity::find()
        .select_only()
        .column(registration::Column::Id)
        .filter(registration::Column::Email.eq(email.clone()))
        .into_tuple()
        .all(tx)
        .await
}

/// The resets and changes of address that an account's letters were about; a reset has a key of its own.
pub async fn list_flows(tx: &WriteTx, account: AccountId) -> Result<Vec<Uuid>, DbErr> {
    mail_proof::Entity::find()
        .select_only()
        .column(mail_proof::Column::FlowId)
        .filter(mail_proof::Column::AccountId.eq(account))
        .into_tuple()
        .all(tx)
        .await
}

/// Begins a receipt, unless there is one.
pub async fn insert_receipt(tx: &WriteTx, receipt: receipt::Model) -> Result<(), DbErr> {
    let there = OnConflict::column(receipt::Column::AccountId).do_nothing().to_owned();
    let row = receipt.into_active_model().reset_all();
    receipt::Entity::insert(row).on_conflict(there).exec_without_returning(tx).await.map(drop)
}

pub async fn find_receipt(db: &impl ConnectionTrait, id: AccountId) -> Result<Option<receipt::Model>, DbErr> {
    receipt::Entity::find_by_id(id).one(db).await
}

pub async fn update_counts(tx: &WriteTx, id: AccountId, counts: String) -> Result<(), DbErr> {
    receipt::Entity::update_many()
        .col_expr(receipt::Column::Counts, Expr::value(counts))
        .filter(receipt::Column::AccountId.eq(id))
        .exec(tx)
        .await
        .map(drop)
}

/// Ends a receipt. `false` if it had ended.
pub async fn update_done(tx: &WriteTx, id: AccountId, now: Timestamp) -> Result<bool, DbErr> {
    let done = receipt::Entity::update_many()
        .col_expr(receipt::Column::State, Expr::value(receipt::State::Done.to_value()))
        .col_expr(receipt::Column::FinishedAt, Expr::value(now))
        .filter(receipt::Column::AccountId.eq(id))
        .filter(receipt::Column::State.eq(receipt::State::Running))
        .exec(tx)
        .await?;
    Ok(done.rows_affected == 1)
}
