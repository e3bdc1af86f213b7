//! Running instances go on comparing: keys and clocks can part after the start.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{agree, keys::Held, skew};
use crate::{db::Db, kernel::Clock, vault::Keys};

/// How often an instance looks whether it holds new keys: they must be written down before they make, 15 s after they came.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often it compares with the database.
const COMPARE_EVERY: Duration = Duration::from_mins(1);

/// Whether this instance agrees with the others. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Agreement(Arc<State>);

#[derive(Debug)]
struct State {
    keys: AtomicBool,
    clock: AtomicBool,
}

impl Default for Agreement {
    fn default() -> Self {
        Self(Arc::new(State { keys: AtomicBool::new(true), clock: AtomicBool::new(true) }))
    }
}

impl Agreement {
    /// Whether the keys are those of the other instances.
    pub fn on_keys(&self) -> bool {
        self.0.keys.load(Ordering::Relaxed)
    }

    /// Whether the clock goes as the database's does.
    pub fn on_time(&self) -> bool {
        self.0.clock.load(Ordering::Relaxed)
    }

    /// Compares at once, and then every minute until `stop`.
    pub async fn follow(self, db: Db, keys: Keys, clock: Clock, folder: PathBuf, stop: CancellationToken) {
        let db = db.in_background();
        let mut compared: Option<(Instant, Held)> = None;
        loop {
            let held = Held::of(&keys);
            if compared.as_ref().is_none_or(|(at, before)| at.elapsed() >= COMPARE_EVERY || *before != held) {
                self.compare(&db, &keys, &clock, &folder).await;
                compared = Some((Instant::now(), held));
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Compares keys and clock with the database's. If that is away, what was found before stays.
    pub async fn compare(&self, db: &Db, keys: &Keys, clock: &Clock, folder: &std::path::Path) {
        match agree(db, keys, clock, folder).await {
            Ok(()) => {
                if !self.0.keys.swap(true, Ordering::Relaxed) {
                    info!("the keys are those of the other instances again");
                }
            }
            Err(error) if error.is::<sea_orm::DbErr>() => {}
            Err(error) => {
                if self.0.keys.swap(false, Ordering::Relaxed) {
                    error!(error = format!("{error:#}"), "this instance must not go on like this");
                }
            }
        }
        if let Ok(skew) = skew::measure(db, clock).await {
            let agrees = !skew.is_wrong();
            match (self.0.clock.swap(agrees, Ordering::Relaxed), agrees) {
                (true, false) => warn!(%skew, "this machine's clock differs from the database's"),
                (false, true) => info!("this machine's clock is right again"),
                _ => {}
            }
        }
    }
}
