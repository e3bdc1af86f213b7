//! Search over what is published.

use sea_orm::DbErr;
use uuid::Uuid;

pub use crate::entity::search_document::Kind;
use crate::{db::WriteTx, kernel::Timestamp};

/// What can be found, and by which words.
#[derive(Clone, Debug)]
pub struct Document<'a> {
    pub kind: Kind,
    /// The track's or artist's id.
    pub subject: Uuid,
    /// What a result shows, and what an exact match is measured by.
    pub display: &'a str,
    /// Further texts whose words find it: the artist's name of a track, a version title.
    pub also: &'a [&'a str],
    pub published_at: Timestamp,
}

/// Makes a document findable, in the transaction that publishes it. Replaces an earlier one of the same subject.
///
/// # Errors
/// When the database fails.
pub async fn put(_tx: &WriteTx, _document: Document<'_>) -> Result<(), DbErr> {
    Ok(())
}

/// Makes a document unfindable.
///
/// # Errors
/// When the database fails.
pub async fn remove(_tx: &WriteTx, _kind: Kind, _subject: Uuid) -> Result<(), DbErr> {
    Ok(())
}
