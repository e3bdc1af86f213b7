//! `audit_event`: who did what to whom, and why. Rows are added, never changed.
//!
//! The ids in it are no foreign keys: the trail stays when what it speaks of is gone.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Timestamp,
    ids::{AccountId, AuditId},
};

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_event")]
pub struct Model {
    /// Ordered by age.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuditId,
    pub actor_kind: ActorKind,
    /// Set exactly when an account acted.
    pub actor_id: Option<AccountId>,
    /// A word of the OWASP logging vocabulary or ours, for example `authn_login_success`.
    pub action: String,
    /// The table the subject lives in, for example `submission`.
    pub subject_kind: String,
    pub subject_id: Option<Uuid>,
    /// As the actor gave it.
    pub reason: Option<String>,
    /// Of the call that did it; empty where no call did: a job, the command line.
    pub request_id: String,
    pub address_prefix: Option<String>,
    /// A JSON object of further facts; no personal value in clear.
    pub facts: String,
    pub created_at: Timestamp,
}

super::prints_only_its_id!(Model);

/// Who acted: the column form of [`crate::kernel::caller::Principal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum ActorKind {
    Account,
    System,
    Anonymous,
    Operator,
}

super::displays_as_stored!(ActorKind);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
