//! Statements on `account` that staff's lists and guards need. Nothing here changes a value.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{BinOper, Expr, ExprTrait},
};

use crate::{
    db::WriteTx,
    entity::account::{Column, Entity, Model, Status},
    kernel::{EmailAddress, Role, ids::AccountId},
};

/// Which accounts are wanted; all conditions hold.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub status: Option<Status>,
    pub role: Option<Role>,
    pub email: Option<EmailAddress>,
}

/// Accounts older than `before`, newest first.
pub async fn list(
    db: &impl ConnectionTrait,
    wanted: &Wanted,
    before: AccountId,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let Wanted { status, role, email } = wanted;
    let conditions = Condition::all()
        .add(Column::Id.lt(before))
        .add_option(status.map(|status| Column::Status.eq(status)))
        .add_option(role.and_then(holds))
        .add_option(email.clone().map(|email| Column::Email.eq(email)));
    Entity::find().filter(conditions).order_by_desc(Column::Id).limit(limit).all(db).await
}

/// Whether an account has this role; `None` for the role that all have.
///
/// Written out and not bound, letter for letter as in the partial index on the role: only so does SQLite use it. No
/// role's name is part of another's.
fn holds(role: Role) -> Option<Expr> {
    let pattern = match role {
        Role::Listener => return None,
        Role::Artist => "%artist%",
        Role::Reviewer => "%reviewer%",
        Role::Admin => "%admin%",
    };
    Some(Expr::col((Entity, Column::Roles)).binary(BinOper::Like, Expr::Constant(pattern.into())))
}

/// Holds the rows of all active administrators until the commit, and counts those besides `account`.
///
/// The update writes what stands there: it locks on both databases, and on PostgreSQL it sees the rows as they are once
/// a transaction that was faster has ended. Two administrators who dismiss each other at once do not both succeed.
pub async fn count_other_admins(tx: &WriteTx, account: AccountId) -> Result<usize, DbErr> {
    let held = Entity::update_many()
        .col_expr(Column::RolesVersion, Expr::col(Column::RolesVersion))
        .filter(Condition::all().add_option(holds(Role::Admin)).add(Column::Status.eq(Status::Active)))
        .exec_with_returning(tx)
        .await?;
    Ok(held.iter().filter(|admin| admin.id != account).count())
}
