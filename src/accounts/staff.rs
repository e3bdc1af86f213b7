//! Who is left to administer.

use sea_orm::{
    ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter,
    sea_query::{BinOper, Expr, ExprTrait},
};

use crate::{
    db::WriteTx,
    entity::account::{Column, Entity, Status},
    kernel::ids::AccountId,
};

/// Holds the rows of all active administrators until the commit, and counts those besides `account`.
///
/// The update writes what stands there: it locks on both databases, and on PostgreSQL it sees the rows as they are once
/// a transaction that was faster has ended. Two administrators who dismiss each other at once do not both succeed.
///
/// # Errors
/// When the database fails.
pub async fn count_other_admins(tx: &WriteTx, account: AccountId) -> Result<usize, DbErr> {
    // Written out and not bound, letter for letter as in the partial index: only so does SQLite use it.
    let is_admin = Expr::col((Entity, Column::Roles)).binary(BinOper::Like, Expr::Constant("%admin%".into()));
    let held = Entity::update_many()
        .col_expr(Column::RolesVersion, Expr::col(Column::RolesVersion))
        .filter(Condition::all().add(is_admin).add(Column::Status.eq(Status::Active)))
        .exec_with_returning(tx)
        .await?;
    Ok(held.iter().filter(|admin| admin.id != account).count())
}
