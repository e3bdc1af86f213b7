//! The server's own keys: files of mode 0600, made on the first start.
//!
//! Each file holds one key per line, 32 bytes in base64; the first makes, all open. To share keys between instances,
//! give every one the same folder.

use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};

use crate::kernel::{Dice, Digest};

/// Everything the server keeps secret by itself.
#[derive(Clone)]
pub struct Keys {
    /// Access tokens.
    pub token: Vec<[u8; 32]>,
    /// Page tokens.
    pub page: Vec<[u8; 32]>,
    /// What is sealed or keyed in the database.
    pub vault: Vec<[u8; 32]>,
}

impl Keys {
    /// Loads the keys below `folder`, making those that are missing.
    ///
    /// # Errors
    /// One sentence: the folder cannot be written, a file is readable by others or malformed.
    pub fn load_or_make(folder: &Path, dice: &Dice) -> anyhow::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("the folder {} cannot be made; is it writable?", folder.display()))?;
        let key = |name: &str| load_or_make(&folder.join(name), dice);
        Ok(Self { token: key("token.key")?, page: key("page.key")?, vault: key("vault.key")? })
    }

    /// A key for one purpose, derived from the vault's first key; equal on all instances that share it.
    pub fn derived(&self, purpose: &str) -> [u8; 32] {
        *Digest::mac(&self.vault[0], &[b"derived key", purpose.as_bytes()]).as_bytes()
    }

    /// The same for each of the vault's keys, the first one first: for what may have been made before a rotation.
    pub fn each_derived<'a>(&'a self, purpose: &'a str) -> impl Iterator<Item = [u8; 32]> + 'a {
        self.vault.iter().map(|key| *Digest::mac(key, &[b"derived key", purpose.as_bytes()]).as_bytes())
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

fn load_or_make(file: &Path, dice: &Dice) -> anyhow::Result<Vec<[u8; 32]>> {
    match fs::read_to_string(file) {
        Ok(text) => {
            let mode = fs::metadata(file)?.permissions().mode();
            if mode & 0o077 != 0 {
                bail!("the key file {} can be read by others; run chmod 600 on it", file.display());
            }
            parse(&text).with_context(|| format!("the key file {} is malformed", file.display()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = dice.bytes();
            make(file, &key).with_context(|| format!("the key file {} cannot be written", file.display()))?;
            // Of two instances that start at once, one made the file; both go on with what it holds.
            parse(&fs::read_to_string(file)?)
        }
        Err(error) => Err(error).with_context(|| format!("the key file {} cannot be read", file.display())),
    }
}

fn parse(text: &str) -> anyhow::Result<Vec<[u8; 32]>> {
    let keys = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| BASE64_STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok()))
        .collect::<Option<Vec<[u8; 32]>>>();
    keys.filter(|keys| !keys.is_empty()).context("each line must be 32 bytes in base64")
}

/// Writes beside, syncs and links: a crash leaves a whole key or none, and an existing file is never replaced.
fn make(file: &Path, key: &[u8; 32]) -> std::io::Result<()> {
    let draft = file.with_extension(format!("{}.draft", std::process::id()));
    let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    writeln!(out, "{}", BASE64_STANDARD.encode(key))?;
    out.sync_all()?;
    let linked = match fs::hard_link(&draft, file) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    };
    fs::remove_file(&draft)?;
    if let Some(folder) = file.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    linked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let first = Keys::load_or_make(folder.path(), &Dice::seeded(1)).unwrap();
        let second = Keys::load_or_make(folder.path(), &Dice::seeded(2)).unwrap();
        assert_eq!(first.token, second.token);
        assert_ne!(first.token, first.vault);
        let mode = fs::metadata(folder.path().join("vault.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        Keys::load_or_make(folder.path(), &Dice::seeded(1)).unwrap();
        let file = folder.path().join("token.key");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = Keys::load_or_make(folder.path(), &Dice::seeded(1)).unwrap_err();
        assert!(refused.to_string().contains("chmod 600"), "{refused}");
    }
}
