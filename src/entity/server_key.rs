//! `server_key`: which keys the database was used with, by their ids. No key stands here.

use sea_orm::entity::prelude::*;

use crate::kernel::Timestamp;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Kind {
    /// The vault's first key, which much is derived from. There is one row.
    Root,
    Vault,
    Token,
    Page,
}

super::displays_as_stored!(Kind);

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "server_key")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: Kind,
    /// `k4.lid.…`, as `backline keys list` prints it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key_id: String,
    /// When an instance last said that it holds it; to the minute.
    pub seen_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
