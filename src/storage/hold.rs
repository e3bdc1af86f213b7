//! Holding the store's objects: while a backup copies what its copy of the database names, nothing is deleted.
//!
//! Whoever deletes bytes has first committed that no row needs them, and then asks [`is_held`]. Whoever copies first
//! takes the hold and then copies the database. So either the deleter finds the hold and waits, or it asked before and
//! its commit is part of the copy, which then does not name the bytes. The clock plays no part in this but to end the
//! hold of a holder that fell silent.

use std::time::Duration;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use crate::{
    app::App,
    db::Db,
    entity::object_hold::{ActiveModel, Column, Entity},
    kernel::Timestamp,
};

/// A hold is over if it was not extended for so long.
pub const LEASE: Duration = Duration::from_mins(2);
/// How often its holder extends it.
pub const BEAT: Duration = Duration::from_secs(20);

/// The one kind of hold there is.
const NAME: &str = "backup";

/// Takes the hold, or extends one's own. `false` while another holds.
///
/// # Errors
/// When the database fails.
pub async fn take(app: &App, holder: &str) -> Result<bool, DbErr> {
    let now = app.clock.now();
    let row = ActiveModel { name: Set(NAME.to_owned()), holder: Set(holder.to_owned()), held_until: Set(now + LEASE) };
    let free = Expr::col((Entity, Column::HeldUntil)).lte(now).or(Expr::col((Entity, Column::Holder)).eq(holder));
    let taken = OnConflict::column(Column::Name)
        .update_columns([Column::Holder, Column::HeldUntil])
        .action_and_where(free)
        .to_owned();
    Ok(Entity::insert(row).on_conflict(taken).exec_without_returning(&app.db.write_one()).await? == 1)
}

/// Extends the hold. `false` if it was lost: then objects may have been deleted meanwhile.
///
/// # Errors
/// When the database fails.
pub async fn extend(app: &App, holder: &str) -> Result<bool, DbErr> {
    let now = app.clock.now();
    let extended = Entity::update_many()
        .col_expr(Column::HeldUntil, Expr::value(now + LEASE))
        .filter(Column::Name.eq(NAME))
        .filter(Column::Holder.eq(holder))
        .filter(Column::HeldUntil.gt(now))
        .exec(&app.db.write_one())
        .await?;
    Ok(extended.rows_affected == 1)
}

/// Ends one's own hold.
///
/// # Errors
/// When the database fails; the hold is then over by itself after [`LEASE`].
pub async fn end(app: &App, holder: &str) -> Result<(), DbErr> {
    let own = Entity::delete_many().filter(Column::Name.eq(NAME)).filter(Column::Holder.eq(holder));
    own.exec(&app.db.write_one()).await.map(drop)
}

/// Ends every hold: of a restored database, whose holder is the backup it came from.
///
/// # Errors
/// When the database fails.
pub async fn end_all(db: &Db) -> Result<(), DbErr> {
    Entity::delete_many().filter(Column::Name.eq(NAME)).exec(&db.write_one()).await.map(drop)
}

/// Whether objects must stay for now. Asked right before they are deleted, after the commit that no row needs them.
///
/// # Errors
/// When the database fails.
pub async fn is_held(db: &impl ConnectionTrait, now: Timestamp) -> Result<bool, DbErr> {
    let held = Entity::find().select_only().column(Column::Name).filter(Column::Name.eq(NAME));
    Ok(held.filter(Column::HeldUntil.gt(now)).into_tuple::<String>().one(db).await?.is_some())
}
