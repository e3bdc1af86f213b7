//! `password_try`: how often a session gave a wrong current password lately.

use sea_orm::entity::prelude::*;

use crate::kernel::{Timestamp, ids::SessionId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "password_try")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub session_id: SessionId,
    pub tries: i64,
    /// When the first of them was.
    pub began_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
