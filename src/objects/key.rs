//! Keys: made of our own ids, never of what people call their files.

use sea_orm::DeriveValueType;

use crate::kernel::{
    Dice,
    ids::{BlobId, ExportId, UploadId},
};

/// Where an object lies in the store, below the configured prefix.
#[derive(Clone, Debug, PartialEq, Eq, DeriveValueType)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// A segment of an upload under way. Random at its end: two writers at one offset never share a key.
    pub fn segment(upload: UploadId, offset: i64, dice: &Dice) -> Self {
        Self(format!("staging/{upload}/{offset:016x}-{}", hex::encode(dice.bytes::<8>())))
    }

    /// A part that a client puts there by a signed URL. `mark` follows from everything about it and from its writer, so
    /// that whoever knows the part finds its key again, and no two parts share one.
    pub fn part(upload: UploadId, offset: i64, mark: [u8; 8]) -> Self {
        Self(format!("staging/{upload}/{offset:016x}-{}", hex::encode(mark)))
    }

    /// The folder of all segments of an upload.
    pub fn staging(upload: UploadId) -> Self {
        Self(format!("staging/{upload}"))
    }

    /// Finished content. Spread over folders by the random end of the id.
    pub fn content(blob: BlobId) -> Self {
        let text = blob.to_string();
        let spread = text.get(text.len() - 2..).unwrap_or("00");
        Self(format!("content/{spread}/{text}"))
    }

    /// A copy of everything held of a person.
    pub fn export(export: ExportId) -> Self {
        Self(format!("exports/{export}"))
    }

    /// A key as it was stored in a row.
    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// A key under which nothing is stored for longer than a moment.
    pub fn probe() -> Self {
        Self("probe".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}
