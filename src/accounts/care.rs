//! What staff change of an account: its standing and its tier. Who may, and why, is [`crate::admin`]'s.

use sea_orm::{
    ActiveEnum, ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait},
};

use crate::{
    db::WriteTx,
    entity::account::{Column, Entity, Model, Status, Tier},
    kernel::{Permission, Timestamp, ids::AccountId},
};

/// Holds an account's row until the commit, and gives it as it is now: what is decided on it still holds then.
///
/// # Errors
/// When the database fails.
pub async fn hold(tx: &WriteTx, id: AccountId) -> Result<Option<Model>, DbErr> {
    let held = Entity::update_many()
        .col_expr(Column::RowVersion, Expr::col(Column::RowVersion))
        .filter(Column::Id.eq(id))
        .exec_with_returning(tx)
        .await?;
    Ok(held.into_iter().next())
}

/// Holds the row of whoever acts until the commit, and tells whether they may still do what the gate let them in for:
/// nobody takes the office away, or shuts them out, before the act is whole.
///
/// # Errors
/// When the database fails.
pub async fn still_may(tx: &WriteTx, who: AccountId, permission: Permission, now: Timestamp) -> Result<bool, DbErr> {
    let held = hold(tx, who).await?;
    Ok(held.is_some_and(|account| account.is_active_at(now) && account.roles.allow(permission)))
}

/// A change of an account's care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    Tier(Tier),
    /// Until then, or until staff say so.
    Suspended(Option<Timestamp>),
    Reinstated,
}

/// Changes an account that is not deleted. `None` if it is, or there is none.
///
/// # Errors
/// When the database fails.
pub async fn update_care(tx: &WriteTx, id: AccountId, care: Care, now: Timestamp) -> Result<Option<Model>, DbErr> {
    let update = Entity::update_many()
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .col_expr(Column::RowVersion, Expr::col(Column::RowVersion).add(1))
        .filter(Column::Id.eq(id))
        .filter(Column::Status.ne(Status::Deleted));
    let standing = |status: Status, until: Option<Timestamp>| {
        [(Column::Status, Expr::value(status.to_value())), (Column::SuspendedUntil, Expr::value(until))]
    };
    let update = match care {
        Care::Tier(tier) => update.col_expr(Column::Tier, Expr::value(tier.to_value())),
        Care::Suspended(until) => {
            standing(Status::Suspended, until).into_iter().fold(update, |update, (to, what)| update.col_expr(to, what))
        }
        Care::Reinstated => {
            standing(Status::Active, None).into_iter().fold(update, |update, (to, what)| update.col_expr(to, what))
        }
    };
    Ok(update.exec_with_returning(tx).await?.into_iter().next())
}

/// Makes active again whose suspension is over, at most `limit`, and gives those accounts.
///
/// # Errors
/// When the database fails.
pub async fn update_suspensions_over(tx: &WriteTx, now: Timestamp, limit: u64) -> Result<Vec<Model>, DbErr> {
    let some = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::SuspendedUntil.lte(now))
        .filter(Column::Status.eq(Status::Suspended))
        .limit(limit)
        .into_query();
    Entity::update_many()
        .col_expr(Column::Status, Expr::value(Status::Active.to_value()))
        .col_expr(Column::SuspendedUntil, Expr::value(Option::<Timestamp>::None))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .col_expr(Column::RowVersion, Expr::col(Column::RowVersion).add(1))
        .filter(Column::Id.in_subquery(some))
        .filter(Column::SuspendedUntil.lte(now))
        .filter(Column::Status.eq(Status::Suspended))
        .exec_with_returning(tx)
        .await
}
