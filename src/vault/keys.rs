//! The server's own keys: files of mode 0600, made on the first start, rotated by `backline keys rotate`.
//!
//! To share keys between instances, give every one the same folder (`keys.dir`), or copies of it.

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::{
    key_file::{KeyFile, Line},
    ring::Ring,
};
use crate::kernel::{Clock, Dice, Digest, Timestamp};

/// How often running servers read their keys again.
const RELOAD_EVERY: Duration = Duration::from_secs(5);

/// How long a new key only opens before it makes: until every instance has read it, one missed round included.
pub const NOTICE: Duration = Duration::from_secs(15);

/// How long a page token may still be asked for. It has no expiry of its own; nobody turns a page a week later.
pub const PAGE_TOKEN_LIFE: Duration = Duration::from_hours(7 * 24);

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Access tokens.
    Token,
    /// Page tokens.
    Page,
    /// What is sealed or keyed in the database.
    Vault,
}

impl KeyKind {
    pub const ALL: [Self; 3] = [Self::Token, Self::Page, Self::Vault];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Page => "page",
            Self::Vault => "vault",
        }
    }

    fn file(self, folder: &Path) -> KeyFile {
        KeyFile::new(folder.join(format!("{}.key", self.name())))
    }
}

/// Everything the server keeps secret by itself.
#[derive(Clone, Debug)]
pub struct Keys {
    pub token: Ring,
    pub page: Ring,
    pub vault: Ring,
}

impl Keys {
    /// The kinds whose files are not in `folder`.
    pub fn missing(folder: &Path) -> Vec<KeyKind> {
        KeyKind::ALL.into_iter().filter(|kind| !kind.file(folder).exists()).collect()
    }

    /// Loads the keys below `folder`, making those that are missing. Where all are there, nothing is written.
    ///
    /// # Errors
    /// One sentence: the folder cannot be written, a file is readable by others or malformed.
    pub fn load_or_make(folder: &Path, clock: &Clock, dice: &Dice) -> anyhow::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("the folder {} cannot be made; is it writable?", folder.display()))?;
        let ring = |kind: KeyKind| {
            let file = kind.file(folder);
            if !file.exists() {
                file.make(&Line { key: dice.bytes(), since: Some(clock.now()) })?;
            }
            Ring::open(file, clock.clone())
        };
        Ok(Self { token: ring(KeyKind::Token)?, page: ring(KeyKind::Page)?, vault: ring(KeyKind::Vault)? })
    }

    /// The ring of one kind.
    pub fn ring(&self, kind: KeyKind) -> &Ring {
        match kind {
            KeyKind::Token => &self.token,
            KeyKind::Page => &self.page,
            KeyKind::Vault => &self.vault,
        }
    }

    /// A key for one purpose, derived from the vault's oldest key: equal on all instances, and the same for ever.
    ///
    /// Hashes under such keys are compared with what stands in the database or in people's hands, so a rotation must not
    /// change them.
    pub fn derived(&self, purpose: &str) -> [u8; 32] {
        *Digest::mac(self.vault.oldest().bytes(), &[b"derived key", purpose.as_bytes()]).as_bytes()
    }

    /// Reads all files again.
    ///
    /// # Errors
    /// One sentence about the first file that cannot be read; the keys at hand stay in use.
    pub fn reload(&self) -> anyhow::Result<()> {
        [&self.token, &self.page, &self.vault].into_iter().try_for_each(Ring::reload)
    }

    /// Follows the files until `stop`, so that a rotation needs no restart.
    pub async fn follow(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RELOAD_EVERY) => {}
            }
            let keys = self.clone();
            if let Ok(Err(error)) = tokio::task::spawn_blocking(move || keys.reload()).await {
                tracing::warn!(error = format!("{error:#}"), "the keys at hand stay in use");
            }
        }
    }
}

/// The key files of a folder, for the command line.
#[derive(Clone, Debug)]
pub struct KeyFolder(PathBuf);

impl KeyFolder {
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The ring of one kind; `None` if no server has made one yet.
    ///
    /// # Errors
    /// One sentence: the file is readable by others or malformed.
    pub fn ring(&self, kind: KeyKind, clock: &Clock) -> anyhow::Result<Option<Ring>> {
        let file = kind.file(&self.0);
        file.exists().then(|| Ring::open(file, clock.clone())).transpose()
    }

    /// Puts a new key before the others. It makes from `since` on; the others go on opening.
    ///
    /// # Errors
    /// One sentence: there is no such file, or it cannot be replaced.
    pub fn rotate(&self, kind: KeyKind, since: Timestamp, dice: &Dice) -> anyhow::Result<()> {
        kind.file(&self.0).change(|lines| lines.insert(0, Line { key: dice.bytes(), since: Some(since) }))
    }

    /// Drops the keys that nothing alive was made with. Returns how many.
    ///
    /// Those of the vault are never dropped: what was sealed under them must open, and much is derived from the oldest.
    ///
    /// # Errors
    /// As [`KeyFolder::rotate`].
    pub fn prune(&self, kind: KeyKind, now: Timestamp, token_life: Duration) -> anyhow::Result<usize> {
        let life = match kind {
            KeyKind::Token => token_life,
            KeyKind::Page => PAGE_TOKEN_LIFE,
            KeyKind::Vault => return Ok(0),
        };
        let mut dropped = 0;
        kind.file(&self.0).change(|lines| {
            // From the first key that took over a whole life ago, and one round of reading, nothing older is alive.
            let horizon = now - life - NOTICE;
            let last = lines.iter().position(|line| line.since.is_none_or(|since| since <= horizon));
            let keep = last.map_or(lines.len(), |last| last + 1);
            dropped = lines.len() - keep;
            lines.truncate(keep);
        })?;
        Ok(dropped)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn clock() -> Clock {
        Clock::fixed(Timestamp::from_micros(1_772_323_200_000_000))
    }

    struct Shelf {
        folder: tempfile::TempDir,
        clock: Clock,
        dice: Dice,
    }

    impl Shelf {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), clock: clock(), dice: Dice::seeded(1) }
        }

        fn keys(&self) -> anyhow::Result<Keys> {
            Keys::load_or_make(self.folder.path(), &self.clock, &self.dice)
        }

        fn rotate(&self, kind: KeyKind) -> anyhow::Result<()> {
            KeyFolder::new(self.folder.path().into()).rotate(kind, self.clock.now() + NOTICE, &self.dice)
        }

        fn prune(&self, kind: KeyKind) -> usize {
            KeyFolder::new(self.folder.path().into()).prune(kind, self.clock.now(), 15 * MINUTE).unwrap()
        }

        fn file(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }
    }

    #[test]
    fn keys_are_made_once_and_kept() {
        let shelf = Shelf::new();
        let (first, second) = (shelf.keys().unwrap(), shelf.keys().unwrap());
        assert_eq!(first.token.active().bytes(), second.token.active().bytes());
        assert_ne!(first.token.active().bytes(), first.vault.active().bytes());
        let names = fs::read_dir(shelf.folder.path()).unwrap().count();
        assert_eq!(names, 3, "no draft is left");
        assert_eq!(fs::metadata(shelf.file("vault.key")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn of_many_that_start_on_an_empty_folder_all_get_the_same_keys() {
        let shelf = Shelf::new();
        let start = std::sync::Barrier::new(16);
        let made = std::thread::scope(|scope| {
            let first = || {
                start.wait();
                Keys::load_or_make(shelf.folder.path(), &shelf.clock, &Dice::System).unwrap()
            };
            let makers: Vec<_> = (0..16).map(|_| scope.spawn(first)).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect::<Vec<_>>()
        });
        let kept = shelf.keys().unwrap();
        for keys in made {
            assert_eq!(keys.token.active().bytes(), kept.token.active().bytes());
            assert_eq!(keys.vault.active().bytes(), kept.vault.active().bytes());
        }
        assert_eq!(fs::read_dir(shelf.folder.path()).unwrap().count(), 3, "no draft is left");
    }

    #[test]
    fn a_burst_that_names_a_new_key_finds_it() {
        let shelf = Shelf::new();
        let (here, there) = (shelf.keys().unwrap(), shelf.keys().unwrap());
        shelf.rotate(KeyKind::Token).unwrap();
        shelf.clock.advance(NOTICE);
        there.reload().unwrap();
        let new = there.token.active().id().to_owned();
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    assert!(here.token.find(|key| key.id() == new).is_some());
                });
            }
        });
    }

    #[test]
    fn a_new_key_opens_at_once_and_makes_a_little_later() {
        let shelf = Shelf::new();
        let keys = shelf.keys().unwrap();
        let old = keys.token.active().id().to_owned();
        shelf.rotate(KeyKind::Token).unwrap();
        assert_eq!(fs::metadata(shelf.file("token.key")).unwrap().permissions().mode() & 0o777, 0o600);
        keys.reload().unwrap();
        assert_eq!((keys.token.active().id(), keys.token.keys().len()), (old.as_str(), 2));
        shelf.clock.advance(NOTICE);
        keys.reload().unwrap();
        assert_ne!(keys.token.active().id(), old);
        assert!(keys.token.find(|key| key.id() == old).is_some(), "the old one still opens");
    }

    #[test]
    fn a_key_that_is_not_held_is_looked_for_in_the_file() {
        let shelf = Shelf::new();
        let (here, there) = (shelf.keys().unwrap(), shelf.keys().unwrap());
        shelf.rotate(KeyKind::Token).unwrap();
        shelf.clock.advance(NOTICE);
        there.reload().unwrap();
        let new = there.token.active().id().to_owned();
        assert!(here.token.find(|key| key.id() == new).is_some(), "it has not reloaded by itself");
        assert!(here.token.find(|key| key.id() == "nonsense").is_none());
    }

    #[test]
    fn what_is_derived_outlives_every_rotation() {
        let shelf = Shelf::new();
        let keys = shelf.keys().unwrap();
        let (derived, oldest) = (keys.derived("mail codes"), *keys.vault.oldest().bytes());
        for _ in 0..3 {
            shelf.rotate(KeyKind::Vault).unwrap();
            shelf.clock.advance(NOTICE);
        }
        assert_eq!(shelf.prune(KeyKind::Vault), 0);
        let after = shelf.keys().unwrap();
        assert_eq!(after.vault.keys().len(), 4);
        assert_ne!(after.vault.active().bytes(), &oldest);
        assert!(after.derived("mail codes") == derived && keys.derived("other") != derived);
    }

    #[test]
    fn only_keys_that_nothing_alive_was_made_with_are_dropped() {
        let shelf = Shelf::new();
        shelf.keys().unwrap();
        shelf.rotate(KeyKind::Token).unwrap();
        assert_eq!(shelf.prune(KeyKind::Token), 0, "the new one makes nothing yet");
        shelf.clock.advance(15 * MINUTE);
        assert_eq!(shelf.prune(KeyKind::Token), 0, "a token may have been made with the old one 15 minutes ago");
        shelf.clock.advance(MINUTE);
        assert_eq!(shelf.prune(KeyKind::Token), 1);
        assert_eq!(shelf.keys().unwrap().token.keys().len(), 1);
        assert_eq!(shelf.prune(KeyKind::Token), 0, "the last one stays");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let shelf = Shelf::new();
        shelf.keys().unwrap();
        fs::set_permissions(shelf.file("token.key"), fs::Permissions::from_mode(0o644)).unwrap();
        let refused = shelf.keys().unwrap_err();
        assert!(refused.to_string().contains("chmod 600"), "{refused}");
    }

    #[test]
    fn a_mounted_secret_is_read_by_its_group_and_from_a_folder_that_cannot_be_written() {
        let shelf = Shelf::new();
        let made = shelf.keys().unwrap();
        for kind in KeyKind::ALL {
            let file = shelf.file(&format!("{}.key", kind.name()));
            fs::set_permissions(file, fs::Permissions::from_mode(0o440)).unwrap();
        }
        let folder = shelf.file("token.key").parent().unwrap().to_owned();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o550)).unwrap();
        assert_eq!(shelf.keys().unwrap().token.active().id(), made.token.active().id());
    }

    #[test]
    fn a_torn_file_is_refused_and_never_replaced() {
        let shelf = Shelf::new();
        let keys = shelf.keys().unwrap();
        let (id, whole) = (keys.token.active().id().to_owned(), fs::read_to_string(shelf.file("token.key")).unwrap());
        for torn in [&whole[..20], "", "\n\n", &whole.replace(' ', " x"), &format!("{whole}one two three\n")] {
            fs::write(shelf.file("token.key"), torn).unwrap();
            let refused = format!("{:#}", shelf.keys().unwrap_err());
            assert!(refused.contains("token.key is malformed"), "{refused}");
            assert!(shelf.rotate(KeyKind::Token).is_err());
            assert!(keys.reload().is_err());
            assert_eq!(keys.token.active().id(), id, "a running server goes on with what it has");
            assert_eq!(fs::read_to_string(shelf.file("token.key")).unwrap(), torn);
        }
    }

    #[test]
    fn a_draft_that_a_crash_left_behind_does_no_harm() {
        let shelf = Shelf::new();
        let before = shelf.keys().unwrap();
        fs::write(shelf.file("token.draft"), "half a key").unwrap();
        assert_eq!(shelf.keys().unwrap().token.active().bytes(), before.token.active().bytes());
        shelf.rotate(KeyKind::Token).unwrap();
        assert!(!shelf.file("token.draft").exists());
        assert_eq!(shelf.keys().unwrap().token.keys().len(), 2);
    }

    #[test]
    fn files_of_the_first_release_are_read() {
        let shelf = Shelf::new();
        let keys = shelf.keys().unwrap();
        let text = fs::read_to_string(shelf.file("token.key")).unwrap();
        fs::write(shelf.file("token.key"), format!("{}\n", text.split(' ').next().unwrap())).unwrap();
        let read = shelf.keys().unwrap();
        assert_eq!(read.token.active().id(), keys.token.active().id());
        assert_eq!(read.token.active().since(), None);
    }

    #[test]
    fn many_rotations_at_once_lose_none() {
        let shelf = Shelf::new();
        shelf.keys().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| shelf.rotate(KeyKind::Page).unwrap());
            }
        });
        assert_eq!(shelf.keys().unwrap().page.keys().len(), 9);
    }
}
