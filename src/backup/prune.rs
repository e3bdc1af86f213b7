//! Dropping backups that are too many, and what interrupted ones left. What some manifest names stays.

use std::path::Path;

use super::{
    Error, Name, Progress,
    list::{Entry, Reader},
    place::{Found, List, Place},
};
use crate::objects::ObjectKey;

/// Drops all but the newest `keep` backups and clears up after interrupted ones. Returns how many were dropped.
///
/// `folder` is on this machine and takes the lists of what stays.
///
/// # Errors
/// When the place is away, or the list of a backup that stays is damaged: then no object is dropped.
pub async fn prune(place: &Place, keep: usize, folder: &Path, progress: &Progress) -> Result<usize, Error> {
    let found = place.find().await?;
    clear(place, &found, keep, folder, progress).await
}

/// The same, right after a backup was made: what was unfinished before it began is of nobody else.
pub async fn after(
    place: &Place,
    before: &Found,
    keep: Option<usize>,
    folder: &Path,
    progress: &Progress,
) -> Result<(), Error> {
    let whole = place.find().await?.whole;
    let found = Found { whole, unfinished: before.unfinished.clone(), ..Found::default() };
    clear(place, &found, keep.unwrap_or(usize::MAX), folder, progress).await.map(drop)
}

async fn clear(place: &Place, found: &Found, keep: usize, folder: &Path, progress: &Progress) -> Result<usize, Error> {
    let surplus = found.whole.len().saturating_sub(keep.max(1));
    let (dropped, kept): (Vec<_>, Vec<_>) = found.whole.iter().enumerate().partition(|(at, _)| *at < surplus);
    let gone: Vec<&Name> = dropped.into_iter().map(|(_, name)| name).chain(&found.unfinished).collect();
    if gone.is_empty() {
        return Ok(0);
    }
    progress.step(&format!("dropping {} backups", gone.len()));
    // Read before anything is dropped: a list that is damaged must not cost the objects that it names.
    let mut cursors = Vec::new();
    for (at, (_, name)) in kept.into_iter().enumerate() {
        let path = folder.join(format!("kept-{at}"));
        place.fetch_list(&place.manifest(name).await?, List::Objects, &path).await?;
        cursors.push(Cursor::open(&path)?);
    }
    for name in &gone {
        place.delete(name).await?;
    }
    sweep_objects(place, &mut cursors).await?;
    Ok(surplus)
}

/// Deletes every shared content that no cursor passes. Both go by SHA-256, so memory holds one shard's names.
async fn sweep_objects(place: &Place, cursors: &mut [Cursor]) -> Result<(), Error> {
    for first in 0..=u8::MAX {
        let mut there: Vec<String> = place.shard(&hex::encode([first])).await?.into_keys().collect();
        there.sort_unstable();
        for sha256 in there {
            let mut needed = false;
            for cursor in &mut *cursors {
                needed |= cursor.names(&sha256)?;
            }
            if !needed {
                place.store.delete(&Place::content(&sha256)).await?;
            }
        }
    }
    Ok(place.store.delete_drafts_below(&ObjectKey::stored("objects")).await?)
}

/// A list that is read along with the store.
struct Cursor {
    reader: Reader,
    next: Option<Entry>,
}

impl Cursor {
    fn open(path: &Path) -> Result<Self, Error> {
        let mut reader = Reader::open(path)?;
        let next = reader.next()?;
        Ok(Self { reader, next })
    }

    /// Whether the list has this content. Asked in rising order.
    fn names(&mut self, sha256: &str) -> Result<bool, Error> {
        while let Some(entry) = &self.next
            && entry.sha256.as_str() < sha256
        {
            let before = entry.sha256.clone();
            self.next = self.reader.next()?;
            if self.next.as_ref().is_some_and(|entry| entry.sha256 < before) {
                return Err(Error::damaged("a list of a backup", "it is not in order"));
            }
        }
        Ok(self.next.as_ref().is_some_and(|entry| entry.sha256 == sha256))
    }
}
