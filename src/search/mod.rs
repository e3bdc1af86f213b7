//! Search over what is published.
//!
//! Owns the table `search_document` and the full-text index that follows it by itself: FTS5 on SQLite, a `tsvector` on
//! PostgreSQL. It promises that
//!
//! - a document changes in the transaction of what it stands for ([`put`], [`remove`]), so search never lags;
//! - the same documents and the same query give the same results in the same order on both databases: one normaliser
//!   serves both sides of both, and ranking asks neither database's own score;
//! - results come by class of match (the whole name, whole words, beginnings), then the newest, then the id;
//! - only published tracks and active artists are found, whatever the documents say;
//! - a common word costs no more than a rare one: of each class, the 1,000 documents written last are looked at.

mod domain;
mod normalize;
mod query;
mod service;
mod store;
mod wire;

use sea_orm::DbErr;
use uuid::Uuid;

pub use self::service::SearchRpc;
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
pub async fn put(tx: &WriteTx, document: Document<'_>) -> Result<(), DbErr> {
    store::upsert(tx, &document).await
}

/// Makes a document unfindable. One that is not there is no mistake.
///
/// # Errors
/// When the database fails.
pub async fn remove(tx: &WriteTx, kind: Kind, subject: Uuid) -> Result<(), DbErr> {
    store::delete(tx, kind, subject).await
}
