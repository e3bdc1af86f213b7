//! Statements on `account` and `registration`.

use sea_orm::{
    ActiveEnum, ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait},
};

use crate::{
    db::{Db, WriteTx},
    entity::{
        account::{self, Column, Entity, Model},
        registration,
    },
    kernel::{
        Digest, EmailAddress, FactorKinds, StoredHash, Timestamp,
        ids::{AccountId, RegistrationId},
    },
};

/// # Errors
/// When the database fails.
pub async fn find(db: &impl ConnectionTrait, id: AccountId) -> Result<Option<Model>, DbErr> {
    Entity::find_by_id(id).one(db).await
}

/// # Errors
/// When the database fails.
pub async fn find_by_email(db: &impl ConnectionTrait, email: &EmailAddress) -> Result<Option<Model>, DbErr> {
    Entity::find().filter(Column::Email.eq(email.clone())).one(db).await
}

/// Inserts an account. A taken address breaks uniqueness.
///
/// # Errors
/// When it does, or the database fails.
pub async fn insert(tx: &WriteTx, account: &Model) -> Result<(), DbErr> {
    let row = account.clone().into_active_model().reset_all();
    Entity::insert(row).exec_without_returning(tx).await.map(drop)
}

/// New values of one's own account.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    pub display_name: Option<String>,
    pub locale: Option<String>,
    pub terms_version: Option<String>,
}

/// Changes a profile if nobody changed it since version `seen`; `None` changes whatever stands there. A deleted account
/// is not changed: it may be a tombstone.
pub async fn update_profile(
    tx: &WriteTx,
    id: AccountId,
    profile: &Profile,
    seen: Option<i64>,
    now: Timestamp,
) -> Result<Option<Model>, DbErr> {
    let mut update = Entity::update_many()
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .col_expr(Column::RowVersion, Expr::col(Column::RowVersion).add(1))
        .filter(Column::Id.eq(id))
        .filter(Column::Status.ne(account::Status::Deleted));
    let new = [
        (Column::DisplayName, &profile.display_name),
        (Column::Locale, &profile.locale),
        (Column::TermsVersion, &profile.terms_version),
    ];
    for (column, value) in new {
        if let Some(value) = value {
            update = update.col_expr(column, Expr::value(value.clone()));
        }
    }
    if let Some(seen) = seen {
        update = update.filter(Column::RowVersion.eq(seen));
    }
    Ok(update.exec_with_returning(tx).await?.pop())
}

/// Notes a sign-in, unless what it was decided on has changed since `seen` was read: the password, the second factors, the
/// roles, a suspension, a deletion. `false` if it has. Also holds the row, as [`touch`] does.
///
/// A hash of the same password made anew is no change.
///
/// # Errors
/// When the database fails.
pub async fn arrive(tx: &WriteTx, seen: &Model, now: Timestamp) -> Result<bool, DbErr> {
    let as_seen =
        |column: Column, seen: Option<Timestamp>| seen.map_or_else(|| column.is_null(), |seen| column.eq(seen));
    let arrived = Entity::update_many()
        .col_expr(Column::LastSeenAt, Expr::value(now))
        .filter(Column::Id.eq(seen.id))
        .filter(Column::Status.eq(seen.status))
        .filter(Column::FactorKinds.eq(seen.factor_kinds))
        .filter(Column::RolesVersion.eq(seen.roles_version))
        .filter(as_seen(Column::PasswordChangedAt, seen.password_changed_at))
        .filter(as_seen(Column::SuspendedUntil, seen.suspended_until))
        .exec(tx)
        .await?;
    Ok(arrived.rows_affected == 1)
}

/// Notes a hand-in or a change of factors. Also holds the account's row until the commit, so that one person's follow each other.
///
/// # Errors
/// When the database fails.
pub async fn touch(tx: &WriteTx, id: AccountId, now: Timestamp) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::LastSeenAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .exec(tx)
        .await
        .map(drop)
}

/// Replaces a hash made with older parameters, unless the password was changed meanwhile.
///
/// # Errors
/// When the database fails.
pub async fn update_password_hash(tx: &WriteTx, id: AccountId, old: &StoredHash, new: StoredHash) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::value(new))
        .filter(Column::Id.eq(id))
        .filter(Column::PasswordHash.eq(old.clone()))
        .exec(tx)
        .await
        .map(drop)
}

/// Writes which kinds of second factors are in force: for the factors' own transactions. `None` without such an account.
///
/// # Errors
/// When the database fails.
pub async fn update_factor_kinds(
    tx: &WriteTx,
    id: AccountId,
    kinds: FactorKinds,
    now: Timestamp,
) -> Result<Option<Model>, DbErr> {
    let changed = Entity::update_many()
        .col_expr(Column::FactorKinds, Expr::value(kinds))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .col_expr(Column::RowVersion, Expr::col(Column::RowVersion).add(1))
        .filter(Column::Id.eq(id));
    Ok(changed.exec_with_returning(tx).await?.pop())
}

/// Sets a new password, unless it was changed since `old` was read. `false` if it was.
///
/// # Errors
/// When the database fails.
pub async fn update_password(
    tx: &WriteTx,
    id: AccountId,
    old: &StoredHash,
    new: StoredHash,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let changed = Entity::update_many()
        .col_expr(Column::PasswordHash, Expr::value(new))
        .col_expr(Column::PasswordChangedAt, Expr::value(now))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .filter(Column::PasswordHash.eq(old.clone()))
        .filter(Column::Status.ne(account::Status::Deleted))
        .exec(tx)
        .await?;
    Ok(changed.rows_affected == 1)
}

/// Changes an address, unless it was changed since `from` was read. `false` if it was. A taken address breaks uniqueness.
///
/// # Errors
/// When the database fails.
pub async fn update_email(
    tx: &WriteTx,
    id: AccountId,
    from: &EmailAddress,
    to: &EmailAddress,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let changed = Entity::update_many()
        .col_expr(Column::Email, Expr::value(to.clone()))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .col_expr(Column::RowVersion, Expr::col(Column::RowVersion).add(1))
        .filter(Column::Id.eq(id))
        .filter(Column::Email.eq(from.clone()))
        .filter(Column::Status.ne(account::Status::Deleted))
        .exec(tx)
        .await?;
    Ok(changed.rows_affected == 1)
}

/// Accounts whose roles changed at or after `since`.
///
/// # Errors
/// When the database fails.
pub async fn list_roles_changed_since(db: &impl ConnectionTrait, since: Timestamp) -> Result<Vec<Model>, DbErr> {
    Entity::find().filter(Column::RolesChangedAt.gte(since)).all(db).await
}

pub async fn insert_registration(tx: &WriteTx, row: registration::ActiveModel) -> Result<(), DbErr> {
    registration::Entity::insert(row).exec_without_returning(tx).await.map(drop)
}

pub async fn find_registration(
    db: &impl ConnectionTrait,
    id: RegistrationId,
) -> Result<Option<registration::Model>, DbErr> {
    registration::Entity::find_by_id(id).one(db).await
}

pub async fn find_by_link(db: &impl ConnectionTrait, digest: Digest) -> Result<Option<registration::Model>, DbErr> {
    registration::Entity::find().filter(registration::Column::LinkSha256.eq(digest)).one(db).await
}

pub async fn find_newest_pending(
    db: &impl ConnectionTrait,
    email: &EmailAddress,
    now: Timestamp,
) -> Result<Option<registration::Model>, DbErr> {
    registration::Entity::pending_for(email)
        .filter(registration::Column::LinkExpiresAt.gt(now))
        .order_by_desc(registration::Column::Id)
        .one(db)
        .await
}

/// Another registration of the same address that nobody has proven yet, however old it is.
pub async fn find_rival(
    db: &impl ConnectionTrait,
    of: &registration::Model,
) -> Result<Option<registration::Model>, DbErr> {
    registration::Entity::pending_for(&of.email)
        .filter(registration::Column::Kind.eq(registration::Kind::New))
        .filter(registration::Column::Id.ne(of.id))
        .one(db)
        .await
}

/// The hashes of a new letter.
pub struct Renewal {
    pub link_sha256: Digest,
    pub link_expires_at: Timestamp,
    pub code_mac: Digest,
    pub code_expires_at: Timestamp,
    pub resend_after: Timestamp,
}

/// Puts a new link and code in the place of the old. `false` if another call was faster.
pub async fn update_renewed(
    tx: &WriteTx,
    seen: &registration::Model,
    new: Renewal,
    now: Timestamp,
) -> Result<bool, DbErr> {
    use registration::Column as C;
    let renewed = registration::Entity::update_many()
        .col_expr(C::LinkSha256, Expr::value(new.link_sha256))
        .col_expr(C::LinkExpiresAt, Expr::value(new.link_expires_at))
        .col_expr(C::CodeMac, Expr::value(new.code_mac))
        .col_expr(C::CodeExpiresAt, Expr::value(new.code_expires_at))
        .col_expr(C::CodeAttempts, Expr::value(0))
        .col_expr(C::ResendAfter, Expr::value(new.resend_after))
        .col_expr(C::Resends, Expr::col(C::Resends).add(1))
        .col_expr(C::UpdatedAt, Expr::value(now))
        .filter(C::Id.eq(seen.id))
        .filter(C::State.eq(seen.state))
        .filter(C::Resends.eq(seen.resends))
        .exec(tx)
        .await?;
    Ok(renewed.rows_affected == 1)
}

/// Counts a try at the code. `false` if none is left.
pub async fn update_counted_try(db: &Db, id: RegistrationId, most: i64) -> Result<bool, DbErr> {
    use registration::Column as C;
    let counted = registration::Entity::update_many()
        .col_expr(C::CodeAttempts, Expr::col(C::CodeAttempts).add(1))
        .filter(C::Id.eq(id))
        .filter(C::CodeAttempts.lt(most))
        .exec(&db.write_one())
        .await?;
    Ok(counted.rows_affected == 1)
}

/// Spends a registration, and voids what else is pending for its address: together, so that of two that are proven at
/// once neither waits for the other. `false` if it was spent or voided before, or its letter was replaced; then the
/// transaction must not be committed.
pub async fn update_verified(tx: &WriteTx, seen: &registration::Model, now: Timestamp) -> Result<bool, DbErr> {
    use registration::{Column as C, State};
    let this = C::Id.eq(seen.id).and(C::LinkSha256.eq(seen.link_sha256));
    let state = Expr::case(this, State::Verified.to_value()).finally(State::Void.to_value());
    let over = registration::Entity::update_many()
        .col_expr(C::State, state.into())
        .col_expr(C::UpdatedAt, Expr::value(now))
        .filter(C::Email.eq(seen.email.clone()))
        .filter(C::State.eq(State::Pending))
        .exec_with_returning(tx)
        .await?;
    Ok(over.iter().any(|row| row.state == State::Verified))
}

/// Voids what is pending for an address that gets an account by other means.
///
/// # Errors
/// When the database fails.
pub async fn update_others_void(tx: &WriteTx, email: &EmailAddress, now: Timestamp) -> Result<(), DbErr> {
    use registration::Column as C;
    registration::Entity::update_many()
        .col_expr(C::State, Expr::value(registration::State::Void.to_value()))
        .col_expr(C::UpdatedAt, Expr::value(now))
        .filter(C::Email.eq(email.clone()))
        .filter(C::State.eq(registration::State::Pending))
        .exec(tx)
        .await
        .map(drop)
}

/// Registrations that nobody can finish any more.
pub async fn list_stale_registrations(
    tx: &WriteTx,
    horizon: Timestamp,
    limit: u64,
) -> Result<Vec<RegistrationId>, DbErr> {
    registration::Entity::find()
        .select_only()
        .column(registration::Column::Id)
        .filter(registration::Column::LinkExpiresAt.lt(horizon))
        .limit(limit)
        .into_tuple()
        .all(tx)
        .await
}

pub async fn delete_registrations(tx: &WriteTx, ids: &[RegistrationId]) -> Result<u64, DbErr> {
    let which = registration::Column::Id.is_in(ids.iter().copied());
    let deleted = registration::Entity::delete_many().filter(which).exec(tx).await?;
    Ok(deleted.rows_affected)
}

/// Whether nobody is an administrator yet: what the first start asks.
///
/// # Errors
/// When the database fails.
pub async fn none_is_staff(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    Ok(Entity::find().filter(Column::Roles.contains("admin")).one(db).await?.is_none())
}
