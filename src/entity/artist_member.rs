//! `artist_member`: who may act for an artist, and how far.

use sea_orm::entity::prelude::*;

use crate::kernel::{
    Timestamp,
    ids::{AccountId, ArtistId},
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "artist_member")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub artist_id: ArtistId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    pub role: MemberRole,
    pub created_at: Timestamp,
}

/// How far a member may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum MemberRole {
    Owner,
    /// Everything but the members.
    Manager,
    /// Looks, changes nothing.
    Viewer,
}

super::displays_as_stored!(MemberRole);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(belongs_to = "super::artist::Entity", from = "Column::ArtistId", to = "super::artist::Column::Id")]
    Artist,
}

impl Related<super::artist::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Artist.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// This account's memberships.
    pub fn of(account: AccountId) -> Select<Self> {
        Self::find().filter(Column::AccountId.eq(account))
    }
}
