//! `object_hold`: who copies the objects that the database names, and until when they must not be deleted.

use sea_orm::entity::prelude::*;

use crate::kernel::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "object_hold")]
pub struct Model {
    /// What the hold is for. One of each kind at a time.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Whoever extends or ends it names itself.
    pub holder: String,
    /// It is over by itself then, if its holder fell silent.
    pub held_until: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
