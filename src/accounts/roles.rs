//! Changing what an account is trusted with.

use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait},
};

use super::store;
use crate::{
    app::App,
    cache::CurrentRoles,
    db::WriteTx,
    entity::account::{Column, Entity, Model},
    kernel::{Roles, ids::AccountId},
};

/// Sets an account's roles, in the caller's transaction. Access tokens that are out are read with the new roles from
/// the commit on; on other instances within a second or two.
///
/// Returns the account after the change; `None` if there is none, or its roles were changed at the same moment.
///
/// # Errors
/// When the database fails.
pub async fn set_roles(
    tx: &WriteTx,
    app: &App,
    account: AccountId,
    change: impl FnOnce(Roles) -> Roles + Send,
) -> Result<Option<Model>, DbErr> {
    let Some(seen) = store::find(tx, account).await? else { return Ok(None) };
    let roles = change(seen.roles);
    if roles == seen.roles {
        return Ok(Some(seen));
    }
    let now = app.clock.now();
    let changed = Entity::update_many()
        .col_expr(Column::Roles, Expr::value(roles))
        .col_expr(Column::RolesVersion, Expr::col(Column::RolesVersion).add(1))
        .col_expr(Column::RolesChangedAt, Expr::value(now))
        .col_expr(Column::UpdatedAt, Expr::value(now))
        .col_expr(Column::RowVersion, Expr::col(Column::RowVersion).add(1))
        .filter(Column::Id.eq(account))
        .filter(Column::RolesVersion.eq(seen.roles_version))
        .exec_with_returning(tx)
        .await?
        .pop();
    if let Some(account) = &changed {
        let cache = app.cache.clone();
        let (id, current) = (account.id, CurrentRoles { version: account.roles_version, roles, at: now });
        tx.after_commit(move || cache.set_roles(id, current));
    }
    Ok(changed)
}
