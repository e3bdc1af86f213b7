//! Lists of objects, one JSON object a line: as long as they are, never held whole in memory.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Error;
use crate::kernel::Digest;

/// Longest line: a key of our own and 150 bytes around it.
const MAX_LINE_BYTES: usize = 4096;

/// One object of the store that was copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where the database says it lies.
    pub key: String,
    /// Lower-case hexadecimal.
    pub sha256: String,
    pub size_bytes: u64,
}

impl Entry {
    pub fn new(key: &str, sha256: &Digest, size_bytes: u64) -> Self {
        Self { key: key.to_owned(), sha256: hex::encode(sha256.as_bytes()), size_bytes }
    }

    fn is_sound(&self) -> bool {
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        !self.key.is_empty() && self.sha256.len() == 64 && self.sha256.bytes().all(hex)
    }
}

/// What a manifest says of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub count: u64,
    pub bytes: u64,
    /// Of the list's file.
    pub list_sha256: String,
}

/// Writes a list to a file of this machine.
pub struct Writer {
    path: PathBuf,
    out: BufWriter<File>,
    sha256: Sha256,
    summary: Summary,
}

impl Writer {
    pub fn create(path: &Path) -> Result<Self, Error> {
        let file = File::create(path).map_err(Error::disk(path))?;
        let out = BufWriter::with_capacity(64 * 1024, file);
        Ok(Self { path: path.to_owned(), out, sha256: Sha256::new(), summary: Summary::default() })
    }

    pub fn add(&mut self, entry: &Entry) -> Result<(), Error> {
        let mut line = serde_json::to_vec(entry).map_err(|_| Error::damaged("a list", "a line has no form"))?;
        line.push(b'\n');
        self.sha256.update(&line);
        self.summary.count += 1;
        self.summary.bytes += entry.size_bytes;
        self.out.write_all(&line).map_err(Error::disk(&self.path))
    }

    pub fn finish(mut self) -> Result<Summary, Error> {
        self.out.flush().map_err(Error::disk(&self.path))?;
        self.summary.list_sha256 = hex::encode(self.sha256.finalize());
        Ok(self.summary)
    }
}

/// Reads a list from a file of this machine.
pub struct Reader {
    path: PathBuf,
    lines: BufReader<File>,
}

impl Reader {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::disk(path))?;
        Ok(Self { path: path.to_owned(), lines: BufReader::with_capacity(64 * 1024, file) })
    }

    /// The next line; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Entry>, Error> {
        let damaged = |why| Error::damaged(format!("the list {}", self.path.display()), why);
        let mut line = Vec::new();
        let mut limited = std::io::Read::take(&mut self.lines, MAX_LINE_BYTES as u64);
        if limited.read_until(b'\n', &mut line).map_err(Error::disk(&self.path))? == 0 {
            return Ok(None);
        }
        let entry: Entry = serde_json::from_slice(&line).map_err(|_| damaged("a line is not an entry"))?;
        if entry.is_sound() { Ok(Some(entry)) } else { Err(damaged("an entry is malformed")) }
    }

    /// Up to `count` entries; none at the end.
    pub fn batch(&mut self, count: usize) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        while entries.len() < count
            && let Some(entry) = self.next()?
        {
            entries.push(entry);
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        let entries: Vec<Entry> =
            (0..5).map(|n| Entry::new(&format!("content/{n}"), &Digest::sha256(&[n]), 7)).collect();
        let mut writer = Writer::create(&path).unwrap();
        for entry in &entries {
            writer.add(entry).unwrap();
        }
        let summary = writer.finish().unwrap();
        assert_eq!((summary.count, summary.bytes), (5, 35));
        assert_eq!(summary.list_sha256, hex::encode(Sha256::digest(std::fs::read(&path).unwrap())));
        let mut reader = Reader::open(&path).unwrap();
        assert_eq!(reader.batch(3).unwrap(), entries[..3]);
        assert_eq!(reader.batch(3).unwrap(), entries[3..]);
        assert!(reader.batch(3).unwrap().is_empty());
    }

    #[test]
    fn a_line_that_is_no_entry_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        for line in ["{", r#"{"key":"","sha256":"","size_bytes":1}"#, r#"{"key":"a","sha256":"../x","size_bytes":1}"#] {
            std::fs::write(&path, line).unwrap();
            assert!(Reader::open(&path).unwrap().next().is_err(), "{line}");
        }
    }
}
