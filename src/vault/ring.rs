//! A ring of keys: the newest one in use makes, all open.
//!
//! A ring from a file follows that file. It is read again every few seconds, so that a rotation needs no restart, and at
//! once (though at most once a second) when something names a key that the ring does not hold. A new key is made in
//! advance: it opens from the moment it is in the file and makes only from [`Key::since`] on. By then every instance that
//! shares the file has read it, so none refuses what another one made.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};
use pasetors::{
    keys::SymmetricKey,
    paserk::{FormatAsPaserk, Id},
    version4::V4,
};

use super::key_file::{KeyFile, Line, Stamp};
use crate::kernel::{Clock, Digest, Timestamp};

/// How often a ring that misses a key looks at its file: whoever sends nonsense must not keep the disk busy.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One key, with the names it goes by. It cannot print itself.
pub struct Key {
    bytes: [u8; 32],
    /// Its PASERK id, `k4.lid.…`.
    id: String,
    /// Its name in sealed values.
    short_id: [u8; 4],
    since: Option<Timestamp>,
}

impl Key {
    fn new(bytes: [u8; 32], since: Option<Timestamp>) -> Self {
        let key = SymmetricKey::<V4>::from(&bytes).expect("any 32 bytes are a key");
        let mut id = String::new();
        Id::from(&key).fmt(&mut id).expect("writing into a string does not fail");
        let mut short_id = [0; 4];
        short_id.copy_from_slice(&Digest::mac(&bytes, &[b"key id"]).as_bytes()[..4]);
        Self { bytes, id, short_id, since }
    }

    pub fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Its PASERK id: names the key without telling it.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn short_id(&self) -> [u8; 4] {
        self.short_id
    }

    /// From when on it makes; `None` for keys older than this was noted.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

/// Keys of one kind, newest first. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Ring(Arc<Shared>);

struct Shared {
    source: Option<Source>,
    held: RwLock<Arc<Held>>,
}

struct Source {
    file: KeyFile,
    clock: Clock,
    /// When the file was last looked at for a key that was missed.
    looked: Mutex<Option<Instant>>,
    /// Held from reading to keeping: a slower reader must not put back what it read earlier.
    reading: Mutex<()>,
}

struct Held {
    keys: Vec<Arc<Key>>,
    active: usize,
    stamp: Stamp,
}

impl Held {
    fn new(lines: &[Line], now: Timestamp, stamp: Stamp) -> Self {
        let active = lines.iter().position(|line| line.since.is_none_or(|since| since <= now));
        Self {
            keys: lines.iter().map(|line| Arc::new(Key::new(line.key, line.since))).collect(),
            // A clock that was set back must not leave a server without a key.
            active: active.unwrap_or(lines.len() - 1),
            stamp,
        }
    }
}

impl Ring {
    /// A ring that never changes; `keys` must not be empty, the first one makes.
    pub fn fixed(keys: &[[u8; 32]]) -> Self {
        let lines: Vec<Line> = keys.iter().map(|key| Line { key: *key, since: None }).collect();
        let held = Held::new(&lines, Timestamp::from_micros(0), Stamp::default());
        Self(Arc::new(Shared { source: None, held: RwLock::new(Arc::new(held)) }))
    }

    /// The ring of a key file.
    ///
    /// # Errors
    /// One sentence: the file cannot be read, is readable by others or malformed.
    pub fn open(file: KeyFile, clock: Clock) -> anyhow::Result<Self> {
        let (lines, stamp) = file.read()?;
        let held = RwLock::new(Arc::new(Held::new(&lines, clock.now(), stamp)));
        Ok(Self(Arc::new(Shared {
            source: Some(Source { file, clock, looked: Mutex::default(), reading: Mutex::default() }),
            held,
        })))
    }

    /// The key that makes.
    pub fn active(&self) -> Arc<Key> {
        let held = self.held();
        Arc::clone(&held.keys[held.active])
    }

    /// The first key: it stays when others come, so what is derived from it never changes.
    pub fn oldest(&self) -> Arc<Key> {
        let held = self.held();
        Arc::clone(&held.keys[held.keys.len() - 1])
    }

    /// All keys, newest first.
    pub fn keys(&self) -> Vec<Arc<Key>> {
        self.held().keys.clone()
    }

    /// The key that `fits`. If none does, the file is looked at again: another instance may have a newer one.
    pub fn find(&self, fits: impl Fn(&Key) -> bool) -> Option<Arc<Key>> {
        let among = |held: &Held| held.keys.iter().find(|key| fits(key)).cloned();
        among(&self.held()).or_else(|| {
            self.look_again();
            among(&self.held())
        })
    }

    /// Reads the file again, and picks the key that makes anew.
    ///
    /// # Errors
    /// As [`Ring::open`]; the keys at hand then stay in use.
    pub fn reload(&self) -> anyhow::Result<()> {
        let Some(source) = &self.0.source else { return Ok(()) };
        let _reading = source.reading.lock();
        let (lines, stamp) = source.file.read()?;
        *self.0.held.write() = Arc::new(Held::new(&lines, source.clock.now(), stamp));
        Ok(())
    }

    /// Takes up what is new in the file, if nobody looked just now. Whoever comes while another looks waits for it: a
    /// whole burst names a new key at once.
    fn look_again(&self) {
        let Some(source) = &self.0.source else { return };
        let mut looked = source.looked.lock();
        if looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return;
        }
        if source.file.stamp() != self.held().stamp
            && let Err(error) = self.reload()
        {
            tracing::warn!(error = format!("{error:#}"), "the keys at hand stay in use");
        }
        *looked = Some(Instant::now());
    }

    fn held(&self) -> Arc<Held> {
        Arc::clone(&self.0.held.read())
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.held().keys).finish()
    }
}
