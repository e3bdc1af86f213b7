//! The operator's list: plain lines, or sorted hashes too many to load.

use std::{
    cmp::Ordering,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
};

use sha1::{Digest, Sha1};

use super::common::{Common, key};

/// No accepted password has more bytes; longer lines of a plain list are passed over.
const MAX_LINE: usize = 512;
/// Plain lists are held in memory while they are read, 8 bytes a line.
const MAX_LINES: usize = 10_000_000;
/// Hexadecimal digits of a SHA-1.
const HASH: usize = 40;
/// A hash, a colon, a count, an end of line.
const MAX_HASH_LINE: usize = 64;
/// A piece of the file that is read whole.
const BLOCK: u64 = 4096;
/// Places at which a new file of hashes is looked at, to see that it is sorted.
const PROBES: u64 = 64;

/// Why a file is no list.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it is empty")]
    Empty,
    #[error("it has more than {MAX_LINES} lines; give the sorted hashes instead")]
    TooLong,
    #[error("it begins with a SHA-1 hash, and not every line does")]
    NoHash,
    #[error("its hashes are not sorted")]
    Unsorted,
    #[error("{0}")]
    Unfinished(&'static str),
}

impl From<&'static str> for Malformed {
    fn from(why: &'static str) -> Self {
        Self::Unfinished(why)
    }
}

/// What tells a replaced file from the one before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    file: (u64, u64),
    bytes: u64,
    changed: (i64, i64),
}

impl Stamp {
    pub fn of(path: &Path) -> io::Result<Self> {
        let meta = std::fs::metadata(path)?;
        Ok(Self { file: (meta.dev(), meta.ino()), bytes: meta.size(), changed: (meta.mtime(), meta.mtime_nsec()) })
    }
}

/// A list that can be asked.
pub enum Store {
    Plain(Common),
    Hashes(Hashes),
}

impl Store {
    pub fn read(path: &Path) -> Result<Self, Malformed> {
        let file = File::open(path)?;
        let mut start = [0; MAX_HASH_LINE];
        let read = file.read_at(&mut start, 0)?;
        if hash_of(&start[..read]).is_some() {
            return Hashes::of(file).map(Self::Hashes);
        }
        plain(BufReader::new(file)).map(Self::Plain)
    }

    pub fn has(&self, password: &str) -> Result<bool, Malformed> {
        match self {
            Self::Plain(list) => Ok(list.has(password)),
            Self::Hashes(hashes) => {
                let lower = password.to_lowercase();
                Ok(hashes.has(password)? || lower != password && hashes.has(&lower)?)
            }
        }
    }
}

fn plain(mut lines: impl BufRead) -> Result<Common, Malformed> {
    let (mut keys, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        let read = lines.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Common::of(keys).ok_or(Malformed::Empty);
        }
        if read > MAX_LINE && line.last() != Some(&b'\n') {
            skip_line(&mut lines)?;
            continue;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if let Some(text) = std::str::from_utf8(text).ok().filter(|text| !text.is_empty()) {
            keys.push(key(text));
        }
        if keys.len() > MAX_LINES {
            return Err(Malformed::TooLong);
        }
    }
}

/// Reads to the end of a line without keeping it.
fn skip_line(lines: &mut impl BufRead) -> io::Result<()> {
    loop {
        let piece = lines.fill_buf()?;
        let end = piece.iter().position(|byte| *byte == b'\n');
        let (used, done) = (end.map_or(piece.len(), |at| at + 1), end.is_some() || piece.is_empty());
        lines.consume(used);
        if done {
            return Ok(());
        }
    }
}

/// `SHA1HEX:COUNT` lines in ascending order, searched where they lie.
pub struct Hashes {
    file: File,
    bytes: u64,
}

impl Hashes {
    /// Looks at a few places only: such files have tens of gigabytes.
    fn of(file: File) -> Result<Self, Malformed> {
        let hashes = Self { bytes: file.metadata()?.len(), file };
        let mut before = [0; HASH];
        for probe in 1..PROBES {
            let at = hashes.bytes / PROBES * probe;
            if hashes.bytes - at < BLOCK {
                continue;
            }
            let (_, hash) = hashes.line_after(at)?;
            if hash < before {
                return Err(Malformed::Unsorted);
            }
            before = hash;
        }
        hashes.is_sorted_block(0)?;
        Ok(hashes)
    }

    fn has(&self, password: &str) -> Result<bool, Malformed> {
        let mut wanted = [0; HASH];
        let digest: [u8; 20] = Sha1::digest(password.as_bytes()).into();
        wanted.copy_from_slice(hex::encode_upper(digest).as_bytes());
        // The line, if there is one, starts in `low..high`, and `low` is the start of a line.
        let (mut low, mut high) = (0, self.bytes);
        while high - low > BLOCK {
            let (start, hash) = self.line_after(low.midpoint(high))?;
            match wanted.cmp(&hash) {
                Ordering::Equal => return Ok(true),
                Ordering::Less => high = start,
                Ordering::Greater => low = start,
            }
        }
        let block = self.block(low, high - low + MAX_HASH_LINE as u64)?;
        Ok(lines(&block).any(|line| hash_of(line) == Some(wanted)))
    }

    /// The first line that starts after `at`: where, and its hash.
    fn line_after(&self, at: u64) -> Result<(u64, [u8; HASH]), Malformed> {
        let piece = self.block(at, 2 * MAX_HASH_LINE as u64)?;
        let end = piece.iter().take(MAX_HASH_LINE).position(|byte| *byte == b'\n').ok_or(Malformed::NoHash)?;
        let hash = hash_of(&piece[end + 1..]).ok_or(Malformed::NoHash)?;
        Ok((at + end as u64 + 1, hash))
    }

    fn is_sorted_block(&self, at: u64) -> Result<(), Malformed> {
        let block = self.block(at, BLOCK)?;
        // The last line may be cut.
        let whole = block.iter().rposition(|byte| *byte == b'\n').map_or(&block[..], |end| &block[..end]);
        let hashes: Option<Vec<_>> = lines(whole).map(hash_of).collect();
        if hashes.ok_or(Malformed::NoHash)?.is_sorted() { Ok(()) } else { Err(Malformed::Unsorted) }
    }

    fn block(&self, at: u64, bytes: u64) -> io::Result<Vec<u8>> {
        let mut block = vec![0; usize::try_from(bytes).unwrap_or(MAX_LINE)];
        let mut read = 0;
        while read < block.len() {
            match self.file.read_at(&mut block[read..], at + read as u64)? {
                0 => break,
                more => read += more,
            }
        }
        block.truncate(read);
        Ok(block)
    }
}

fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    block.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// The hash that a line begins with, in capitals.
fn hash_of(line: &[u8]) -> Option<[u8; HASH]> {
    let (hash, rest) = line.split_first_chunk::<HASH>()?;
    let ends = matches!(rest.first(), None | Some(b':' | b'\r' | b'\n'));
    (ends && hash.iter().all(u8::is_ascii_hexdigit)).then(|| hash.to_ascii_uppercase().try_into().ok())?
}

#[cfg(test)]
mod tests;
