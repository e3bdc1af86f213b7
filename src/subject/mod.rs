//! Subject keys: one key per person, under which whatever is personal and must stay is sealed.
//!
//! Owns the table `subject_key`. It promises that
//!
//! - a key is made with the first value that is sealed under it, in the same transaction;
//! - a key stands in the database only wrapped under the vault's;
//! - once it is destroyed, nothing sealed under it opens again, here or in any copy, and no second key is made.
//!
//! What opens asks the database each time: a destroyed key lives on in no cache.

mod store;

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

pub use self::store::wrapped;
use crate::{
    app::App,
    db::WriteTx,
    vault::{Ring, Sealer},
};

/// Some people's keys, as far as they have any.
#[derive(Debug, Default)]
pub struct Keys(HashMap<Uuid, Sealer>);

impl Keys {
    /// Unwraps what was read. A destroyed key is none.
    fn insert(&mut self, app: &App, subject: Uuid, wrapped: &[u8]) {
        let key = app.sealer.open(&place(subject), wrapped).and_then(|key| <[u8; 32]>::try_from(key).ok());
        if let Some(key) = key {
            self.0.insert(subject, Sealer::new(Ring::fixed(&[key]), app.dice.clone()));
        }
    }

    /// `None` if the subject's key was destroyed: then the value is kept by nobody.
    pub fn seal(&self, subject: Uuid, place: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        Some(self.0.get(&subject)?.seal(place, plain))
    }

    /// `None` if the key was destroyed, or the value was sealed in another place or under another key.
    pub fn open(&self, subject: Uuid, place: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.get(&subject)?.open(place, sealed)
    }
}

/// The keys of these people, for opening what is sealed under them.
///
/// # Errors
/// When the database fails.
pub async fn find(
    db: &impl ConnectionTrait,
    app: &App,
    subjects: impl IntoIterator<Item = Uuid> + Send,
) -> Result<Keys, DbErr> {
    let mut keys = Keys::default();
    for row in store::list(db, subjects).await? {
        keys.insert(app, row.subject_id, &row.wrapped);
    }
    Ok(keys)
}

/// The keys of people of whom `known` says what was found wrapped, making those that are missing.
///
/// # Errors
/// When the database fails.
pub async fn complete(tx: &WriteTx, app: &App, known: Vec<(Uuid, Option<Vec<u8>>)>) -> Result<Keys, DbErr> {
    let mut keys = Keys::default();
    let mut missing = Vec::new();
    for (subject, wrapped) in known {
        match wrapped {
            Some(wrapped) => keys.insert(app, subject, &wrapped),
            None => missing.push((subject, app.sealer.seal(&place(subject), &app.dice.bytes::<32>()))),
        }
    }
    if missing.is_empty() {
        return Ok(keys);
    }
    let wanted = u64::try_from(missing.len()).unwrap_or(u64::MAX);
    if store::insert(tx, &missing, app.clock.now()).await? == wanted {
        for (subject, wrapped) in missing {
            keys.insert(app, subject, &wrapped);
        }
    } else {
        // Somebody made one at the same moment; theirs stands.
        for row in store::list(tx, missing.into_iter().map(|(subject, _)| subject)).await? {
            keys.insert(app, row.subject_id, &row.wrapped);
        }
    }
    Ok(keys)
}

/// Seals a value under a subject's key, which is made if there is none. `None` if it was destroyed.
///
/// # Errors
/// When the database fails.
pub async fn seal(
    tx: &WriteTx,
    app: &App,
    subject: impl Into<Uuid>,
    place: &[u8],
    plain: &[u8],
) -> Result<Option<Vec<u8>>, DbErr> {
    let subject = subject.into();
    let found = store::list(tx, [subject]).await?.pop().map(|row| row.wrapped);
    Ok(complete(tx, app, vec![(subject, found)]).await?.seal(subject, place, plain))
}

/// Opens what [`seal`] made. `None` once the key is destroyed.
///
/// # Errors
/// When the database fails.
pub async fn open(
    db: &impl ConnectionTrait,
    app: &App,
    subject: impl Into<Uuid>,
    place: &[u8],
    sealed: &[u8],
) -> Result<Option<Vec<u8>>, DbErr> {
    let subject = subject.into();
    Ok(find(db, app, [subject]).await?.open(subject, place, sealed))
}

/// Destroys keys, for good. Returns how many were alive.
///
/// # Errors
/// When the database fails.
pub async fn destroy(tx: &WriteTx, app: &App, subjects: &[Uuid]) -> Result<u64, DbErr> {
    store::update_destroyed(tx, subjects, app.clock.now()).await
}

/// Deletes the keys of subjects that are no people yet and will be none. Returns how many there were.
///
/// # Errors
/// When the database fails.
pub async fn forget(tx: &WriteTx, subjects: &[Uuid]) -> Result<u64, DbErr> {
    store::delete(tx, subjects).await
}

/// Whether each of `limit` keys opens under the vault's keys.
///
/// # Errors
/// When the database fails.
pub async fn sample(db: &impl ConnectionTrait, app: &App, limit: u64) -> Result<Vec<bool>, DbErr> {
    let rows = store::list_some(db, limit).await?;
    Ok(rows.iter().map(|row| app.sealer.open(&place(row.subject_id), &row.wrapped).is_some()).collect())
}

/// The additional data that a key is wrapped with.
fn place(subject: Uuid) -> Vec<u8> {
    [b"subject_key/".as_slice(), subject.as_bytes()].concat()
}
