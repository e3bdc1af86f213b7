//! Statements on `account` that staff's lists and guards need. Nothing here changes a value.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{BinOper, Expr, ExprTrait},
};

pub use crate::accounts::count_other_admins;
use crate::{
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
