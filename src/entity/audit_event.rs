//! `audit_event`: who did what to whom, and why. Rows are added, never changed.
//!
//! Each row holds the hash of the one before it, so that a change anywhere shows. The ids in it are no foreign keys: the
//! trail stays when what it speaks of is gone. A column that is added must go into `audit::chain`'s canonical form.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Digest, Timestamp,
    ids::{AccountId, AuditId},
};

#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_event")]
pub struct Model {
    /// Ordered by age.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuditId,
    /// Place in the chain: from 1, without gaps, in the order of commits.
    pub sequence: i64,
    pub actor_kind: ActorKind,
    /// Set exactly when an account acted.
    pub actor_id: Option<AccountId>,
    /// A word of the OWASP logging vocabulary or ours, for example `authn_login_success`.
    pub action: String,
    /// The table the subject lives in, for example `submission`.
    pub subject_kind: String,
    pub subject_id: Option<Uuid>,
    /// Whom the act concerns: an account, or a registration that is none yet. Theirs is the key of `person_sealed`.
    pub person_id: Option<Uuid>,
    /// The server's own reason: a code. What people typed is sealed.
    pub reason: Option<String>,
    /// Of the call that did it, a digest if the client chose it; empty where no call did: a job, the command line.
    pub request_id: String,
    /// A JSON object of further facts; no personal value in clear.
    pub facts: String,
    /// Where the call came from, under the key of the account that acted, or of the person if none did.
    pub actor_sealed: Option<Vec<u8>>,
    /// The reason as it was typed, and personal facts, under the person's key.
    pub person_sealed: Option<Vec<u8>>,
    pub created_at: Timestamp,
    /// Of the row before; zeros in the first.
    pub previous_hash: Digest,
    /// Of everything above, keyed.
    pub hash: Digest,
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
