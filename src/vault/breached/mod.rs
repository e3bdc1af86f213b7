//! Passwords that everybody tries first: the common ones, built in, and those of a file that the operator keeps.
//!
//! The built-in list is a binary fuse filter (`common.bin`; its README names the sources). The file of
//! `passwords.breached_list` is a plain list, or the sorted hashes that breach corpora are published as. It is looked at
//! again with each use: whoever replaces it need not restart anything, and a malformed one leaves the old in force.

mod common;
mod file;

use std::{fmt, path::PathBuf, sync::Arc};

use parking_lot::{Mutex, RwLock};

pub use self::common::encode;
use self::{
    common::Common,
    file::{Malformed, Stamp, Store},
};
use crate::kernel::Password;

/// The lists in force. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Breached {
    common: Arc<Common>,
    file: Option<Arc<Watched>>,
}

/// The operator's file, and what was last read of it.
struct Watched {
    path: PathBuf,
    current: RwLock<Arc<Store>>,
    /// The file that was last looked at, good or not; held while it is read.
    seen: Mutex<Stamp>,
}

impl Breached {
    /// # Errors
    /// One sentence when `path` is given and there is no usable list.
    pub fn open(path: Option<PathBuf>) -> anyhow::Result<Self> {
        let file = match path {
            Some(path) => Some(Arc::new(Watched::open(path)?)),
            None => None,
        };
        Ok(Self { common: Arc::new(Common::built_in()), file })
    }

    /// Whether the password stands in one of the lists. Reads the file on a thread that may block.
    ///
    /// The built-in filter takes about 1 in 65,000 passwords that are in no list for one that is.
    pub async fn has(&self, password: &Password) -> bool {
        if self.common.has(password.expose()) {
            return true;
        }
        let Some(file) = self.file.clone() else { return false };
        let password = password.clone();
        let found = tokio::task::spawn_blocking(move || file.has(password.expose())).await;
        found.unwrap_or_else(|_| {
            complain("the look-up did not finish");
            false
        })
    }
}

impl fmt::Debug for Breached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breached").field("file", &self.file.as_ref().map(|file| &file.path)).finish_non_exhaustive()
    }
}

impl Watched {
    fn open(path: PathBuf) -> anyhow::Result<Self> {
        let unusable = |error: &dyn fmt::Display| {
            anyhow::anyhow!("passwords.breached_list {} cannot be used: {error}", path.display())
        };
        let stamp = Stamp::of(&path).map_err(|error| unusable(&error))?;
        let store = Store::read(&path).map_err(|error| unusable(&error))?;
        Ok(Self { path, current: RwLock::new(Arc::new(store)), seen: Mutex::new(stamp) })
    }

    fn has(&self, password: &str) -> bool {
        self.follow();
        let store = Arc::clone(&self.current.read());
        store.has(password).unwrap_or_else(|error| {
            complain(error);
            false
        })
    }

    /// Takes a replaced file, if it is a list. One caller reads it; the others go on with the old one meanwhile.
    fn follow(&self) {
        let Some(mut seen) = self.seen.try_lock() else { return };
        let Ok(stamp) = Stamp::of(&self.path) else { return };
        if *seen == stamp {
            return;
        }
        *seen = stamp;
        match Store::read(&self.path) {
            Ok(store) => {
                *self.current.write() = Arc::new(store);
                tracing::info!("the list of breached passwords was replaced");
            }
            Err(error) => complain(error),
        }
    }
}

fn complain(error: impl Into<Malformed>) {
    metrics::counter!("backline_breached_list_errors_total").increment(1);
    tracing::error!(error = %error.into(), "the list of breached passwords could not be read; the old one stays");
}
