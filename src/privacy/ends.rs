//! Statements by which an account ends, and its receipt.

use sea_orm::{
    ActiveEnum, ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, UpdateMany,
    sea_query::{CaseStatement, Expr, ExprTrait, OnConflict},
};
use uuid::Uuid;

use crate::{
    db::WriteTx,
    entity::{
        account::{self, Status},
        erasure_receipt as receipt, login_attempt, mail_proof, registration, session,
    },
    kernel::{
        Digest, EmailAddress, FactorKinds, Roles, StoredHash, Timestamp,
        ids::{AccountId, DeviceId, RegistrationId},
    },
};

/// Closes an account for its owner. `None` if it is closed already, or staff have shut it out: a deletion taken back must
/// not end a suspension.
pub async fn update_closed_by_owner(
    tx: &WriteTx,
    id: AccountId,
    purge_at: Timestamp,
    now: Timestamp,
) -> Result<Option<account::Model>, DbErr> {
    use account::Column as C;
    let suspension_over = Condition::all().add(C::Status.eq(Status::Suspended)).add(C::SuspendedUntil.lte(now));
    let open = Condition::any().add(C::Status.eq(Status::Active)).add(suspension_over);
    let closed = closing(id, purge_at, now).filter(open).exec_with_returning(tx).await?;
    Ok(closed.into_iter().next())
}

/// Closes an account for staff, however it stands; one that is closed already is left as it is.
pub async fn update_closed(tx: &WriteTx, id: AccountId, purge_at: Timestamp, now: Timestamp) -> Result<(), DbErr> {
    let is_open = account::Column::Status.ne(Status::Deleted);
    closing(id, purge_at, now).filter(is_open).exec(tx).await.map(drop)
}

fn closing(id: AccountId, purge_at: Timestamp, now: Timestamp) -> UpdateMany<account::Entity> {
    use account::Column as C;
    changing(id, now)
        .col_expr(C::Status, Expr::value(Status::Deleted.to_value()))
        .col_expr(C::DeletedAt, Expr::value(now))
        .col_expr(C::PurgeAt, Expr::value(purge_at))
        .col_expr(C::SuspendedUntil, Expr::value(Option::<Timestamp>::None))
}

/// A change of one account, which its etag and its time of change tell of.
fn changing(id: AccountId, now: Timestamp) -> UpdateMany<account::Entity> {
    use account::Column as C;
    account::Entity::update_many()
        .col_expr(C::UpdatedAt, Expr::value(now))
        .col_expr(C::RowVersion, Expr::col(C::RowVersion).add(1))
        .filter(C::Id.eq(id))
}

/// Suspends an account that waits to be erased: it stays closed, and comes back suspended. `None` if it does not wait.
pub async fn update_barred(
    tx: &WriteTx,
    id: AccountId,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<account::Model>, DbErr> {
    use account::Column as C;
    let barred = changing(id, now)
        .col_expr(C::BarredAt, Expr::value(now))
        .col_expr(C::SuspendedUntil, Expr::value(until))
        .filter(C::Status.eq(Status::Deleted))
        .filter(C::PurgeAt.gt(now))
        .exec_with_returning(tx)
        .await?;
    Ok(barred.into_iter().next())
}

/// Takes the suspension from an account that waits to be erased: it comes back active. `None` if it had none.
pub async fn update_unbarred(tx: &WriteTx, id: AccountId, now: Timestamp) -> Result<Option<account::Model>, DbErr> {
    use account::Column as C;
    let nothing = || Expr::value(Option::<Timestamp>::None);
    let free = changing(id, now)
        .col_expr(C::BarredAt, nothing())
        .col_expr(C::SuspendedUntil, nothing())
        .filter(C::Status.eq(Status::Deleted))
        .filter(C::BarredAt.is_not_null())
        .exec_with_returning(tx)
        .await?;
    Ok(free.into_iter().next())
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

/// Opens a closed account again, unless its time is over; suspended, if staff suspended it while it was closed.
pub async fn update_reopened(tx: &WriteTx, id: AccountId, now: Timestamp) -> Result<Option<account::Model>, DbErr> {
    use account::Column as C;
    let nothing = || Expr::value(Option::<Timestamp>::None);
    let standing = CaseStatement::new()
        .case(Expr::col(C::BarredAt).is_null(), Status::Active.to_value())
        .finally(Status::Suspended.to_value());
    let opened = changing(id, now)
        .col_expr(C::Status, standing.into())
        .col_expr(C::BarredAt, nothing())
        .col_expr(C::DeletedAt, nothing())
        .col_expr(C::PurgeAt, nothing())
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
    let erased = changing(id, now)
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
        .col_expr(C::BarredAt, nothing())
        .col_expr(C::PurgeAt, nothing())
        .filter(C::Status.eq(Status::Deleted))
        .filter(C::PurgeAt.lte(now))
        .exec(tx)
        .await?;
    Ok(erased.rows_affected == 1)
}

/// Blanks what is personal in an account's sessions, and what is left of their tokens. Returns how many it was.
pub async fn update_sessions_blank(tx: &WriteTx, account: AccountId) -> Result<u64, DbErr> {
    use session::Column as C;
    let no_token = Digest::from_bytes([0; 32]);
    let blanked = session::Entity::update_many()
        .col_expr(C::DeviceName, Expr::value(""))
        .col_expr(C::UserAgent, Expr::value(""))
        .col_expr(C::Address, Expr::value(""))
        .col_expr(C::AddressPrefix, Expr::value(""))
        .col_expr(C::DeviceId, Expr::value(Option::<DeviceId>::None))
        .col_expr(C::RefreshSha256, Expr::value(no_token))
        .col_expr(C::PreviousSha256, Expr::value(Option::<Digest>::None))
        .col_expr(C::SuccessorSealed, Expr::value(Option::<Vec<u8>>::None))
        .filter(C::AccountId.eq(account))
        .filter(C::RefreshSha256.ne(no_token))
        .exec(tx)
        .await?;
    Ok(blanked.rows_affected)
}

/// Blanks where a member of staff looked through others' eyes from.
pub async fn update_looks_blank(tx: &WriteTx, staff: AccountId) -> Result<(), DbErr> {
    use session::Column as C;
    session::Entity::update_many()
        .col_expr(C::UserAgent, Expr::value(""))
        .col_expr(C::Address, Expr::value(""))
        .col_expr(C::AddressPrefix, Expr::value(""))
        .filter(C::ImpersonatorId.eq(staff))
        .exec(tx)
        .await
        .map(drop)
}

/// Notes whose the registrations of an address are that the account is about to leave.
pub async fn update_registrations_kept(tx: &WriteTx, former: &EmailAddress, account: AccountId) -> Result<(), DbErr> {
    use registration::Column as C;
    registration::Entity::update_many()
        .col_expr(C::AccountId, Expr::value(account))
        .filter(C::Email.eq(former.clone()))
        .filter(C::AccountId.is_null())
        .exec(tx)
        .await
        .map(drop)
}

/// Notes whose the tries to sign in with such an address are, where nobody had it when they were made.
pub async fn update_attempts_kept(tx: &WriteTx, former: Digest, account: AccountId) -> Result<(), DbErr> {
    use login_attempt::Column as C;
    login_attempt::Entity::update_many()
        .col_expr(C::AccountId, Expr::value(account))
        .filter(C::IdentifierMac.eq(former))
        .filter(C::AccountId.is_null())
        .exec(tx)
        .await
        .map(drop)
}

/// The registrations of an account and of its address, which have keys of their own.
pub async fn list_registrations(
    tx: &WriteTx,
    account: AccountId,
    email: &EmailAddress,
) -> Result<Vec<RegistrationId>, DbErr> {
    use registration::Column as C;
    registration::Entity::find()
        .select_only()
        .column(C::Id)
        .filter(Condition::any().add(C::Email.eq(email.clone())).add(C::AccountId.eq(account)))
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
