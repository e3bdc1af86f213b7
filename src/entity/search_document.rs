//! `search_document`: what search finds, one row per published track and per artist.
//!
//! The full-text index hangs on it and follows by itself: the FTS5 table `search_index` on SQLite, the generated column
//! `tsv` on PostgreSQL. Neither is named here, because only search's own statements read them. Replace a row with `ON
//! CONFLICT (kind, subject_id) DO UPDATE`, never with SQLite's `REPLACE`, which would skip a trigger.

use sea_orm::entity::prelude::*;

use crate::kernel::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "search_document")]
pub struct Model {
    /// Counted by the database: the full-text index refers to it. Means nothing outside.
    #[sea_orm(primary_key)]
    pub id: i64,
    pub kind: Kind,
    /// A track's or an artist's id, as `kind` says.
    pub subject_id: Uuid,
    /// What a result shows.
    pub display: String,
    /// `display`, normalised: equal to the query's, it is an exact match.
    pub whole: String,
    /// Normalised words, joined forms among them, parted by single blanks.
    pub terms: String,
    /// Newer ones go first within a class of match.
    pub published_at: Timestamp,
}

/// What a document stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Kind {
    Track,
    Artist,
}

super::displays_as_stored!(Kind);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
