//! Where a chunk goes: the rules of the gap-free prefix, as plain functions.
//!
//! Everything below the prefix is durable and never changes. A chunk may begin at the prefix or below it: what lies
//! below is compared with what is stored, the rest is appended.

use std::ops::Range;

use crate::entity::upload_segment;

/// What to do with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// So many of its bytes are stored already, and must be equal.
    pub known: usize,
}

/// Why a chunk has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misplaced {
    /// It ends beyond the declared size.
    TooLong,
    /// It begins above the prefix.
    Gap,
}

/// Finds the place of a chunk of `length` bytes at `offset`, when `prefix` bytes of `size` are there.
pub fn place(prefix: i64, size: i64, offset: i64, length: usize) -> Result<Placement, Misplaced> {
    let end = i64::try_from(length).ok().and_then(|length| offset.checked_add(length)).ok_or(Misplaced::TooLong)?;
    if end > size {
        return Err(Misplaced::TooLong);
    }
    let below = prefix.checked_sub(offset).and_then(|below| usize::try_from(below).ok()).ok_or(Misplaced::Gap)?;
    Ok(Placement { known: below.min(length) })
}

/// One comparison of a chunk with a stored segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison<'a> {
    pub segment: &'a upload_segment::Model,
    /// Which bytes of the chunk.
    pub chunk: Range<usize>,
    /// Which bytes of the segment; all of them if the checksum alone can tell.
    pub stored: Range<u64>,
}

impl Comparison<'_> {
    /// Whether the chunk holds the whole segment, so that their checksums can be compared.
    pub fn is_whole(&self) -> bool {
        i64::try_from(self.stored.end - self.stored.start) == Ok(self.segment.length_bytes)
    }
}

/// Compares `length` bytes at `offset` with the segments there, in the order of the file.
///
/// `None` if the segments leave some of these bytes out, which the gap-free prefix forbids.
pub fn comparisons(segments: &[upload_segment::Model], offset: i64, length: usize) -> Option<Vec<Comparison<'_>>> {
    let end = offset.checked_add(i64::try_from(length).ok()?)?;
    let mut at = offset;
    let mut found = Vec::new();
    for segment in segments {
        let upto = (segment.start_offset + segment.length_bytes).min(end);
        if upto <= at || segment.start_offset >= end {
            continue;
        }
        if segment.start_offset > at {
            return None;
        }
        found.push(Comparison {
            segment,
            chunk: usize::try_from(at - offset).ok()?..usize::try_from(upto - offset).ok()?,
            stored: u64::try_from(at - segment.start_offset).ok()?..u64::try_from(upto - segment.start_offset).ok()?,
        });
        at = upto;
    }
    (at == end).then_some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::{Timestamp, ids::UploadId};

    const SIZE: usize = 400;

    fn signed(n: usize) -> i64 {
        i64::try_from(n).unwrap()
    }

    /// The rules on bytes in memory: what `domain::write` does with a store and a database.
    #[derive(Default)]
    struct Model {
        stored: Vec<u8>,
        segments: Vec<upload_segment::Model>,
    }

    impl Model {
        fn write(&mut self, offset: usize, data: &[u8]) -> Result<bool, Misplaced> {
            let prefix = signed(self.stored.len());
            let Placement { known } = place(prefix, signed(SIZE), signed(offset), data.len())?;
            let plan = comparisons(&self.segments, signed(offset), known).expect("the prefix has no gaps");
            for comparison in &plan {
                let start = u64::try_from(comparison.segment.start_offset).unwrap();
                let at = |offset: u64| usize::try_from(start + offset).unwrap();
                let stored = at(comparison.stored.start)..at(comparison.stored.end);
                if data[comparison.chunk.clone()] != self.stored[stored] {
                    return Ok(false);
                }
            }
            let tail = &data[known..];
            if !tail.is_empty() {
                self.segments.push(upload_segment::Model {
                    upload_id: UploadId::from(uuid::Uuid::nil()),
                    start_offset: prefix,
                    length_bytes: signed(tail.len()),
                    crc32c: i64::from(crc32c::crc32c(tail)),
                    storage_key: String::new(),
                    created_at: Timestamp::from_micros(0),
                });
                self.stored.extend_from_slice(tail);
            }
            Ok(true)
        }
    }

    proptest! {
        /// Any chunks, repeats, gaps, overlaps and damage: what is stored is always the beginning of the file.
        #[test]
        fn the_prefix_always_equals_the_file(
            steps in prop::collection::vec((0_usize..SIZE + 20, 1_usize..90, any::<bool>(), 0_usize..6), 1..60),
        ) {
            let file: Vec<u8> = (0..SIZE).map(|n| u8::try_from(n * 31 % 251).unwrap()).collect();
            let mut model = Model::default();
            for (anywhere, length, near, damage) in steps {
                let before = model.stored.len();
                let offset = if near { before.saturating_sub(anywhere % 64) } else { anywhere };
                let mut data: Vec<u8> = file.iter().copied().skip(offset).take(length).collect();
                data.resize(length, 0);
                // Only bytes that are stored can be told from damaged ones here.
                let damaged = damage == 0 && offset < before;
                if damaged {
                    data[0] ^= 1;
                }
                match model.write(offset, &data) {
                    Err(Misplaced::TooLong) => prop_assert!(offset + length > SIZE),
                    Err(Misplaced::Gap) => prop_assert!(offset > before),
                    Ok(equal) => {
                        prop_assert!(offset <= before && offset + length <= SIZE);
                        prop_assert_eq!(equal, !damaged);
                        prop_assert_eq!(model.stored.len(), if equal { before.max(offset + length) } else { before });
                    }
                }
                prop_assert_eq!(&model.stored[..], &file[..model.stored.len()]);
            }
        }
    }

    #[test]
    fn places_are_exact() {
        assert_eq!(place(8, 10, 8, 2), Ok(Placement { known: 0 }));
        assert_eq!(place(8, 10, 8, 3), Err(Misplaced::TooLong));
        assert_eq!(place(8, 10, 9, 1), Err(Misplaced::Gap));
        assert_eq!(place(8, 10, 2, 6), Ok(Placement { known: 6 }));
        assert_eq!(place(8, 10, 6, 4), Ok(Placement { known: 2 }));
        assert_eq!(place(8, 10, i64::MAX, 1), Err(Misplaced::TooLong));
    }
}
