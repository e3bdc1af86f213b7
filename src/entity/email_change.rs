//! `email_change`: an address that waits for both mailboxes to confirm it.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    EmailAddress, Timestamp,
    ids::{AccountId, EmailChangeId, SessionId},
};

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_change")]
pub struct Model {
    /// `emc_…` on the wire.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EmailChangeId,
    pub account_id: AccountId,
    /// The session that asked, which goes on after the change. No foreign key: sessions are swept earlier.
    pub session_id: SessionId,
    pub new_email: EmailAddress,
    pub state: State,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

super::prints_only_its_id!(Model);

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum State {
    Pending,
    Done,
    /// Replaced by a newer one, or the address was taken meanwhile.
    Void,
}

super::displays_as_stored!(State);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
