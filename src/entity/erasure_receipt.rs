//! `erasure_receipt`: that a person was forgotten, when, and how much was erased. Names no one.

use sea_orm::entity::prelude::*;

use crate::kernel::{Timestamp, ids::AccountId};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "erasure_receipt")]
pub struct Model {
    /// Of the tombstone.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    pub basis: Basis,
    pub state: State,
    /// Rows and files by kind, as a JSON object of numbers. Grows while the erasure runs.
    pub counts: String,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

/// Who wanted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Basis {
    /// The person; 14 days passed.
    Owner,
    /// A member of staff, at the person's written wish or by law.
    Staff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum State {
    /// Some of it may be gone already.
    Running,
    Done,
}

super::displays_as_stored!(Basis, State);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
