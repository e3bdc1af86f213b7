//! `data_export`: a copy of everything held of a person, asked for by that person.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Digest, Timestamp,
    ids::{AccountId, ExportId},
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "data_export")]
pub struct Model {
    /// `exp_…` on the wire.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ExportId,
    pub account_id: AccountId,
    pub state: State,
    /// Where the ZIP lies. Set while the export is ready.
    pub storage_key: Option<String>,
    pub size_bytes: Option<i64>,
    /// Of the ZIP.
    pub sha256: Option<Digest>,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// When the ZIP is deleted.
    pub expires_at: Option<Timestamp>,
}

/// Where an export stands. Of one account's exports, one may be pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum State {
    /// A job gathers it.
    Pending,
    Ready,
    /// It could not be gathered; the person may ask again.
    Failed,
    /// The ZIP is gone.
    Expired,
}

super::displays_as_stored!(State);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// The exports of this account. Every query made for a caller starts here.
    pub fn of(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }
}
