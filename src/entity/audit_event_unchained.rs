//! `audit_event_unchained`: rows of the audit trail from releases that had no chain. The server takes them into it when
//! it starts; then the table is empty.

use sea_orm::entity::prelude::*;

use super::audit_event::ActorKind;
use crate::kernel::{
    Timestamp,
    ids::{AccountId, AuditId},
};

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_event_unchained")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuditId,
    pub actor_kind: ActorKind,
    pub actor_id: Option<AccountId>,
    pub action: String,
    pub subject_kind: String,
    pub subject_id: Option<Uuid>,
    pub reason: Option<String>,
    pub request_id: String,
    pub address_prefix: Option<String>,
    pub facts: String,
    pub created_at: Timestamp,
}

super::prints_only_its_id!(Model);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
