//! Key files: mode 0600 (or readable by the group, as mounts give them), one key per line, the newest first.
//!
//! A line holds 32 bytes in base64 and, after a space, the Unix second from which on the key makes. A file is only ever
//! replaced as a whole: written beside, synced and renamed, so a crash leaves the old one or the new one.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};

use crate::kernel::{Dice, Timestamp};

/// A key as its file has it.
#[derive(Clone)]
pub struct Line {
    pub key: [u8; 32],
    pub since: Option<Timestamp>,
}

/// Tells one version of a file from the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    modified: (i64, i64),
    bytes: u64,
}

/// Where a key file lies.
#[derive(Clone, Debug)]
pub struct KeyFile(PathBuf);

impl KeyFile {
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub fn exists(&self) -> bool {
        self.0.exists()
    }

    /// # Errors
    /// One sentence: it cannot be read, is readable by others or malformed. The group may read: a mounted secret belongs to
    /// root, and to the server only by its group.
    pub fn read(&self) -> anyhow::Result<(Vec<Line>, Stamp)> {
        let file = self.0.display();
        let stamp = self.stamp();
        let text = fs::read_to_string(&self.0).with_context(|| format!("the key file {file} cannot be read"))?;
        // A mount gives files of root to the server's group, as 0440 or 0640.
        if fs::metadata(&self.0)?.permissions().mode() & 0o037 != 0 {
            bail!("the key file {file} can be read by others; run chmod 600 on it");
        }
        let lines = parse(&text).with_context(|| format!("the key file {file} is malformed"))?;
        Ok((lines, stamp))
    }

    /// Of the file as it is now; that of no file is the default.
    pub fn stamp(&self) -> Stamp {
        fs::metadata(&self.0).map_or_else(
            |_| Stamp::default(),
            |meta| Stamp { inode: meta.ino(), modified: (meta.mtime(), meta.mtime_nsec()), bytes: meta.len() },
        )
    }

    /// Makes the file, unless it exists already. Of several instances that start at once, one makes it; it is whole from
    /// the moment it is there.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn make(&self, first: &Line) -> anyhow::Result<()> {
        let draft = self.draft();
        let made = write(&draft, std::slice::from_ref(first)).and_then(|_| match fs::hard_link(&draft, &self.0) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other,
        });
        // It holds a key; nobody needs it any more.
        drop(fs::remove_file(&draft));
        made.and_then(|()| self.sync_folder())
            .with_context(|| format!("the key file {} cannot be written", self.0.display()))
    }

    /// A name of nobody else's. Process ids are not: every container has a process 1, and may share the folder.
    fn draft(&self) -> PathBuf {
        self.0.with_extension(format!("{}.draft", hex::encode(Dice::System.bytes::<8>())))
    }

    /// Replaces what the file holds by what `change` makes of it, alone at it.
    ///
    /// # Errors
    /// As [`KeyFile::read`], or when the folder cannot be written. The file is then as it was.
    pub fn change(&self, change: impl FnOnce(&mut Vec<Line>)) -> anyhow::Result<()> {
        let lock = self.0.with_extension("lock");
        let lock = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(lock);
        let lock = lock.and_then(|lock| self.hand_over(&lock).map(|()| lock));
        let lock = lock.with_context(|| format!("no lock can be made beside {}", self.0.display()))?;
        lock.lock().with_context(|| format!("the key file {} cannot be locked", self.0.display()))?;
        let (mut lines, _) = self.read()?;
        change(&mut lines);
        self.replace(&lines).with_context(|| format!("the key file {} cannot be written", self.0.display()))
    }

    fn replace(&self, lines: &[Line]) -> std::io::Result<()> {
        let draft = self.0.with_extension("draft");
        let replaced = write(&draft, lines).and_then(|out| self.hand_over(&out)).and_then(|()| {
            fs::rename(&draft, &self.0)?;
            self.sync_folder()
        });
        if replaced.is_err() {
            // It holds every key; if it has taken the file's place, there is nothing to remove.
            drop(fs::remove_file(&draft));
        }
        replaced
    }

    /// Gives a file to the owner of the keys: whoever rotates as root must not lock the server's user out.
    fn hand_over(&self, file: &File) -> std::io::Result<()> {
        let (owner, own) = match fs::metadata(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            owner => (owner?, file.metadata()?),
        };
        if (owner.uid(), owner.gid()) == (own.uid(), own.gid()) {
            return Ok(());
        }
        fchown(file, Some(owner.uid()), Some(owner.gid()))
    }

    fn sync_folder(&self) -> std::io::Result<()> {
        File::open(self.0.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn write(path: &Path, lines: &[Line]) -> std::io::Result<File> {
    // What a crash left there may have another mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    for Line { key, since } in lines {
        let key = BASE64_STANDARD.encode(key);
        match since {
            Some(since) => writeln!(out, "{key} {}", since.micros().div_euclid(1_000_000))?,
            None => writeln!(out, "{key}")?,
        }
    }
    out.sync_all()?;
    Ok(out)
}

fn parse(text: &str) -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (number, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let line = line(text);
        lines.push(line.with_context(|| format!("line {} is not 32 bytes in base64 and a Unix second", number + 1))?);
    }
    if lines.is_empty() {
        bail!("it holds no key");
    }
    Ok(lines)
}

fn line(text: &str) -> Option<Line> {
    let mut words = text.split_whitespace();
    let key = BASE64_STANDARD.decode(words.next()?).ok()?.try_into().ok()?;
    let since = match words.next() {
        Some(second) => Some(Timestamp::from_micros(second.parse::<i64>().ok()?.checked_mul(1_000_000)?)),
        None => None,
    };
    words.next().is_none().then_some(Line { key, since })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_that_fails_leaves_no_keys_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.key");
        // What cannot be renamed over.
        fs::create_dir(&path).unwrap();
        let lines = [Line { key: [1; 32], since: None }];
        KeyFile::new(path).replace(&lines).unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
