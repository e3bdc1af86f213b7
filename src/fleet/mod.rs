//! What all instances of one database must agree on: the keys, and the time.
//!
//! Owns the table `server_key`. It promises that
//!
//! - no instance serves a database with keys that others do not have, and none makes new keys beside a database that was
//!   used with others: both are refused at the start, in one sentence that names the ids and never a key;
//! - rotation goes on: a new key is written down before it makes anything, and of tokens and pages only keys count that
//!   something alive may have been made with;
//! - a clock that is off is told by health, and refused at the start of production where it would do harm;
//! - running instances look again every minute.

mod keys;
mod skew;
mod store;
mod watch;

use std::path::Path;

use anyhow::bail;

use self::keys::Held;
pub use self::{skew::Skew, watch::Agreement};
use crate::{
    config::{Config, Mode},
    db::Db,
    kernel::{Clock, Dice},
    vault::Keys,
};

/// The migration that makes our table.
const OUR_MIGRATION: &str = "m20261127_000003_server_key";
const FIRST_MIGRATION: &str = "m20261123_000001_account";

/// Opens the keys, making those that are missing if the database was never used.
///
/// # Errors
/// One sentence: the database was used and keys are missing, the folder cannot be written, a file is malformed.
pub async fn open_keys(config: &Config, db: &Db, clock: &Clock, dice: &Dice) -> anyhow::Result<Keys> {
    let folder = config.keys_dir();
    let missing = Keys::missing(&folder);
    if !missing.is_empty() && was_used(&db.in_background()).await? {
        let names: Vec<String> = missing.iter().map(|kind| format!("{}.key", kind.name())).collect();
        bail!(
            "the database was used with keys that are not in {}: {} missing; put the other instances' key files there (keys.dir), \
             or a backup's; if they are lost for good, run: backline keys replace-lost",
            folder.display(),
            are(&names)
        );
    }
    Keys::load_or_make(&folder, clock, dice)
}

fn are(names: &[String]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// Whether anything may stand in the database that was made with keys.
async fn was_used(db: &Db) -> anyhow::Result<bool> {
    let pending = migrations::status(db.for_migrations()).await?.pending;
    let is_pending = |name: &str| pending.iter().any(|pending| pending == name);
    if is_pending(FIRST_MIGRATION) {
        return Ok(false);
    }
    let noted = !is_pending(OUR_MIGRATION) && store::any_key(db).await?;
    Ok(noted || store::any_account(db).await?)
}

/// Compares keys and clock with what the database knows, and writes the keys down.
///
/// # Errors
/// One sentence: the database was used with other keys; in production, the clock is off by more than [`Skew::REFUSED`].
pub async fn join(config: &Config, db: &Db, keys: &Keys, clock: &Clock) -> anyhow::Result<()> {
    let db = db.in_background();
    agree(&db, keys, clock, &config.keys_dir()).await?;
    let skew = skew::measure(&db, clock).await?;
    if config.mode == Mode::Production && skew.is_refused() {
        bail!("this machine's clock is {skew} the database's; set both by NTP before starting");
    }
    if skew.is_wrong() {
        tracing::warn!(%skew, "this machine's clock differs from the database's");
    }
    Ok(())
}

async fn agree(db: &Db, keys: &Keys, clock: &Clock, folder: &Path) -> anyhow::Result<()> {
    let (held, now) = (Held::of(keys), clock.now());
    // The root first: of several first instances with keys of their own, the row of one stands.
    store::insert_root(db, &held.root, now).await?;
    let known = store::list_keys(db).await?;
    let held = match keys::judge(&known, &held, now) {
        Ok(()) => held,
        // Another instance may have read a new key a moment earlier.
        Err(_) => held_anew(keys).await?,
    };
    if let Err(trouble) = keys::judge(&known, &held, now) {
        bail!(
            "the database is used with other keys than those in {}: {trouble}; give every instance the same key files (keys.dir)",
            folder.display()
        );
    }
    store::upsert_keys(db, &held.rows(), now).await?;
    Ok(())
}

async fn held_anew(keys: &Keys) -> anyhow::Result<Held> {
    let keys = keys.clone();
    tokio::task::spawn_blocking(move || keys.reload().map(|()| Held::of(&keys))).await?
}

/// Makes what is missing in the folder, and goes on with the keys that are there. What was made with others stays closed.
///
/// # Errors
/// One sentence: the folder cannot be written, a file is malformed, the database fails.
pub async fn start_over(config: &Config, db: &Db, clock: &Clock, dice: &Dice) -> anyhow::Result<Keys> {
    let keys = Keys::load_or_make(&config.keys_dir(), clock, dice)?;
    store::delete_keys(db).await?;
    agree(db, &keys, clock, &config.keys_dir()).await?;
    Ok(keys)
}
