//! `audit_head`: the end of the audit trail, in one row. Whoever appends holds it until the commit.

use sea_orm::entity::prelude::*;

use crate::kernel::Digest;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_head")]
pub struct Model {
    /// Always `trail`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Of the last row; 0 before the first.
    pub sequence: i64,
    /// Of the last row; zeros before the first.
    pub hash: Digest,
    /// HMAC of both under a key that the database does not have: who can only write rows cannot make a new end. Zeros
    /// where nobody signed: before the first start, and for ever once an end was not the signed one.
    pub mac: Digest,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
