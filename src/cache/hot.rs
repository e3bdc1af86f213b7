//! Rows that everybody may read and many do, kept for a moment.
//!
//! It promises that a row is not served after this process has heard that it changed: whoever began to read it before
//! does not get it kept. A row whose change is never heard of (its writer was killed between commit and message) is
//! served for 5 s at most. Who may see a row is not decided here, and never kept. Memory is bounded.

use std::{any::Any, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Halves, Row};

/// How long a row is served at most.
const LIFE: Duration = Duration::from_secs(5);
/// Rows of each half.
const MOST: usize = 4096;
/// Changes are counted by groups of rows: a change may spoil the keeping of another row of its group, no more.
const GROUPS: usize = 256;

type Value = Arc<dyn Any + Send + Sync>;

struct Entry {
    value: Value,
    until: Instant,
}

struct Rows {
    entries: Halves<Row, Option<Entry>>,
    changes: [u64; GROUPS],
}

pub(super) struct Hot(Mutex<Rows>);

impl Default for Hot {
    fn default() -> Self {
        Self(Mutex::new(Rows { entries: Halves::new(MOST), changes: [0; GROUPS] }))
    }
}

impl std::fmt::Debug for Hot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hot")
    }
}

/// The permission to keep a row that is about to be read, unless it changes meanwhile.
#[derive(Debug)]
pub struct Ticket {
    row: Row,
    /// `None` if nothing is to be kept.
    pub(super) changes: Option<u64>,
}

impl Ticket {
    pub(super) const fn void(row: Row) -> Self {
        Self { row, changes: None }
    }
}

impl Hot {
    /// The row, or a ticket to keep it with once it was read.
    pub fn recall<T: Send + Sync + 'static>(&self, row: Row) -> Result<Arc<T>, Ticket> {
        let mut rows = self.0.lock();
        let now = Instant::now();
        if rows.entries.has(&row)
            && let Some(entry) = rows.entries.entry(row)
            && entry.until > now
            && let Ok(value) = Arc::clone(&entry.value).downcast()
        {
            return Ok(value);
        }
        Err(Ticket { row, changes: Some(rows.changes[group(row)]) })
    }

    /// Keeps a row that was read after `ticket` was given.
    pub fn keep<T: Send + Sync + 'static>(&self, ticket: &Ticket, value: Arc<T>) {
        let mut rows = self.0.lock();
        if ticket.changes == Some(rows.changes[group(ticket.row)]) {
            *rows.entries.entry(ticket.row) = Some(Entry { value, until: Instant::now() + LIFE });
        }
    }

    pub fn forget(&self, row: Row) {
        let mut rows = self.0.lock();
        rows.changes[group(row)] += 1;
        rows.entries.remove(&row);
    }

    pub fn forget_all(&self) {
        let mut rows = self.0.lock();
        rows.changes.iter_mut().for_each(|changes| *changes += 1);
        rows.entries.clear();
    }
}

fn group(row: Row) -> usize {
    let id: Uuid = match row {
        Row::Track(id) => id.into(),
        Row::Artist(id) => id.into(),
    };
    usize::from(id.as_bytes()[15])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u128) -> Row {
        Row::Track(Uuid::from_u128(number).into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_row_is_served_until_it_changes_or_is_old() {
        let hot = Hot::default();
        let ticket = hot.recall::<u8>(row(1)).unwrap_err();
        hot.keep(&ticket, Arc::new(7_u8));
        assert_eq!(*hot.recall::<u8>(row(1)).unwrap(), 7);
        assert!(hot.recall::<u8>(row(2)).is_err());
        hot.forget(row(1));
        let ticket = hot.recall::<u8>(row(1)).unwrap_err();
        hot.keep(&ticket, Arc::new(8_u8));
        tokio::time::advance(LIFE * 9 / 10).await;
        assert_eq!(*hot.recall::<u8>(row(1)).unwrap(), 8);
        tokio::time::advance(LIFE / 10).await;
        assert!(hot.recall::<u8>(row(1)).is_err());
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let hot = Hot::default();
        for change in [Hot::forget_all as fn(&Hot), |hot| hot.forget(row(1))] {
            let ticket = hot.recall::<u8>(row(1)).unwrap_err();
            change(&hot);
            hot.keep(&ticket, Arc::new(7_u8));
            assert!(hot.recall::<u8>(row(1)).is_err());
        }
        hot.keep(&Ticket::void(row(1)), Arc::new(7_u8));
        assert!(hot.recall::<u8>(row(1)).is_err());
    }
}
